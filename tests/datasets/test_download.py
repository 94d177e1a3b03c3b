"""Against a real server on this machine that knows ranges, loses connections and changes its files."""

import email.message
import hashlib
import io
import re
import shutil
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dabench.datasets import download as download_module
from dabench.datasets.download import ROOM_BYTES, download, verify_archive
from dabench.errors import UserError
from dabench.suite import Address

CONTENT = np.random.default_rng(0).bytes(3_000_000)


@dataclass
class Server:
    """What the server offers and how it behaves, and the ranges that it was asked for."""

    address: str = ""
    content: bytes = CONTENT
    tag: str | None = '"one"'
    ranges: bool = True
    cut_after: list[int] = field(default_factory=list)  # bytes after which each next answer breaks off
    status: int | None = None
    kind: str = "application/octet-stream"
    length: str | None = ""  # "" states the true one, None states none
    asked: list[str | None] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.asked.append(asked)
            if state.status:
                self.send_error(state.status)
                return
            start = int(re.findall(r"\d+", asked)[0]) if asked and state.ranges else 0
            if self.headers.get("If-Range") not in (None, state.tag):
                start = 0
            if start >= len(state.content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(state.content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = state.content[start:]
            self.send_response(206 if start else 200)
            if start:
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(state.content) - 1}/{len(state.content)}"
                )
            if state.tag:
                self.send_header("ETag", state.tag)
            self.send_header("Content-Type", state.kind)
            if state.length is not None:
                self.send_header("Content-Length", state.length or str(len(body)))
            self.end_headers()
            self.wfile.write(body[: state.cut_after.pop(0)] if state.cut_after else body)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        state.address = f"http://127.0.0.1:{running.server_address[1]}/a.tar"
        yield state
        running.shutdown()
        thread.join()


def get(server: Server, folder: Path, **known: Any) -> Path:
    address = Address(archive="a.tar", address=server.address, seen_in="this test", **known)
    return download(address, folder, lambda *_: None, pause_seconds=0.0)


def test_whole_file_with_size_and_checksum(server: Server, tmp_path: Path) -> None:
    md5 = hashlib.md5(CONTENT).hexdigest()
    path = get(server, tmp_path, size_bytes=len(CONTENT), checksum=f"md5:{md5}")
    assert path.read_bytes() == CONTENT
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.tar"]
    assert get(server, tmp_path) == path  # complete already: nothing is asked
    assert len(server.asked) == 1


