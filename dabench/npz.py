"""Read arrays from ``.npz`` files of strangers: no pickle, no bomb, memory bounded by what was asked for.

An ``.npz`` is a zip archive of ``.npy`` files. Everything that it says of itself is checked before a byte of
data is unpacked: the size of its directory, the number and names of its members, their sizes against each
other, the arrays' shapes and types against the limit. Unpacking goes in small pieces into memory of exactly
the declared size, and the archive's checksum must fit at the end.

Memory: the limit, plus at most about one megabyte.
"""

import math
import os
import struct
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from dabench.errors import UserError
from dabench.plain_files import open_plain, plain_name

__all__ = ["ArrayError", "array_names", "read_arrays"]

END = struct.Struct("<4s4H2LH")  # the zip format's end of central directory record
END_SIGNATURE, ZIP64_SIGNATURE = b"PK\x05\x06", b"PK\x06\x07"
ZIP64_LOCATOR_BYTES = 20
MOST_MEMBERS = 64  # dabench writes at most fourteen
LARGEST_DIRECTORY = 64 * 2**10
LONGEST_NPY_HEADER = 1024  # numpy writes 118 bytes for arrays of numbers
DEFLATE_RATIO = 1032  # the format cannot pack more; a larger claim is false (zlib, technical details)
PIECE = 64 * 2**10
MOST_DIMENSIONS = 8
ENCRYPTED = 0x1
SUFFIX = ".npy"

Result = TypeVar("Result")


class ArrayError(UserError):
    """A file of arrays that cannot be used.

    Attributes:
        file: its name without folders.
        reason: what is wrong with it.
    """

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file}: {reason}", "write it again by running the command of its record")
        self.file = file
        self.reason = reason


class _Refused(Exception):
    """Why a file is not read."""


def array_names(path: Path) -> tuple[str, ...]:
    """Names of the arrays in a file, as its directory lists them; nothing is unpacked.

    Raises:
        ArrayError: there is no such file, or it is no sound archive of arrays.
    """
    return tuple(_guarded(path, _members))


def read_arrays(path: Path, names: Sequence[str], limit_bytes: int) -> dict[str, NDArray[Any]]:
    """Read the named arrays of a file, and nothing else of it.

    Args:
        path: of an ``.npz``; a link is not followed.
        names: of the arrays wanted, such as ``predictions``.
        limit_bytes: that all of them together may need in memory.

    Raises:
        ArrayError: there is no such file, an array is missing, larger than the limit or not of numbers, or
            anything in the file contradicts itself.
    """

    def read(archive: zipfile.ZipFile) -> dict[str, NDArray[Any]]:
        members = _members(archive)
        missing = [name for name in names if name not in members]
        if missing:
            raise _Refused(f"it has no array '{missing[0]}'")
        found: dict[str, NDArray[Any]] = {}
        left = limit_bytes
        for name in dict.fromkeys(names):
            found[name] = _array(archive, members[name], name, left, limit_bytes)
            left -= found[name].nbytes
        return found

    return _guarded(path, read)


def _guarded(path: Path, read: Callable[[zipfile.ZipFile], Result]) -> Result:
    """Open the archive and read; whatever goes wrong becomes one kind of error."""
    try:
        with open_plain(path) as file, warnings.catch_warnings():
            warnings.simplefilter("error")  # what makes numpy or Python wonder, dabench did not write
            _check_end(file)
            with zipfile.ZipFile(file) as archive:
                return read(archive)
    except _Refused as error:
        raise ArrayError(path.name, str(error)) from None
    except FileNotFoundError:
        raise ArrayError(path.name, "there is no such file") from None
    except OSError as error:
        raise ArrayError(path.name, f"it cannot be read: {error.strerror or error}") from error
    except Exception as error:  # a file of a stranger may lead anywhere in zipfile, zlib and numpy
        raise ArrayError(path.name, f"no sound archive of arrays: {_words(error)}") from error


def _words(error: Exception) -> str:
    """The first line of an error, short: it may quote the file."""
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][:120]


