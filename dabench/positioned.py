"""Reading parts of a large file without mapping it: its pages never count as this process's memory."""

import os
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["PositionedFile", "checked_rows"]


class PositionedFile:
    """A file held open for reading at any place, by several threads and forked processes at once.

    Whoever replaces or removes the file does not disturb a reader that has it open.

    Attributes:
        size: bytes in the file when it was opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._handle)
        self.size = os.fstat(self._handle).st_size

    def fill(self, place: NDArray[np.uint8], offset: int) -> None:
        """Fill a contiguous array with the bytes from ``offset`` on.

        Raises:
            EOFError: the file ends before the array is full.
        """
        view = place.data.cast("B")
        while len(view):
            count = os.preadv(self._handle, [view], offset)
            if not count:
                raise EOFError(f"{self.path} has become shorter than it was when it was opened")
            view, offset = view[count:], offset + count

    def read(self, count: int, offset: int) -> NDArray[np.uint8]:
        """Return ``count`` bytes from ``offset`` on. Raises EOFError where the file ends before."""
        place = np.empty(count, np.uint8)
        self.fill(place, offset)
        return place


def checked_rows(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return the rows. Raises IndexError where one does not lie in [0, count)."""
    if len(rows) and (int(rows.min()) < 0 or int(rows.max()) >= count):
        raise IndexError(f"a row lies outside of [0, {count}): {int(rows.min())} to {int(rows.max())}")
    return rows