def test_reports_progress(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    address = Address(archive="a.tar", address=server.address, seen_in="this test")
    download(address, tmp_path, lambda *step: seen.append(step))
    assert seen[-1] == ("a.tar", len(CONTENT), len(CONTENT))


def test_goes_on_after_a_lost_connection(server: Server, tmp_path: Path) -> None:
    server.cut_after = [1_000_000, 500_000]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000000-", "bytes=1500000-"]


def interrupt(server: Server, folder: Path) -> None:
    server.cut_after = [1_000_000] + [0] * 4
    with pytest.raises(UserError, match="after 5 tries") as caught:
        get(server, folder)
    assert "go on" in caught.value.hint
    assert (folder / "a.tar.part").stat().st_size == 1_000_000
    server.asked.clear()
    server.cut_after.clear()


def test_goes_on_in_another_session(server: Server, tmp_path: Path) -> None:
    interrupt(server, tmp_path)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000000-"]


def test_server_that_ignores_ranges(server: Server, tmp_path: Path) -> None:
    interrupt(server, tmp_path)
    server.ranges = False
    assert get(server, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("tag", ['"two"', None])
def test_file_that_changed_in_between(server: Server, tmp_path: Path, tag: str | None) -> None:
    if tag is None:
        server.tag = None
    interrupt(server, tmp_path)
    server.content, server.tag = CONTENT[::-1] + b"more", tag
    assert get(server, tmp_path).read_bytes() == CONTENT[::-1] + b"more"


def test_another_address_starts_anew(server: Server, tmp_path: Path) -> None:
    interrupt(server, tmp_path)
    server.address = server.address.replace("a.tar", "b.tar")
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None]


def test_partial_file_that_is_complete(server: Server, tmp_path: Path) -> None:
    interrupt(server, tmp_path)
    (tmp_path / "a.tar.part").write_bytes(CONTENT)
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_partial_file_that_is_too_long(server: Server, tmp_path: Path) -> None:
    interrupt(server, tmp_path)
    (tmp_path / "a.tar.part").write_bytes(CONTENT + b"x")
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_broken_note_starts_anew(server: Server, tmp_path: Path) -> None:
    interrupt(server, tmp_path)
    (tmp_path / "a.tar.part.json").write_text("{")
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None]


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({"checksum": "md5:" + "0" * 32}, "expected 0000"),
        ({"checksum": "sha256:" + "0" * 64}, "has sha256"),
        ({"size_bytes": 4_000_000}, "has 3000000 bytes, expected 4000000"),
        ({"size_bytes": 1_000_000}, "larger than the 1000000 bytes"),
    ],
)
def test_another_size_or_checksum(
    server: Server, tmp_path: Path, known: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        get(server, tmp_path, **known)
    assert list(tmp_path.iterdir()) == []


def test_missing_file_is_not_tried_again(server: Server, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(UserError, match="404"):
        get(server, tmp_path)
    assert len(server.asked) == 1


def test_server_in_trouble_is_tried_again(server: Server, tmp_path: Path) -> None:
    server.status = 503
    with pytest.raises(UserError, match=r"after 5 tries.*503"):
        get(server, tmp_path)
    assert len(server.asked) == 5


def test_a_web_page_is_no_archive(server: Server, tmp_path: Path) -> None:
    server.kind = "text/html; charset=utf-8"
    with pytest.raises(UserError, match="a web page"):
        get(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("address", ["file:///etc/hostname", "ftp://host/x", "no address"])
def test_other_kinds_of_address(tmp_path: Path, address: str) -> None:
    with pytest.raises(UserError, match="no web address"):
        download(Address(archive="a", address=address, seen_in="here"), tmp_path, lambda *_: None)


def test_no_connection(tmp_path: Path) -> None:
    address = Address(archive="a", address="http://127.0.0.1:9/x", seen_in="here")
    with pytest.raises(UserError, match="no complete answer"):
        download(address, tmp_path, lambda *_: None, pause_seconds=0.0)


def test_archive_without_known_size_or_checksum(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"anything")
    verify_archive(tmp_path / "a", Address(archive="a", address="x", seen_in="y"))


def test_no_stated_size(server: Server, tmp_path: Path) -> None:
    server.length = None
    assert get(server, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("length", ["many", "-5", "9" * 5000, "٣"])
def test_a_size_that_is_no_number_is_none(
    length: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Answer(io.BytesIO):
        status = 200
        headers = email.message.Message()

    Answer.headers["Content-Type"] = "application/x-tar"
    Answer.headers["Content-Length"] = length
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: Answer(CONTENT))
    assert get(Server("http://127.0.0.1:9/a.tar"), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("length", [None, ""])
def test_more_than_any_archive_has(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: str | None
) -> None:
    server.length = length
    monkeypatch.setattr(download_module, "LARGEST_BYTES", 2_000_000)
    with pytest.raises(UserError, match="larger than 2000000 bytes") as caught:
        get(server, tmp_path)
    assert "size_bytes" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
    assert get(server, tmp_path, size_bytes=len(CONTENT)).read_bytes() == CONTENT


def test_the_disk_is_looked_at_with_every_piece(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.length = None
    whole = shutil.disk_usage(tmp_path)
    looks = iter([ROOM_BYTES + 5, ROOM_BYTES - 1])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: whole._replace(free=next(looks)))
    with pytest.raises(UserError, match="no room for any more bytes") as caught:
        get(server, tmp_path)
    assert "go on" in caught.value.hint
    assert (tmp_path / "a.tar.part").stat().st_size < len(CONTENT)
    assert len(server.asked) == 1


@pytest.mark.parametrize("address", ["http://" + "a" * 100 + ".x/", "http://[/x", "http://a:port/x"])
def test_addresses_that_cannot_be_asked(tmp_path: Path, address: str) -> None:
    with pytest.raises(UserError):
        download(Address(archive="a", address=address, seen_in="here"), tmp_path, lambda *_: None, 0.0)
