"""Read files that anybody may have made: regular files only, and no more of them than an honest one has."""

import errno
import os
import stat
import zipfile
from io import BufferedReader
from pathlib import Path

__all__ = ["open_regular", "read_limited", "regular", "require_honest"]

# A pipe does not wait for a writer. Links are followed: data folders are full of them.
FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


SMALL_BYTES = 256 * 2**20  # below this the ratio does not matter
MOST_RATIO = 100  # unpacked to packed size


def require_honest(archive: zipfile.ZipFile) -> None:
    """Make sure that an archive claims no size out of proportion; nothing in it gives more than it claims.

    Raises:
        ValueError: it does, and was made to fill the memory.
    """
    packed = sum(info.compress_size for info in archive.infolist())
    claimed = sum(info.file_size for info in archive.infolist())
    if claimed > max(SMALL_BYTES, MOST_RATIO * packed):
        raise ValueError(f"{packed} bytes that would unpack to {claimed}, made to fill the memory")


def open_regular(path: str | os.PathLike[str], links: bool = True) -> BufferedReader:
    """Open a regular file for reading.

    Args:
        path: of the file.
        links: follow a link in the file's place; never where the file is written, too, or lies in a folder
            that may be anybody's.

    Raises:
        OSError: there is none, it cannot be read, or it is a folder, a pipe or a device (which may block, or
            never end), or a link.
    """
    return os.fdopen(regular(path, FLAGS, links), "rb")


def regular(path: str | os.PathLike[str], flags: int, links: bool = False) -> int:
    """Open a regular file with flags of ``os.open`` and return its handle.

    Raises:
        OSError: as ``open_regular``.
    """
    if not links and os.path.islink(path):  # not every system has the flag
        raise OSError(errno.ELOOP, "it is a link", os.fspath(path))
    handle = os.open(path, flags | (0 if links else getattr(os, "O_NOFOLLOW", 0)), 0o666)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "no regular file", os.fspath(path))
    return handle


def read_limited(path: Path, most_bytes: int, links: bool = True) -> bytes:
    """Return a file's content.

    Raises:
        OSError: as ``open_regular``, or the file is larger than ``most_bytes``.
    """
    handle = regular(path, FLAGS, links)  # without Python's file object: half the time for a small file
    try:
        left = min(most_bytes, os.fstat(handle).st_size) + 1
        pieces = []
        while left and (piece := os.read(handle, left)):
            pieces.append(piece)
            left -= len(piece)
    finally:
        os.close(handle)
    content = b"".join(pieces)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"larger than {most_bytes} bytes", str(path))
    return content
