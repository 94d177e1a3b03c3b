"""Read a tar archive that nobody vouches for: forwards, one entry at a time, and nothing of it is kept.

Of the format's many kinds of entry only plain files and folders are handed out, under the long names and
sizes that the headers before them state; of all others the caller learns the kind. Python's tarfile parses
single headers here and no more: its own reading follows chains of headers by recursion, reads maps of sparse
files of any length into memory, and remembers every entry.
"""

import bz2
import gzip
import lzma
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import DEFAULT_BUFFER_SIZE, BufferedReader, RawIOBase
from typing import Any, BinaryIO, cast

__all__ = ["BLOCK", "RefusedError", "TarEntry", "Tarball", "decompressed"]

BLOCK = tarfile.BLOCKSIZE
CHUNK_BYTES = 1 << 20
LONGEST_HEADER = 1 << 20
MOST_STRETCHED = 64 << 20  # bytes of headers about headers: in all, and for each entry
STRETCHED_PER_ENTRY = 16 << 10
MOST_CHAINED = 4  # GNU's two long names, or a global header and one of the entry, and some room
XZ_BYTES = 512 << 20  # xz -9 needs 65 MiB
PAX = frozenset({tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE})
LONG = frozenset({tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK})
PLAIN = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE})
NUMBER = re.compile(rb"[0-9]{1,19}")
SPARSE = "a sparse file (tar --sparse), which is not read"


class RefusedError(ValueError):
    """What an archive may not hold, or more than it may hold."""


@dataclass
class TarEntry:
    """An entry: its name, whether it is a folder or a plain file (or neither), and its bytes.

    Attributes:
        size: of the content.
    """

    name: str
    is_folder: bool
    is_file: bool
    size: int
    _stream: "_Forwards"
    _left: int = 0

    def read(self, most: int) -> bytes:
        """The next bytes of the content, none at its end. Raises EOFError where the archive ends before."""
        piece = self._stream.exactly(min(most, self._left))
        self._left -= len(piece)
        return piece


class _Forwards:
    """A stream that is read forwards, and no further than its limit."""

    def __init__(self, stream: BinaryIO, most_bytes: int) -> None:
        self._stream = stream
        self.position = 0
        self.limit = most_bytes

    def read(self, size: int) -> bytes:
        piece = self._stream.read(size)
        self.position += len(piece)
        if self.position > self.limit:
            raise RefusedError(f"unpacks to more than {self.limit} bytes")
        return piece

    def exactly(self, size: int) -> bytes:
        piece = self.read(size)
        if len(piece) < size:
            raise EOFError("it ends in the middle of an entry")
        return piece

    def skip(self, size: int) -> None:
        while size:
            size -= len(self.exactly(min(CHUNK_BYTES, size)))