def _check_end(file: BinaryIO) -> None:
    """Check the archive's last record before Python reads the directory, whose size it states."""
    size = os.fstat(file.fileno()).st_size
    tail = min(size, END.size + ZIP64_LOCATOR_BYTES)
    file.seek(size - tail)
    end = file.read(tail)
    if len(end) < END.size or not end[-END.size :].startswith(END_SIGNATURE):
        raise _Refused("no zip archive, or one with something behind its end (truncated?)")
    if end.startswith(ZIP64_SIGNATURE):
        raise _Refused("a zip64 archive, for more than dabench ever writes into one")
    _, _, _, here, members, directory, _, _ = END.unpack(end[-END.size :])
    if here != members or members > MOST_MEMBERS:
        raise _Refused(f"{members} members, expected at most {MOST_MEMBERS}")
    if directory > LARGEST_DIRECTORY:
        raise _Refused(f"a directory of {directory} bytes, expected at most {LARGEST_DIRECTORY}")
    file.seek(0)


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Array name to archive member; every member is checked, wanted or not."""
    found: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.orig_filename
        shown = repr(name[:60])
        if not name.endswith(SUFFIX) or not plain_name(name):
            raise _Refused(f"a member {shown}, expected plain names that end with {SUFFIX}")
        if name.removesuffix(SUFFIX) in found:
            raise _Refused(f"two members {shown}")
        if info.flag_bits & ENCRYPTED:
            raise _Refused(f"the member {shown} is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _Refused(f"the member {shown} is packed by method {info.compress_type}, expected deflate")
        stored = info.compress_type == zipfile.ZIP_STORED
        most = info.compress_size if stored else info.compress_size * DEFLATE_RATIO
        if info.file_size > most:
            raise _Refused(
                f"the member {shown} claims {info.file_size} bytes in {info.compress_size}, which cannot be"
            )
        found[name.removesuffix(SUFFIX)] = info
    return found


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, left: int, limit: int) -> NDArray[Any]:
    with archive.open(info) as stream:
        shape, fortran, dtype = _header(stream, name)
        count = math.prod(shape)
        # An empty array may not have absurd other sizes either.
        needed = math.prod(max(size, 1) for size in shape) * dtype.itemsize
        if needed > left:
            raise _Refused(
                f"array '{name}' of shape {_shown(shape)} is larger than the limit of {limit} bytes"
            )
        behind = info.file_size - stream.tell()
        if behind != count * dtype.itemsize:
            raise _Refused(
                f"array '{name}' of shape {_shown(shape)} needs {count * dtype.itemsize} bytes, "
                f"its member has {behind}"
            )
        flat = np.empty(count, dtype)
        _fill(stream, flat.view(np.uint8).data, name)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def _header(stream: Any, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and type of an array of numbers, parsed by numpy, which needs no pickle for them."""
    version = npy.read_magic(stream)
    if version != (1, 0):  # later ones are for structured types, and state a length that is read unchecked
        raise _Refused(f"array '{name}' has header version {version[0]}.{version[1]}, expected 1.0")
    shape, fortran, dtype = npy.read_array_header_1_0(stream, max_header_size=LONGEST_NPY_HEADER)
    if dtype.kind not in "biuf" or dtype.itemsize > 8 or dtype.shape:
        raise _Refused(f"array '{name}' is of type {str(dtype)[:60]}, expected numbers")
    if len(shape) > MOST_DIMENSIONS or any(size < 0 for size in shape):
        raise _Refused(f"array '{name}' has the shape {_shown(shape)}")
    return tuple(int(size) for size in shape), fortran, dtype


def _shown(shape: Sequence[int]) -> str:
    return str([*shape])[:80]


def _fill(stream: Any, memory: memoryview, name: str) -> None:
    """Unpack into memory, piece by piece, to the end of the member: there its checksum is compared."""
    filled = 0
    while filled < len(memory):
        piece = stream.read(min(PIECE, len(memory) - filled))
        if not piece:
            raise _Refused(f"array '{name}' ends after {filled} of {len(memory)} bytes")
        memory[filled : filled + len(piece)] = piece
        filled += len(piece)
    if stream.read(1):
        raise _Refused(f"array '{name}' has more data than its shape")
