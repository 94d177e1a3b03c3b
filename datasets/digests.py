"""Digests of files' contents, taken by parallel threads and remembered by path, size and time of change."""

import hashlib
import io
import os
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dabench.cache import cache_folder
from dabench.errors import UserError
from dabench.limited import open_regular
from dabench.records import write_atomically

__all__ = ["digest_files", "in_parallel"]

BATCH = 4096  # files handed to the threads at a time
SETTLED_NS = 2_000_000_000  # a file changed within this time of being read may change again unseen
Known = dict[str, tuple[int, int, bytes]]

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_parallel(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield ``work(item)`` in order, several at once; for work that waits for the disk or leaves Python."""
    with ThreadPoolExecutor(max_workers=min(16, 2 * (os.cpu_count() or 1))) as pool:
        for first in range(0, len(items), BATCH):
            yield from pool.map(work, items[first : first + BATCH])


def digest_files(paths: Sequence[str], memory: str) -> NDArray[np.uint8]:
    """SHA-256 of each file's content, (n, 32) uint8.

    Args:
        paths: the files.
        memory: name of what they are together, such as the domain's folder; one file in the cache for each.

    Raises:
        UserError: a file that cannot be read.
    """
    store = cache_folder() / "digests" / f"{hashlib.sha256(os.fsencode(memory)).hexdigest()[:32]}.npz"
    known = _recall(store)
    begun = time.time_ns()
    stats = [_stat(path) for path in paths]
    fresh = [path for path, stat in zip(paths, stats, strict=True) if known.get(path, (-1, -1))[:2] != stat]
    digests = dict(zip(fresh, in_parallel(_digest, fresh), strict=True))
    entries = {
        path: (*stat, digests[path] if path in digests else known[path][2])
        for path, stat in zip(paths, stats, strict=True)
    }
    if fresh:
        settled = {path: entry for path, entry in entries.items() if entry[1] < begun - SETTLED_NS}
        _remember(store, settled)
    return np.frombuffer(b"".join(entries[path][2] for path in paths), np.uint8).reshape(len(paths), 32)


def _stat(path: str) -> tuple[int, int]:
    try:
        stat = os.stat(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    return stat.st_size, stat.st_mtime_ns


def _digest(path: str) -> bytes:
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error


def _recall(store: Path) -> Known:
    try:
        with store.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            names = os.fsdecode(file["names"].tobytes()).split("\0")
            sizes, times, digests = file["sizes"].tolist(), file["times"].tolist(), file["digests"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):  # missing or broken
        return {}
    if not len(names) == len(sizes) == len(times) == len(digests):
        return {}
    rows = (row.tobytes() for row in digests)
    return dict(zip(names, zip(sizes, times, rows, strict=True), strict=True))


def _remember(store: Path, entries: Known) -> None:
    """Store names (joined by the one character that no path holds), sizes, times and digests."""
    if not entries:
        return
    buffer = io.BytesIO()
    np.savez(
        buffer,
        names=np.frombuffer(os.fsencode("\0".join(entries)), np.uint8),
        sizes=np.array([entry[0] for entry in entries.values()], np.int64),
        times=np.array([entry[1] for entry in entries.values()], np.int64),
        digests=np.frombuffer(b"".join(entry[2] for entry in entries.values()), np.uint8).reshape(-1, 32),
    )
    write_atomically(store, buffer.getvalue())