class Tarball:
    """The entries of a tar archive.

    Args:
        stream: the archive, decompressed.
        most_bytes: that the stream may have, and ``per_entry`` more for each entry.
        per_entry: as above; headers of empty files may shrink more than images do.

    Raises:
        tarfile.HeaderError: the stream does not begin as a tar archive does.
    """

    def __init__(self, stream: BinaryIO, most_bytes: int, per_entry: int = 8 * BLOCK) -> None:
        self._stream = _Forwards(stream, most_bytes)
        self._per_entry = per_entry
        self._stretched = 0
        self._allowed = MOST_STRETCHED
        self._first: tarfile.TarInfo | None = None
        self._first = self._header()

    def __iter__(self) -> Iterator[TarEntry]:
        """Yield the entries; each can be read until the next is asked for.

        Raises:
            RefusedError: more than an archive may hold, or what it may not.
            tarfile.HeaderError, EOFError, ValueError: it is broken.
        """
        while (header := self._first or self._header()) is not None:
            self._first = None
            self._allowed += STRETCHED_PER_ENTRY
            self._stream.limit += self._per_entry
            entry = self._entry(header)
            if entry is None:
                return
            yield entry
            self._stream.skip(entry._left + -entry.size % BLOCK)

    def _header(self) -> tarfile.TarInfo | None:
        """The next header; None at the archive's end."""
        block = self._stream.read(BLOCK)
        if not block.strip(b"\0"):
            return None
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")

    def _entry(self, header: tarfile.TarInfo | None) -> TarEntry | None:
        """The entry that begins with a header, the headers that stretch its name or size taken in."""
        name: str | None = None
        size: int | None = None
        for _ in range(MOST_CHAINED + 1):
            if header is None:
                return None
            if header.type in LONG:
                text = self._stretch(header).partition(b"\0")[0]
                name = _text(text) if header.type == tarfile.GNUTYPE_LONGNAME else name
            elif header.type in PAX:
                records = _records(self._stretch(header))
                if header.type != tarfile.XGLTYPE:  # what one says of all entries is of none's content
                    name = _text(records["path"]) if "path" in records else name
                    size = _number(records["size"]) if "size" in records else size
            else:
                return self._finished(header, name, size)
            header = self._header()
        raise RefusedError(f"more than {MOST_CHAINED} headers in a row about one entry")

    def _stretch(self, header: tarfile.TarInfo) -> bytes:
        if not 0 <= header.size <= LONGEST_HEADER:
            raise RefusedError(f"a header of {header.size} bytes")
        self._stretched += header.size
        if self._stretched > self._allowed:
            raise RefusedError(f"{self._stretched} bytes of headers about headers")
        content = self._stream.exactly(header.size)
        self._stream.skip(-header.size % BLOCK)
        return content

    def _finished(self, header: tarfile.TarInfo, name: str | None, size: int | None) -> TarEntry:
        if header.type == tarfile.GNUTYPE_SPARSE:
            raise RefusedError(SPARSE)
        found = header.size if size is None else size
        if found < 0:
            raise RefusedError(f"an entry of {found} bytes")
        is_file = header.type in PLAIN
        content = found if is_file else 0  # a folder's size is that of nothing in the archive
        name = header.name if name is None else name
        return TarEntry(name, header.isdir(), is_file, content, self._stream, content)


def _records(content: bytes) -> dict[str, bytes]:
    """The path and the size that a header of POSIX tar states; its lines are 'LENGTH KEY=VALUE'."""
    found: dict[str, bytes] = {}
    at = 0
    while at < len(content) and content[at]:
        number = NUMBER.match(content, at)
        end = at + int(number.group()) if number else at
        if number is None or end > len(content) or content[number.end() : number.end() + 1] != b" ":
            raise ValueError("a header that is no list of lengths, keys and values")
        key, equals, value = content[number.end() + 1 : end - 1].partition(b"=")
        if not equals or content[end - 1 : end] != b"\n":
            raise ValueError("a header that is no list of lengths, keys and values")
        if key.startswith(b"GNU.sparse."):
            raise RefusedError(SPARSE)
        if key in (b"path", b"size"):
            found[key.decode()] = value
        at = end
    return found


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def _number(content: bytes) -> int:
    if not NUMBER.fullmatch(content):
        raise ValueError("a size that is no number")
    return int(content)


def decompressed(file: BinaryIO) -> BinaryIO:
    """The content of a file, unpacked where it begins as gzip, bzip2 or xz do."""
    start = file.read(6)
    file.seek(0)
    if start.startswith(b"\x1f\x8b"):
        return cast(BinaryIO, gzip.GzipFile(fileobj=file))
    if start.startswith(b"BZh"):
        return cast(BinaryIO, bz2.BZ2File(file))
    if start.startswith(b"\xfd7zXZ\0"):
        return BufferedReader(_Xz(file))
    return file


class _Xz(RawIOBase):
    """Like lzma.LZMAFile, which allows any memory that the file asks for."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._unpack = self._new()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            if self._unpack.eof:  # another stream may follow, after zeros that fill up
                rest = self._unpack.unused_data or self._file.read(DEFAULT_BUFFER_SIZE)
                while rest and not rest.strip(b"\0"):
                    rest = self._file.read(DEFAULT_BUFFER_SIZE)
                if not rest:
                    return 0
                rest, self._unpack = rest.lstrip(b"\0"), self._new()
            else:
                rest = self._file.read(DEFAULT_BUFFER_SIZE) if self._unpack.needs_input else b""
                if self._unpack.needs_input and not rest:
                    raise EOFError("it ends in the middle")
            piece = self._unpack.decompress(rest, len(buffer))
            if piece:
                buffer[: len(piece)] = piece
                return len(piece)

    @staticmethod
    def _new() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_BYTES)
