"""Files made once and verified: what is noticed, what is built again, what is left behind."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dabench.sealed import (
    BLOCK_BYTES,
    BLOCKS,
    TAG,
    about_of,
    drop_abandoned,
    is_abandoned,
    sealed_file,
    sidecar,
)

LONG = bytes(range(256)) * (BLOCKS * BLOCK_BYTES // 256 * 4)  # 4 MiB: four times what the samples cover


class Builder:
    """Writes a content and counts how often."""

    def __init__(self, content=b"the content"):
        self.content, self.calls = content, 0

    def __call__(self, path):
        self.calls += 1
        assert path.name.startswith(".")
        path.write_bytes(self.content)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "images" / "one.npy"


def seal(path, build):
    return sealed_file(path, {"kind": "images", "label": "suite domain"}, build)


def stamped(path, change):
    """Change a file and put its time of change back."""
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)
    os.utime(path, ns=times)


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def test_built_once_with_a_sidecar_for_people(path):
    build = Builder()
    assert seal(path, build) == seal(path, build) == path
    assert build.calls == 1
    assert path.read_bytes() == b"the content"
    assert about_of(path) == {"kind": "images", "label": "suite domain"}
    assert names(path.parent) == [TAG, "one.npy", "one.npy.json"]


def test_an_empty_file_can_be_sealed(path):
    build = Builder(b"")
    seal(path, build)
    seal(path, build)
    assert build.calls == 1


DAMAGES = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "one byte": lambda path: path.write_bytes(path.read_bytes()[:-7] + b"?" + path.read_bytes()[-6:]),
    "without its sidecar": lambda path: sidecar(path).unlink(),
    "with a broken sidecar": lambda path: sidecar(path).write_text('{"version": 1'),
    "with another's sidecar": lambda path: sidecar(path).write_text(
        json.dumps({**json.loads(sidecar(path).read_text()), "content": "0" * 64, "mtime_ns": 0})
    ),
}


@pytest.mark.parametrize("content", [b"the content", LONG], ids=["short", "long"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_built_again(path, damage, content):
    build = Builder(content)
    seal(path, build)
    DAMAGES[damage](path)
    seal(path, build)
    assert build.calls == 2
    assert path.read_bytes() == content
    seal(path, build)
    assert build.calls == 2


def test_a_touched_or_copied_file_is_read_whole_once(path, monkeypatch):
    build, hashed = Builder(LONG), []
    seal(path, build)
    digest = __import__("hashlib").file_digest
    monkeypatch.setattr("hashlib.file_digest", lambda *args: (hashed.append(1), digest(*args))[1])
    os.utime(path, ns=(1, 1))
    seal(path, build)
    assert (build.calls, len(hashed)) == (1, 1)
    seal(path, build)
    assert (build.calls, len(hashed)) == (1, 1)
    assert json.loads(sidecar(path).read_text())["mtime_ns"] == 1


def test_a_sampled_byte_is_seen_without_a_new_time(path):
    build = Builder(LONG)
    for place in (0, BLOCK_BYTES - 1, (len(LONG) - BLOCK_BYTES) * 7 // (BLOCKS - 1), len(LONG) - 1):
        seal(path, build)
        stamped(path, lambda content, place=place: content.__setitem__(place, content[place] ^ 1))
        calls = build.calls
        seal(path, build)
        assert build.calls == calls + 1, place


def test_what_the_samples_cannot_see(path):
    """Between two blocks, with the old time of change: the documented limit; with a new time it is seen."""
    build = Builder(LONG)
    seal(path, build)
    between = BLOCK_BYTES + 100
    stamped(path, lambda content: content.__setitem__(between, content[between] ^ 1))
    seal(path, build)
    assert build.calls == 1
    os.utime(path)
    seal(path, build)
    assert build.calls == 2
    assert path.read_bytes() == LONG


def test_any_byte_of_a_short_file_is_seen_without_a_new_time(path):
    build = Builder(LONG[: BLOCKS * BLOCK_BYTES])
    seal(path, build)
    stamped(path, lambda content: content.__setitem__(500_001, content[500_001] ^ 1))
    seal(path, build)
    assert build.calls == 2


def test_a_build_that_fails_leaves_the_old_file_alone_and_nothing_else(path):
    def fail(temporary):
        temporary.write_bytes(b"half")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        seal(path, fail)
    assert names(path.parent) == [TAG]
    seal(path, Builder())
    path.write_bytes(b"damaged")
    with pytest.raises(RuntimeError):
        seal(path, fail)
    assert names(path.parent) == [TAG, "one.npy", "one.npy.json"]
    assert path.read_bytes() == b"damaged"


def test_threads_that_want_one_file_build_it_once(path):
    def slow(temporary):
        time.sleep(0.05)
        build(temporary)

    build = Builder()
    threads = [threading.Thread(target=seal, args=(path, slow)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert build.calls == 1
    assert names(path.parent) == [TAG, "one.npy", "one.npy.json"]


# Appends a line to the log for each build, so that builds of several processes can be counted.
PROCESS = """
import os, signal, sys, time
from pathlib import Path
from dabench.sealed import sealed_file
path, log, how = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
def build(temporary):
    with log.open("a") as file:
        file.write("built\\n")
    temporary.write_bytes(b"the con")
    if how == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.3)
    temporary.write_bytes(b"the content")
