"""What a command has left behind: digests of files, and traces of code that ran."""

import fnmatch
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hostile import CANARY, PLACES

__all__ = ["changes", "distinct", "outside", "seen", "strayed", "traces"]

LARGE_BYTES = 4 * 2**20


def _entries(folder: Path, skip: Sequence[str] = ()) -> Iterator[tuple[str, os.stat_result]]:
    """Everything below a folder, by relative path, but what ``skip`` names; links are not followed."""
    todo = [""]
    while todo:
        place = todo.pop()
        try:
            names = sorted(os.listdir(folder / place))
        except NotADirectoryError:
            continue
        for name in names:
            path = f"{place}/{name}" if place else name
            if path in skip:
                continue
            found = os.lstat(folder / path)
            yield path, found
            if stat.S_ISDIR(found.st_mode):
                todo.append(path)


def _content(path: Path, found: os.stat_result, whole: bool = True) -> bytes:
    """What a file is; of one that is large its ends, unless all of it is wanted."""
    if stat.S_ISLNK(found.st_mode):
        return b"link " + os.fsencode(os.readlink(path))
    if not stat.S_ISREG(found.st_mode):
        return b"no file"
    with path.open("rb") as file:
        if whole or found.st_size <= LARGE_BYTES:
            return hashlib.file_digest(file, "sha256").digest()
        begin = file.read(LARGE_BYTES // 2)
        file.seek(-LARGE_BYTES // 2, os.SEEK_END)
        return hashlib.sha256(begin + file.read()).digest() + str(found.st_size).encode()


def seen(folder: Path, skip: Sequence[str] = (), whole: bool = True) -> dict[str, str]:
    """Path to a text that says what is there: kind, rights and content; of large files the time of change."""
    state = {}
    for path, found in _entries(folder, skip):
        content = _content(folder / path, found, whole).hex()
        late = "" if whole or found.st_size <= LARGE_BYTES else f" {found.st_mtime_ns}"
        state[path] = f"{found.st_mode:o} {content}{late}"
    return state


def outside(folder: Path, number: int) -> dict[str, str]:
    """All of a folder but for an input's own."""
    return seen(folder, skip=(f"work/deep/{number}", "work/said"))


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Paths that are new, gone or another."""
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))


def strayed(paths: Sequence[str], outputs: Sequence[str]) -> list[str]:
    """Paths that no command was asked to write. The cache of an input is its own."""
    allowed = ("cache", "cache/*", *outputs)
    return [path for path in paths if not any(fnmatch.fnmatchcase(path, one) for one in allowed)]


def traces() -> list[str]:
    """Files that code in an input has made; they are removed, for the next one."""
    found = [Path(os.environ[place]) / CANARY for place in PLACES]
    left = [str(path) for path in found if path.exists()]
    for path in left:
        os.unlink(path)
    return left


def distinct(folder: Path, arguments: Sequence[str], blank: Sequence[str]) -> str:
    """Digest of an input: names and content of what was put down, and arguments, but for where it lies."""
    words = [os.fsencode(each) for each in (str(folder), folder.as_posix().strip("/"), *blank)]

    def plain(content: bytes) -> bytes:
        for each in words:
            content = content.replace(each, b"")
        return content

    digest = hashlib.sha256(plain("\0".join(arguments).encode("utf-8", "surrogateescape")))
    for path, found in sorted(_entries(folder), key=lambda entry: entry[0]):
        digest.update(f"\0{path}\0{found.st_mode:o}\0".encode("utf-8", "surrogateescape"))
        if stat.S_ISREG(found.st_mode) and found.st_size <= LARGE_BYTES:
            digest.update(plain((folder / path).read_bytes()))
        else:
            digest.update(plain(_content(folder / path, found, whole=False)))
    return digest.hexdigest()
