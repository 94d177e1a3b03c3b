"""Unpack an archive that nobody vouches for.

Only plain files and folders are made, below a folder of our own: no links, no devices, no absolute paths, no
``..``, and no more than limits allow. tarfile's own data filter would let links through and is missing from
the first releases of Python 3.11; entries are read through the library and written here, without it.
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
from typing import IO

from dabench.datasets.download import Report
from dabench.errors import UserError

__all__ = ["Limits", "unpack"]

CHUNK_BYTES = 1 << 20
LONGEST_HEADER = 1 << 20
STRETCHING = frozenset({
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
})  # fmt: skip
BROKEN = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError,
    NotImplementedError,
)  # fmt: skip


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


@dataclass(frozen=True)
class _Entry:
    name: str
    is_folder: bool
    size: int
    stream: IO[bytes] | None


def unpack(archive: Path, target: Path, report: Report, limits: Limits | None = None) -> None:
    """Unpack a tar archive (plain, gzip, bzip2, xz) or a zip archive into a new folder.

    Args:
        archive: the file.
        target: a folder that is empty or does not exist yet.
        report: told of the bytes written.
        limits: how much it may unpack to.

    Raises:
        UserError: no archive, a broken one, or one that holds what it must not. What was written until then
            is left in ``target`` for the caller to delete.
    """
    target.mkdir(parents=True, exist_ok=True)
    writer = _Writer(archive, target, report, limits or Limits())
    try:
        tar = _opened_tar(archive)
        if tar is not None:
            entries = _tar_entries(archive, tar)
        elif zipfile.is_zipfile(archive):
            entries = _zip_entries(archive)
        else:
            raise UserError(f"{archive}: neither a tar nor a zip archive", "was it downloaded whole?")
        for entry in entries:
            writer.write(entry)
    except BROKEN as error:
        raise UserError(f"{archive}: broken archive: {error}", "download it again") from error
    except FileExistsError as error:
        raise UserError(f"{archive}: two entries want the same place: {error.filename}") from error
    except OSError as error:
        raise UserError(f"{archive}: cannot be unpacked: {error}") from error
    except ValueError as error:  # from names and numbers that only a broken or a hostile archive has
        raise UserError(f"{archive}: broken archive: {error}", "download it again") from error
    if not writer.count:
        raise UserError(f"{archive}: holds no file")


class _Header(tarfile.TarInfo):
    """A tar entry's header. The kinds that stretch a name are read into memory whole: none may be long."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Header":
        header = super().frombuf(buf, encoding, errors)
        if header.type in STRETCHING and not 0 <= header.size <= LONGEST_HEADER:
            raise ValueError(f"a header of {header.size} bytes")
        return header


def _opened_tar(archive: Path) -> tarfile.TarFile | None:
    """The archive, or None where it is no tar."""
    try:
        return tarfile.open(archive, tarinfo=_Header)
    except (tarfile.TarError, EOFError):
        return None


def _tar_entries(archive: Path, opened: tarfile.TarFile) -> Iterator[_Entry]:
    with opened as file:
        for member in file:
            if not (member.isreg() or member.isdir()):
                raise UserError(f"{archive}: '{member.name}' is a link or a device; nothing was moved in")
            yield _Entry(member.name, member.isdir(), member.size, file.extractfile(member))


def _zip_entries(archive: Path) -> Iterator[_Entry]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise UserError(f"{archive}: '{info.filename}' is a link or a device; nothing was moved in")
            if info.flag_bits & 1:
                raise UserError(f"{archive}: '{info.filename}' is encrypted")
            if info.is_dir():
                yield _Entry(info.filename, True, 0, None)
            else:
                with file.open(info) as stream:
                    yield _Entry(info.filename, False, info.file_size, stream)


class _Writer:
    """Writes entries below a folder and counts what it writes."""

    def __init__(self, archive: Path, target: Path, report: Report, limits: Limits) -> None:
        self.archive, self.target, self.report, self.limits = archive, target, report, limits
        packed = archive.stat().st_size
        allowed = max(limits.small_bytes, limits.ratio * packed)
        self.most_bytes = min(limits.bytes, allowed, shutil.disk_usage(target).free)
        self.bytes = 0
        self.count = 0

    def write(self, entry: _Entry) -> None:
        path = self._place(entry.name)
        self.count += 1
        if self.count > self.limits.files:
            raise UserError(f"{self.archive}: more than {self.limits.files} files")
        self._allow(entry.size)
        if entry.is_folder or entry.stream is None:
            path.mkdir(parents=True, exist_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            while chunk := entry.stream.read(CHUNK_BYTES):
                self._allow(len(chunk))  # again: a stated size may lie
                file.write(chunk)
                self.bytes += len(chunk)
        self.report(f"unpacking {self.archive.name}", self.bytes, None)

    def _allow(self, more: int) -> None:
        if self.bytes + more > self.most_bytes:
            raise UserError(
                f"{self.archive}: unpacks to more than {self.most_bytes} bytes: no room for it, or "
                "an archive made to fill the disk",
                "nothing was moved in",
            )

    def _place(self, name: str) -> Path:
        """Where an entry goes, checked twice: by its name, and by where the path really leads."""
        parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
        outside = name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name) or ".." in parts
        path = self.target.joinpath(*parts)
        if outside or "\0" in name or not path.resolve().is_relative_to(self.target.resolve()):
            raise UserError(f"{self.archive}: '{name}' leads outside the folder; nothing was moved in")
        return path