sealed_file(path, {"kind": "images"}, build)
assert path.read_bytes() == b"the content"
"""


def start(path, log, how):
    return subprocess.Popen([sys.executable, "-c", PROCESS, str(path), str(log), how])


def test_processes_that_want_one_file_build_it_once(path, tmp_path):
    log = tmp_path / "log"
    running = [start(path, log, "finish") for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert log.read_text() == "built\n"
    assert names(path.parent) == [TAG, "one.npy", "one.npy.json"]


def test_builds_side_by_side_do_no_harm_without_locks(path, monkeypatch):
    """On a file system without locks both build; one of the files stays, and it is whole."""

    def unsupported(*args):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    both = threading.Barrier(2)

    def together(temporary):
        both.wait(30)
        build(temporary)

    build = Builder()
    threads = [threading.Thread(target=seal, args=(path, together)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert build.calls == 2
    seal(path, build)
    assert build.calls == 2
    assert path.read_bytes() == b"the content"
    assert names(path.parent) == [TAG, "one.npy", "one.npy.json"]


def test_a_killed_build_leaves_hidden_files_that_the_next_build_clears(path, tmp_path):
    log = tmp_path / "log"
    assert start(path, log, "die").wait(60) == -signal.SIGKILL
    left = [name for name in names(path.parent) if name != TAG]
    assert len(left) == 2
    assert all(name.startswith(".one.npy.") for name in left)
    assert all(is_abandoned(path.with_name(name)) for name in left)
    seal(path.with_name("two.npy"), Builder())
    assert not list(path.parent.glob(".*.part"))
    seal(path, Builder())
    assert not [name for name in names(path.parent) if name.startswith(".")]


def test_a_build_that_another_one_clears_away_before_it_has_its_lock_makes_its_file_again(path, monkeypatch):
    """Between making its file and locking it, a build looks like a dead one; another one is slow to clear."""
    lock, unlink = fcntl.flock, Path.unlink
    found, building = threading.Event(), threading.Event()
    other = threading.Thread(target=seal, args=(path.with_name("two.npy"), Builder()))

    def look_first(handle, operation):
        is_part = os.readlink(f"/proc/self/fd/{handle}").endswith(".part") if type(handle) is int else False
        if is_part and other.ident is None:
            other.start()
            assert found.wait(30)
        return lock(handle, operation)

    def slowly(self, missing_ok=False):
        if threading.current_thread() is other and self.name.startswith(".one.npy."):
            found.set()
            building.wait(0.5)  # not reached while the other one holds the lock
        unlink(self, missing_ok=missing_ok)

    def build(temporary):
        with temporary.open("wb") as file:
            building.set()
            other.join(30)
            file.write(b"the content")

    monkeypatch.setattr(fcntl, "flock", look_first)
    monkeypatch.setattr(Path, "unlink", slowly)
    seal(path, build)
    assert path.read_bytes() == b"the content"
    assert names(path.parent) == [TAG, "one.npy", "one.npy.json", "two.npy", "two.npy.json"]


def test_what_looked_abandoned_is_removed_under_its_lock(path, monkeypatch):
    """The build gets its lock after another one's look, and before that one removes the file."""
    path.parent.mkdir()
    part = path.with_name(".one.npy.0123abcd.part")
    part.touch()
    really = Path.unlink
    free = []

    def unlink(self, missing_ok=False):
        with self.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                free.append(self)
            except BlockingIOError:
                pass
        really(self, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    assert drop_abandoned(part)
    assert not part.exists()
    assert free == []
    assert not drop_abandoned(part)


def test_a_file_that_has_got_its_name_is_not_abandoned(path, monkeypatch):
    """A build ends between another one's opening of its temporary file and the lock."""
    path.parent.mkdir()
    part = path.with_name(".one.npy.0123abcd.part")
    part.touch()
    really = fcntl.flock

    def end_first(handle, operation):
        os.replace(part, path)
        return really(handle, operation)

    monkeypatch.setattr(fcntl, "flock", end_first)
    assert not drop_abandoned(part)
    assert path.exists()


def test_live_and_foreign_temporary_files_are_left_for_a_day(path):
    foreign = path.with_name(".abcd1234.part")

    def build(temporary):
        assert not is_abandoned(temporary)
        seal(path.with_name("two.npy"), Builder())
        assert temporary.exists()
        temporary.write_bytes(b"one")

    path.parent.mkdir()
    foreign.write_bytes(b"x")
    seal(path, build)
    assert path.read_bytes() == b"one"
    assert foreign.exists()
    os.utime(foreign, (time.time() - 90_000,) * 2)
    seal(path.with_name("three.npy"), Builder())
    assert not foreign.exists()


def test_a_file_system_that_refuses_for_another_reason_says_so(path, monkeypatch):
    def refuse(*args):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="Input/output"):
        seal(path, Builder())
