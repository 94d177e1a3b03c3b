"""How files of a run come into a results folder: whole, at once, and if need be only if nobody was first."""

import contextlib
import errno
import glob
import io
import os
import re
import secrets
import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "NO_LINKS",
    "beside",
    "create",
    "draft_of",
    "pack",
    "put_back",
    "recover",
    "remove",
    "supersede",
    "tidy",
    "write_all",
    "write_atomically",
]

NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""What file systems without hard links say to one."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees all of it or nothing: temporary file, fsync, rename."""
    draft = draft_of(path, content)
    try:
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_all(path: Path, files: Mapping[str, bytes]) -> None:
    """Write files by name beside a path."""
    for name, content in files.items():
        write_atomically(path.with_name(name), content)


def draft_of(path: Path, content: bytes) -> Path:
    """Write content into a temporary file beside a path, down to the disk; ``tidy`` knows such files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = beside(path)
    try:
        with draft.open("xb") as file:  # others may read it as far as the umask lets them
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return draft


def beside(path: Path) -> Path:
    """A name of nobody's beside a path, for a moment."""
    return path.with_name(f".{path.stem}.{secrets.token_hex(8)}.part")


def create(path: Path, draft: Path) -> None:
    """Give a draft a second name, ``path``, if nothing has it.

    Where the file system knows no links, the file is created exclusively and then written: a process that is
    killed in between leaves a part of it, which readers report and the next sweep makes again.

    Raises:
        FileExistsError: somebody was first.
    """
    try:
        os.link(draft, path)
    except FileExistsError:
        if draft.stat().st_nlink != 2:  # over NFS the answer to a link that was made may be lost
            raise
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        content = draft.read_bytes()
        with path.open("xb") as file:
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                with contextlib.suppress(OSError):
                    if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                        path.unlink()
                raise


def put_back(aside: Path, path: Path) -> None:
    """Give a file that was moved aside its name back, unless another one has it, or it was cleared away."""
    try:
        os.link(aside, path)
    except FileExistsError:
        return
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if not path.exists():
            with contextlib.suppress(FileNotFoundError):
                os.rename(aside, path)


def supersede(path: Path, draft: Path, may_go: Callable[[Path], bool]) -> bool:
    """Put a draft in the place of a file that may go, by whatever others do meanwhile.

    The file is moved aside and looked at there, where nobody changes it; one that may not go is put back, and
    so is every one if something goes wrong. ``recover`` puts back what a killed process has left aside.
    """
    aside: Path | None = path.with_name(f".{path.stem}.{secrets.token_hex(8)}.aside")
    assert aside is not None
    try:
        os.rename(path, aside)
    except FileNotFoundError:  # another one does the same
        aside = None
    try:
        if aside is not None and not (may_go(aside) and os.path.lexists(aside)):
            put_back(aside, path)  # unless whoever owns the run has done so
            return False
        create(path, draft)
    except FileExistsError:
        return False
    except BaseException:
        if aside is not None:
            put_back(aside, path)
        raise
    finally:
        if aside is not None:
            with contextlib.suppress(OSError):
                aside.unlink()
    return True


def recover(path: Path, worth: Callable[[Path], bool]) -> None:
    """Put back what a process that was killed in ``supersede`` has left aside, if it is worth it.

    For who owns the run.

    Raises:
        OSError: nobody can tell at the moment what it is worth; it stays.
    """
    for aside in path.parent.glob(f".{glob.escape(path.stem)}.*.aside"):
        if worth(aside):
            put_back(aside, path)
        with contextlib.suppress(OSError):
            aside.unlink()


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The arrays as a compressed file, of the same bytes for the same arrays.

    Raises:
        TypeError: one of them would need a pickle.
    """
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise TypeError(f"array '{name}' holds Python objects: they would need a pickle")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def tidy(path: Path, named: Callable[[], Collection[str]], owner: bool = False) -> None:
    """Clear away what killed processes left of a run: temporary files, and arrays that no record names.

    Args:
        path: of the record.
        named: names of the array files that belong to the record that is there by now; asked before each
            array goes; where it raises OSError, all stay.
        owner: the caller owns the run: drafts of claims go, too.
    """
    parts = re.compile(rf"\.{re.escape(path.stem)}\.{'' if owner else '(?!claim[.])'}.*\.part")
    arrays = re.compile(rf"{re.escape(path.stem)}(\.[0-9a-f]{{8}})?(\.validation)?\.npz")
    try:
        names = os.listdir(path.parent)
    except OSError:
        return
    for name in names:
        with contextlib.suppress(OSError):
            if parts.fullmatch(name) or (arrays.fullmatch(name) and name not in named()):
                remove(path.with_name(name))


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; what cannot be removed stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
