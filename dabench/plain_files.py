"""Open files of strangers: plain files only, no link as the last part of the path, nothing that blocks."""

import hashlib
import os
import stat
from pathlib import Path
from typing import BinaryIO

__all__ = ["NotPlain", "digest", "open_plain", "plain_name"]

# A link is an error, and a named pipe does not wait for a writer. Windows has neither flag.
FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
CHUNK = 2**20
LONGEST_NAME = 255  # bytes, on every usual file system


class NotPlain(OSError):
    """The path names a link, a folder, a pipe or a device."""


def open_plain(path: Path) -> BinaryIO:
    """Open a regular file for reading; a link as the path's last part is not followed.

    Raises:
        NotPlain: the path names something else than a file.
        OSError: there is no such file, or it cannot be read.
    """
    if path.is_symlink():
        raise NotPlain("it is a link")
    handle = os.open(path, FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise NotPlain("it is no regular file")
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def plain_name(name: str) -> bool:
    r"""Whether a text names a file in the same folder and nothing else, on every system.

    >>> [plain_name(name) for name in ("seed0.npz", "../seed0.npz", "a/b", r"a\b", "..", "c:x", "")]
    [True, False, False, False, False, False, False]
    """
    if not name.isprintable() or name in ("", ".", "..") or set(name) & set('/\\:*?"<>|'):
        return False
    return len(name.encode("utf-8", "replace")) <= LONGEST_NAME


def digest(path: Path, limit_bytes: int) -> str:
    """SHA-256 of a file's bytes, in hexadecimal digits.

    Raises:
        OSError: as ``open_plain``, or the file is larger than ``limit_bytes``.
    """
    sha = hashlib.sha256()
    read = 0
    with open_plain(path) as file:
        while chunk := file.read(CHUNK):
            read += len(chunk)
            if read > limit_bytes:
                raise OSError(f"it is larger than {limit_bytes} bytes")
            sha.update(chunk)
    return sha.hexdigest()
