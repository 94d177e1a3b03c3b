"""The slow look at every file: does it decode, is it what was recorded. Used by ``dabench data check``.

Checksums are recorded in the format of ``sha256sum``, so that ``sha256sum -c`` reads them as well.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from dabench.datasets.decoding import LARGEST_FILE_BYTES, decode_bytes
from dabench.datasets.digests import in_parallel
from dabench.errors import UserError
from dabench.limited import open_regular, read_limited
from dabench.records import write_atomically

__all__ = ["Verifiable", "Watch", "read_sums", "sums_path", "verify", "write_sums"]

Watch = Callable[[int, int], None]
"""Called with files done and files in all, as work goes on."""

SHA256_HEX = 64
LARGEST_SUMS_BYTES = 512 * 2**20  # a line for each of millions of files


@runtime_checkable
class Verifiable(Protocol):
    """A loader whose data are files."""

    def problems(self) -> list[str]:
        """What is wrong with names and counts, without opening images: one sentence each."""
        ...

    def files(self) -> dict[Path, bool]:
        """Every file that the suite reads, and whether it is an image that must decode."""
        ...

    def sums(self) -> Path:
        """Where recorded checksums lie."""
        ...


@dataclass(frozen=True)
class _Examined:
    path: Path
    digest: str
    problem: str


def verify(loader: Verifiable, watch: Watch | None = None, record: bool = False) -> list[str]:
    """Look at names, counts, decodability and checksums.

    Args:
        loader: whose files to look at.
        watch: told of the progress.
        record: write the checksums of all files, replacing what was recorded; only when nothing is wrong.

    Returns:
        One sentence for each problem, none when all is well.
    """
    problems = loader.problems()
    files = list(loader.files().items())
    examined = []
    for done, item in enumerate(in_parallel(_examine, files), start=1):
        examined.append(item)
        if watch is not None:
            watch(done, len(files))
    problems += [item.problem for item in examined if item.problem]
    digests = {item.path: item.digest for item in examined if item.digest}
    if record:
        if not problems:
            write_sums(loader.sums(), digests)
        return problems
    return problems + _compare(loader.sums(), digests)


def _examine(item: tuple[Path, bool]) -> _Examined:
    path, is_image = item
    try:
        if is_image:
            content = read_limited(path, LARGEST_FILE_BYTES)
            digest = hashlib.sha256(content).hexdigest()
            try:
                decode_bytes(content, str(path))
            except UserError as error:
                return _Examined(path, digest, str(error))
            return _Examined(path, digest, "")
        with open_regular(path) as file:
            return _Examined(path, hashlib.file_digest(file, "sha256").hexdigest(), "")
    except OSError as error:
        return _Examined(path, "", f"{path}: cannot be read: {error.strerror or error}")


def sums_path(folder: Path, suite: str) -> Path:
    """The file of recorded checksums of a suite in a folder."""
    return folder / f"{suite}.sha256"


def write_sums(path: Path, digests: Mapping[Path, str]) -> None:
    """Record checksums, one ``digest  path`` a line, paths relative to the file's folder.

    Raises:
        UserError: the folder cannot be written to; a name that the format has no room for.
    """
    lines = []
    for file, digest in sorted(digests.items()):
        name = os.path.relpath(file, path.parent)
        if "\n" in name or "\\" in name:
            raise UserError(f"{file}: a name with a line break or backslash cannot be recorded", "rename it")
        lines.append(f"{digest}  {name}\n")
    try:
        write_atomically(path, os.fsencode("".join(lines)))
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from error


def read_sums(path: Path) -> dict[Path, str] | None:
    """Recorded checksums by path, or None when none were recorded.

    Raises:
        UserError: not in the format.
    """
    try:
        content = os.fsdecode(read_limited(path, LARGEST_SUMS_BYTES))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    sums = {}
    for number, line in enumerate(content.splitlines(), start=1):
        digest, gap, name = line[:SHA256_HEX], line[SHA256_HEX : SHA256_HEX + 2], line[SHA256_HEX + 2 :]
        if gap not in ("  ", " *") or not name or not set(digest) <= set("0123456789abcdef"):
            raise UserError(
                f"{path}, line {number}: no 'checksum  path'", f"delete {path} and record the checksums again"
            )
        sums[Path(os.path.normpath(path.parent / name))] = digest
    return sums


def _compare(path: Path, digests: Mapping[Path, str]) -> list[str]:
    recorded = read_sums(path)
    if recorded is None:
        return []
    found = {Path(os.path.normpath(file)): digest for file, digest in digests.items()}
    changed = [file for file in recorded if file in found and found[file] != recorded[file]]
    return [
        *_sentences("has changed since its checksum was recorded", changed),
        *_sentences("was recorded and is not there", recorded.keys() - found.keys()),
        *_sentences("was not there when the checksums were recorded", found.keys() - recorded.keys()),
    ]


def _sentences(what: str, files: Iterable[Path]) -> list[str]:
    return [f"{file} {what}" for file in sorted(files)]
