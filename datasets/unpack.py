"""Unpack an archive that nobody vouches for.

Only plain files and folders are made, below a folder of our own: no links, no devices, no absolute paths, no
``..``, and no more than limits allow. Entries are read one after the other and written here: what the
libraries' own unpacking lets through differs from release to release.
"""

import lzma
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from dabench.datasets.download import Report
from dabench.datasets.tarball import RefusedError, Tarball, decompressed
from dabench.errors import UserError
from dabench.limited import open_regular

__all__ = ["BadArchiveError", "Limits", "unpack"]

CHUNK_BYTES = 1 << 20
DEEPEST = 32
ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)  # others take any memory
BROKEN = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError,
    NotImplementedError, RecursionError, MemoryError,
    ValueError,  # from names and numbers that only a broken or a hostile archive has
)  # fmt: skip


class BadArchiveError(UserError):
    """An archive that is broken, or holds what it must not: unpacking it again will not help."""


@dataclass(frozen=True)
class Limits:
    """How much an archive may unpack to.

    Attributes:
        files: number of files and folders.
        bytes: in all; VisDA-2017's largest archive is far below.
        ratio: unpacked to packed size; images hardly shrink, so more is an attack.
        small_bytes: below this the ratio does not matter.
    """

    files: int = 1_000_000
    bytes: int = 200 << 30
    ratio: int = 100
    small_bytes: int = 64 << 20


class _Readable(Protocol):
    def read(self, most: int, /) -> bytes: ...


@dataclass(frozen=True)
class _Entry:
    name: str
    size: int
    content: _Readable | None  # none of a folder


def unpack(archive: Path, target: Path, report: Report, limits: Limits | None = None) -> None:
    """Unpack a tar archive (plain, gzip, bzip2, xz) or a zip archive into a new folder.

    Args:
        archive: the file.
        target: a folder that is empty or does not exist yet.
        report: told of the bytes written.
        limits: how much it may unpack to.

    Raises:
        BadArchiveError: no archive, a broken one, or one that holds what it must not. What was written until
            then is left in ``target`` for the caller to delete.
        UserError: it cannot be read, or there is no room.
    """
    target.mkdir(parents=True, exist_ok=True)
    writer = _Writer(archive, target, report, limits or Limits())
    try:
        with open_regular(archive) as file:
            for entry in _entries(archive, file, writer.allowed):
                writer.write(entry)
    except RefusedError as error:
        raise BadArchiveError(f"{archive}: {error}", "nothing was moved in") from error
    except BROKEN as error:
        reason = str(error) or type(error).__name__
        raise BadArchiveError(f"{archive}: broken archive: {reason}", "download it again") from error
    except FileExistsError as error:
        raise BadArchiveError(f"{archive}: two entries want the same place: {error.filename}") from error
    except OSError as error:
        raise UserError(f"{archive}: cannot be unpacked: {error}") from error
    if not writer.count:
        raise BadArchiveError(f"{archive}: holds no file")


def _entries(archive: Path, file: BinaryIO, most_bytes: int) -> Iterator[_Entry]:
    try:
        tar = Tarball(decompressed(file), most_bytes)
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError):  # no tar
        if not zipfile.is_zipfile(file):
            raise BadArchiveError(
                f"{archive}: neither a tar nor a zip archive", "was it downloaded whole?"
            ) from None
        return _zip_entries(archive, file)
    return _tar_entries(archive, tar)


def _tar_entries(archive: Path, tar: Tarball) -> Iterator[_Entry]:
    for member in tar:
        if not (member.is_file or member.is_folder):
            raise BadArchiveError(f"{archive}: '{member.name}' is a link or a device; nothing was moved in")
        yield _Entry(member.name, member.size, None if member.is_folder else member)


def _zip_entries(archive: Path, opened: BinaryIO) -> Iterator[_Entry]:
    with zipfile.ZipFile(opened) as file:
        for info in file.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise BadArchiveError(
                    f"{archive}: '{info.filename}' is a link or a device; nothing was moved in"
                )
            if info.flag_bits & 1:
                raise BadArchiveError(f"{archive}: '{info.filename}' is encrypted")
            if info.compress_type not in ZIP_METHODS:
                raise BadArchiveError(
                    f"{archive}: '{info.filename}' is packed by method {info.compress_type}, not by deflate",
                    "unpack it yourself into the data folder, if you trust it",
                )
            if info.is_dir():
                yield _Entry(info.filename, 0, None)
            else:
                with file.open(info) as stream:
                    yield _Entry(info.filename, info.file_size, stream)


class _Writer:
    """Writes entries below a folder and counts what it writes."""

    def __init__(self, archive: Path, target: Path, report: Report, limits: Limits) -> None:
        self.archive, self.target, self.report, self.limits = archive, target, report, limits
        packed = archive.stat().st_size
        self.allowed = min(limits.bytes, max(limits.small_bytes, limits.ratio * packed))
        self.free = shutil.disk_usage(target).free
        self.bytes = 0
        self.count = 0

    def write(self, entry: _Entry) -> None:
        path = self._place(entry.name)
        self.count += 1
        if self.count > self.limits.files:
            raise BadArchiveError(f"{self.archive}: more than {self.limits.files} files")
        self._allow(entry.size)
        if entry.content is None:
            path.mkdir(parents=True, exist_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            while chunk := entry.content.read(CHUNK_BYTES):
                self._allow(len(chunk))  # again: a stated size may lie
                file.write(chunk)
                self.bytes += len(chunk)
        self.report(f"unpacking {self.archive.name}", self.bytes, None)

    def _allow(self, more: int) -> None:
        if self.bytes + more > self.allowed:
            raise BadArchiveError(
                f"{self.archive}: unpacks to more than {self.allowed} bytes: made to fill the disk",
                "nothing was moved in",
            )
        if self.bytes + more > self.free:
            raise UserError(
                f"{self.archive}: unpacks to more than the {self.free} bytes that the disk has room for",
                "nothing was moved in",
            )

    def _place(self, name: str) -> Path:
        """Where an entry goes, checked twice: by its name, and by where the path really leads."""
        parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
        outside = name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name) or ".." in parts
        if len(parts) > DEEPEST:
            raise BadArchiveError(f"{self.archive}: '{name[:200]}...' lies more than {DEEPEST} folders deep")
        path = self.target.joinpath(*parts)
        if outside or "\0" in name or not path.resolve().is_relative_to(self.target.resolve()):
            raise BadArchiveError(f"{self.archive}: '{name}' leads outside the folder; nothing was moved in")
        return path
