"""What is said of a run that failed: its kind, the message, and where in our code and the method's it broke.

Kinds that dabench names: ``NonFinite`` (it diverged), ``OutOfMemory``, ``DamagedImage``, ``LostFolder`` (a
file of data or cache is gone or cannot be reached), ``DiskFull`` (of the cache) and ``Killed``. Every other
error goes by the name of its Python type. Of the traceback stay the calls of dabench and of the method's
file, and the last one of a library: which of torch's functions called which helps nobody.
"""

import errno
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch

from dabench.cache import cache_folder
from dabench.claims import MOST_ATTEMPTS
from dabench.errors import MissingDataError, UserError, error_chain
from dabench.records import Failure
from dabench.train import Diverged

__all__ = ["KILLED", "LOST_FOLDER", "describe_failure", "first_line", "minimal_failure"]

LOST_FOLDER = "LostFolder"
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
LOST = frozenset({
    errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.EIO, errno.ENXIO, errno.ENODEV, errno.ENOTCONN,
    errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH, errno.EACCES,
})  # fmt: skip
MEMORY = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|not enough memory|_ALLOC_FAILED",
    re.IGNORECASE,
)
SMALLER = "smaller batch.source and batch.target, image.size or precision=bfloat16 need less"
LONGEST_MESSAGE = 2000
ADDRESS = re.compile(r" ?<[\w.]+ object at 0x[0-9a-fA-F]+>")
MOST_FRAMES = 8  # of ours and the method's, for each of the errors in a chain
KILLED = Failure(
    kind="Killed",
    message=f"{MOST_ATTEMPTS} processes in a row died in this run without a new checkpoint: out of memory, "
    "or stopped by the machine's limits? --checkpoint-every 0 keeps more of a run; the next dabench run "
    "tries again",
)


def describe_failure(
    error: BaseException,
    method_file: Path | None = None,
    folders: Iterable[Path] = (),
    data: Iterable[Path] = (),
) -> Failure:
    """Say what a record says of an error, whatever the error is: what cannot be said is left out.

    Args:
        error: that ended the run.
        method_file: the method's own.
        folders: this machine's, which are cut off the paths in message and traceback.
        data: where images lie, besides the cache: a file that is gone there counts as a lost folder.
    """
    try:
        return _described(error, method_file, folders, data)
    except Exception:  # errors of strangers: their names, arguments and attributes may be anything
        return minimal_failure(error)


def first_line(failure: Failure | None) -> str:
    """Of a failure's message; its kind where the message is blank."""
    if failure is None:
        return ""
    return next((line for line in failure.message.splitlines() if line.strip()), failure.kind)


def minimal_failure(error: BaseException) -> Failure:
    """Say of an error what always can be said: its type."""
    return Failure(kind=_plain(type(error).__name__), message="the error cannot be described")


def _described(
    error: BaseException, method_file: Path | None, folders: Iterable[Path], data: Iterable[Path]
) -> Failure:
    kind = _kind(error, [*data, cache_folder()])
    message = _text(error)
    hint = error.hint if isinstance(error, UserError) else ""
    if kind == "OutOfMemory":
        hint = SMALLER
    if hint:
        message = f"{message} ({hint})"
    text = "".join(_essence(error, method_file))
    return Failure(
        kind=_plain(kind),
        message=_plain(_without_folders(message, folders))[:LONGEST_MESSAGE],
        traceback=_plain(_without_folders(text, folders)),
    )


def _text(error: BaseException) -> str:
    """An error's message; its type where it has none, or none that can be had."""
    try:
        text = str(error)
    except Exception:
        text = ""
    return ADDRESS.sub("", text).strip() or type(error).__name__


def _plain(text: str) -> str:
    """What UTF-8 can hold: names of files may bring halves of characters."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _kind(error: BaseException, places: Sequence[Path]) -> str:
    if isinstance(error, Diverged):
        return "NonFinite"
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and MEMORY.search(_text(error))
    ):
        return "OutOfMemory"
    codes = {link.errno for link in error_chain(error) if isinstance(link, OSError)}
    if isinstance(error, UserError | OSError):
        if codes & FULL:
            return "DiskFull"
        if isinstance(error, MissingDataError) or _is_lost(error, places):
            return LOST_FOLDER
    if isinstance(error, UserError) and "cannot be decoded" in _text(error):
        return "DamagedImage"
    return type(error).__name__


def _is_lost(error: UserError | OSError, places: Sequence[Path]) -> bool:
    """Whether a file of the data is gone, or cannot be read; files of the method's own are its business."""
    for link in error_chain(error):
        if isinstance(link, OSError) and link.errno in LOST:
            if not isinstance(link.filename, str | bytes):  # of a read: then dabench says which one it was
                return isinstance(error, UserError)
            file = Path(os.path.abspath(os.fsdecode(link.filename)))
            return any(file.is_relative_to(os.path.abspath(place)) for place in places)
    return False


def _essence(error: BaseException, method_file: Path | None) -> Iterator[str]:
    """The traceback's lines that tell something, the cause first as Python prints it."""
    links = list(error_chain(error))[::-1]
    for number, link in enumerate(links):
        if number:
            yield "\nwhich led to:\n"
        yield from _calls(link, method_file)
        yield f"{type(link).__name__}: {_text(link)}\n"[:LONGEST_MESSAGE]


def _calls(error: BaseException, method_file: Path | None) -> Iterator[str]:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [n for n, frame in enumerate(frames) if _is_ours(frame.filename, method_file)]
    shown = {*ours[-MOST_FRAMES:], len(frames) - 1}
    before = 0
    for number, frame in enumerate(frames):
        if number not in shown:
            continue
        if number > before:
            yield f"  ... {number - before} calls\n"
        yield f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}\n'
        yield f"    {frame.line}\n" if frame.line else ""
        before = number + 1


def _is_ours(filename: str, method_file: Path | None) -> bool:
    path = Path(filename)
    root = Path(__file__).resolve().parent
    places = [root, *(folder.resolve() for folder in (root / "methods", root / "datasets"))]
    return path == method_file or any(path.resolve().is_relative_to(place) for place in places)


def _without_folders(text: str, folders: Iterable[Path]) -> str:
    """Records get published: cut this machine's folders off the paths in a text."""
    root = Path(__file__).resolve().parents[1]  # an editable installation is not on sys.path
    ours = {str(folder.absolute()) for folder in (root, Path.cwd(), cache_folder(), *folders)}
    for folder in sorted({*ours, *filter(None, sys.path)} - {"/"}, key=len, reverse=True):
        text = text.replace(f"{folder}/", "")
    return text
