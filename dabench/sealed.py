"""Files in the cache: made once, shared by all processes, verified when opened, made again when damaged.

Beside ``NAME`` lies its sidecar ``NAME.json``: size, checksums, time of change, and what the file is.
"""

import errno
import fcntl
import hashlib
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from dabench.records import write_atomically

__all__ = ["TAG", "about_of", "drop_abandoned", "is_abandoned", "sealed_file", "sidecar"]

BLOCK_BYTES = 64 * 1024
BLOCKS = 16
DAY_SECONDS = 86_400
LOCKED = re.compile(r"\..+\.([0-9a-f]{8}\.part|lock)")  # hidden files that a live build holds the lock of

TAG = "CACHEDIR.TAG"
"""Marks a folder of sealed files: what lies in it can be made again (https://bford.info/cachedir/)."""
TAG_TEXT = (
    b"Signature: 8a477f597d28d172789f06886806bc55\n# Made by dabench; see 'dabench data drop --help'.\n"
)


class _Seal(BaseModel):
    """What a sidecar holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    about: dict[str, Any]
    size: int
    mtime_ns: int
    sample: str
    content: str


def sealed_file(path: Path, about: Mapping[str, Any], build: Callable[[Path], None]) -> Path:
    """Return ``path`` when it holds what was once built; build it first where it is missing or damaged.

    What is checked: where size and time of change are those of the sealing, 16 blocks of 64 KiB spread over
    the file, first and last included (files up to 1 MiB are read whole). Otherwise (copied, touched, written
    to) the whole content; if that is unchanged, the new time is noted and nothing is built. A byte that is
    changed between the blocks without a new time of change, as by a failing disk, is not seen.

    Processes that want the same file wait for the first one's build, where the file system has locks; where
    it has none they build side by side, and one of the files stays.

    Args:
        path: the file, in a folder of the cache.
        about: JSON values for people and for ``dabench data``: ``kind``, ``label`` ("SUITE DOMAIN"), counts.
        build: writes the content into the file that it is given (empty, hidden, beside ``path``).

    Raises:
        OSError: the folder or a file cannot be written. What ``build`` raises is passed on, too.
    """
    if _is_sound(path):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.with_name(f".{path.name}.lock")):
        if not _is_sound(path):  # another process may have built it while this one waited
            _build(path, about, build)
    return path


def sidecar(path: Path) -> Path:
    """Where the sidecar of a sealed file lies."""
    return path.with_name(f"{path.name}.json")


def about_of(path: Path) -> Mapping[str, Any] | None:
    """What the sidecar says about a file, which need not be there; None without a readable sidecar."""
    seal = _read(path)
    return None if seal is None else seal.about


def is_abandoned(part: Path) -> bool:
    """Whether nobody writes a hidden file any more: the process that made it is dead.

    Where no lock tells (a file system without locks, somebody else's temporary file), it is after a day.
    A build that begins at this moment may not have its lock yet: remove with ``drop_abandoned`` alone.
    """
    with _abandoned(part) as found:
        return found


def drop_abandoned(part: Path) -> bool:
    """Remove a hidden file that is abandoned; return whether it was.

    The lock is held meanwhile, so that a build that has made the file, and waits for the lock, finds that it
    is gone and makes another one.

    Raises:
        OSError: it cannot be removed.
    """
    with _abandoned(part) as found:
        if found:
            part.unlink(missing_ok=True)
        return found


@contextmanager
def _abandoned(part: Path) -> Iterator[bool]:
    """Whether a file is abandoned, with its lock if there is one."""
    try:
        file = part.open("rb")
    except OSError:  # gone, or another user's
        yield False
        return
    with file:
        yield _is_left(part, file)


def _is_left(part: Path, file: BinaryIO) -> bool:
    """Whether an open file is abandoned; its lock is taken where it is free."""
    try:
        if LOCKED.fullmatch(part.name):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return os.path.samestat(os.fstat(file.fileno()), os.stat(part))  # else its build has ended
            except (BlockingIOError, FileNotFoundError):
                return False
            except OSError:
                pass
        return time.time() - os.fstat(file.fileno()).st_mtime > DAY_SECONDS
    except OSError:
        return False


def _is_sound(path: Path) -> bool:
    seal = _read(path)
    if seal is None:
        return False
    try:
        with path.open("rb") as file:
            stat = os.fstat(file.fileno())
            if stat.st_size != seal.size:
                return False
            if stat.st_mtime_ns == seal.mtime_ns:
                return _sample(file, seal.size) == seal.sample
            if hashlib.file_digest(file, "sha256").hexdigest() != seal.content:
                return False
    except OSError:
        return False
    with suppress(OSError):  # a cache that is read-only is checked whole each time
        _write(path, seal.model_copy(update={"mtime_ns": stat.st_mtime_ns}))
    return True


def _sample(file: BinaryIO, size: int) -> str:
    """Digest of blocks that are spread evenly over a file; of all of it when it is no longer than these."""
    digest = hashlib.sha256()
    if size <= BLOCKS * BLOCK_BYTES:
        file.seek(0)
        digest.update(file.read())
    else:
        for number in range(BLOCKS):
            file.seek((size - BLOCK_BYTES) * number // (BLOCKS - 1))
            digest.update(file.read(BLOCK_BYTES))
    return digest.hexdigest()


def _read(path: Path) -> _Seal | None:
    try:
        return _Seal.model_validate_json(sidecar(path).read_bytes())
    except (OSError, ValidationError):  # missing or broken
        return None


def _write(path: Path, seal: _Seal) -> None:
    write_atomically(sidecar(path), seal.model_dump_json(indent=1).encode())


def _build(path: Path, about: Mapping[str, Any], build: Callable[[Path], None]) -> None:
    (path.parent / TAG).write_bytes(TAG_TEXT)
    for part in path.parent.glob(".*.part"):
        drop_abandoned(part)
    with _locked(path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")) as temporary:
        build(temporary)
        seal = _sealed(temporary, about)
        os.replace(temporary, path)
        _write(path, seal)


def _sealed(path: Path, about: Mapping[str, Any]) -> _Seal:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        stat = os.fstat(file.fileno())
        content = hashlib.file_digest(file, "sha256").hexdigest()
        sample = _sample(file, stat.st_size)
    return _Seal(
        about=dict(about), size=stat.st_size, mtime_ns=stat.st_mtime_ns, sample=sample, content=content
    )


@contextmanager
def _locked(path: Path) -> Iterator[Path]:
    """Make a file and hold its lock, waiting for it; remove the file at the end where it still is.

    The lock goes when the process dies, which is how others see that a temporary file is abandoned.
    """
    handle = _lock(path)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _lock(path: Path) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL):
                return handle  # a file system without locks
            os.close(handle)
            raise
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # the holder before removed the file: lock the one that is there now
