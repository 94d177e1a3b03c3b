"""Download one file over HTTP, going on where an earlier try stopped."""

import hashlib
import http.client
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dabench.errors import UserError
from dabench.records import write_atomically
from dabench.suite import Address

__all__ = ["Report", "download", "verify_archive"]

Report = Callable[[str, int, int | None], None]
"""Called with what is being done, bytes done, and bytes in all (None: not known)."""

CHUNK_BYTES = 1 << 20
TIMEOUT_SECONDS = 60
TRIES = 5
LARGEST_BYTES = 64 << 30  # where the manifest states no size; VisDA-2017's largest archive has 6 GB
ROOM_BYTES = 256 << 20  # that is left on the disk
GOES_ON = "what has arrived is kept: run the same command again to go on"


class _Interrupted(Exception):
    """The connection broke; another try may go on."""


class _Changed(Exception):
    """What has arrived does not fit what the server has now."""


def download(address: Address, folder: Path, report: Report, pause_seconds: float = 2.0) -> Path:
    """Download an archive into a folder and check its size and checksum where they are known.

    A partial file from an earlier try is continued when the server offers that and still has the same file
    (told by its ETag or date); else it is fetched anew.

    Args:
        address: what to get; its file is called ``address.archive``.
        folder: where it is put; made if need be.
        report: told of the progress.
        pause_seconds: before the second try; doubled for each further one.

    Returns:
        The complete file.

    Raises:
        UserError: no such file, no connection after some tries, a web page in place of a file, another size
            or checksum than stated, or no room.
    """
    if not re.match(r"https?://", address.address):
        raise UserError(f"{address.address} is no web address")
    if not Path(address.archive).name.strip("."):
        raise UserError(f"'{address.archive}' is no name for a file")
    folder.mkdir(parents=True, exist_ok=True)
    complete = folder / Path(address.archive).name
    partial = _Partial(complete.with_name(complete.name + ".part"), address)
    if not complete.is_file():
        _until_complete(partial, report, pause_seconds)
        os.replace(partial.path, complete)
        partial.forget()
    try:
        verify_archive(complete, address)
    except UserError:
        complete.unlink()
        raise
    return complete


def _until_complete(partial: "_Partial", report: Report, pause_seconds: float) -> None:
    reason = ""
    for number in range(TRIES):
        if number:
            time.sleep(pause_seconds * 2 ** (number - 1))
        try:
            partial.attempt(report)
            return
        except _Changed:
            partial.forget()
        # URLError, timeouts and resets are OSErrors; a body that ends early is an HTTPException.
        except (_Interrupted, OSError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
        except ValueError as error:  # a host's name that is none, a header with a line's end
            raise UserError(f"{partial.address.address}: cannot be asked for: {error}") from error
    raise UserError(f"{partial.address.address}: no complete answer after {TRIES} tries: {reason}", GOES_ON)


@dataclass
class _Partial:
    """A file that is arriving, and beside it a note of what the server said of it."""

    path: Path
    address: Address

    @property
    def note(self) -> Path:
        return self.path.with_name(self.path.name + ".json")

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def attempt(self, report: Report) -> None:
        """One request: for what is missing, or for everything."""
        have, known = self._what_is_here()
        headers = {"User-Agent": "dabench", "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if known.get("validator"):
                headers["If-Range"] = known[
                    "validator"
                ]  # the server sends everything if the file has changed
        request = urllib.request.Request(self.address.address, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
                self._receive(response, have, known.get("total"), report)
        except urllib.error.HTTPError as error:
            with error:
                self._refused(error, have)

    def _what_is_here(self) -> tuple[int, dict[str, Any]]:
        try:
            known = json.loads(self.note.read_text(encoding="utf-8"))
            have = self.path.stat().st_size
        except (OSError, ValueError):
            return 0, {}
        usable = isinstance(known, dict) and known.get("address") == self.address.address
        return (have, known) if usable else (0, {})

    def _refused(self, error: urllib.error.HTTPError, have: int) -> None:
        if error.code == 416:  # nothing after what is here: all of it has arrived, or the file is another one
            total = re.fullmatch(r"bytes \*/([0-9]{1,18})", error.headers.get("Content-Range", ""))
            if have and total and int(total.group(1)) == have:
                return
            raise _Changed
        if error.code >= 500 or error.code in (408, 429):
            raise _Interrupted(f"the server answers {error.code} {error.reason}")
        raise UserError(f"{self.address.address}: the server answers {error.code} {error.reason}") from error

    def _receive(self, response: Any, have: int, known_total: int | None, report: Report) -> None:
        if response.headers.get_content_type() == "text/html":
            raise UserError(f"{self.address.address} gives a web page (a form or a sign-in), not the archive")
        start, total = _range(response, have)
        if start and known_total is not None and total != known_total:
            raise _Changed
        if total is not None:
            self._check_size(total)
            self._check_room(total - start)
        note = {"address": self.address.address, "validator": _validator(response.headers), "total": total}
        write_atomically(self.note, json.dumps(note).encode())
        with self.path.open("r+b" if start else "wb") as file:
            file.seek(start)
            file.truncate()
            while chunk := response.read(CHUNK_BYTES):
                file.write(chunk)
                report(self.address.archive, file.tell(), total)
                self._check_size(file.tell())
                self._check_room(0)
            arrived = file.tell()
        if total is not None and arrived < total:
            raise _Interrupted(f"the connection ended after {arrived} of {total} bytes")

    def _check_size(self, size: int) -> None:
        stated = self.address.size_bytes
        if stated is not None and size > stated:
            self.forget()
            raise UserError(f"{self.address.address} is larger than the {stated} bytes that it should have")
        if stated is None and size > LARGEST_BYTES:
            self.forget()
            raise UserError(
                f"{self.address.address} is larger than {LARGEST_BYTES} bytes",
                "state its size_bytes in the manifest",
            )

    def _check_room(self, more: int) -> None:
        if more + ROOM_BYTES > shutil.disk_usage(self.path.parent).free:
            raise UserError(f"{self.path.parent}: no room for {more or 'any'} more bytes", GOES_ON)


def _range(response: Any, have: int) -> tuple[int, int | None]:
    """Where the body starts in the file, and the file's whole size if the server says."""
    length = response.headers.get("Content-Length")
    if response.status != 206:
        return 0, int(length) if length and re.fullmatch(r"[0-9]{1,18}", length) else None
    match = re.fullmatch(
        r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)", response.headers.get("Content-Range", "")
    )
    if match is None or int(match.group(1)) != have:
        raise _Changed
    return have, None if match.group(2) == "*" else int(match.group(2))


def _validator(headers: Any) -> str | None:
    tag: str | None = headers.get("ETag")
    date: str | None = headers.get("Last-Modified")
    strong = tag if tag and not tag.startswith("W/") else None  # a weak one may not be used for ranges
    return strong or date


def verify_archive(path: Path, address: Address) -> None:
    """Compare a file's size and checksum with those stated; what is not stated is not compared.

    Raises:
        UserError: they differ.
    """
    size = path.stat().st_size
    if address.size_bytes is not None and size != address.size_bytes:
        raise UserError(f"{path.name} has {size} bytes, expected {address.size_bytes}", "download it again")
    if address.checksum is None:
        return
    kind, _, expected = address.checksum.partition(":")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, kind).hexdigest()
    if found != expected:
        raise UserError(f"{path.name} has {kind} {found}, expected {expected}", "download it again")
