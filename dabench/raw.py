"""Decoded images as one NumPy array file: the fastest to read, 196 kB an image at 256 pixels."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dabench.positioned import PositionedFile, checked_rows

__all__ = ["LARGEST_MAPPING_BYTES", "RawImages", "raw_bytes", "write_raw"]

LARGEST_MAPPING_BYTES = 2**30
"""Files up to this size are memory-mapped; of larger ones, images are read one by one.

Pages of a mapping count as resident memory, and on Linux one touched byte may bring in 2 MiB: while random
images of 256 pixels were read from a file of 2.4 GB, with MADV_DONTNEED after each GiB read, 2.3 GB were
resident. Reading by pread is resident nowhere and hardly slower: 10 to 13 GB/s against 13 to 16, on 2 cores
of an AMD EPYC.
"""


def raw_bytes(images: int, side: int) -> int:
    """Bytes of that many images (side, side, 3), for a budget; the file has a header of 128 bytes besides."""
    return images * side * side * 3


def write_raw(path: Path, count: int, side: int, images: Iterable[NDArray[np.uint8]]) -> None:
    """Write ``count`` images (side, side, 3), one after the other, as a ``.npy`` file."""
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, side, side, 3)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for image in images:
            file.write(np.ascontiguousarray(image).data)


class RawImages:
    """The images of a ``.npy`` file; see ``dabench.images.Images``.

    Raises:
        ValueError: the file is no array uint8 (count, side, side, 3).
    """

    def __init__(self, path: Path, count: int, side: int) -> None:
        self.side = side
        self._count = count
        array = np.load(path, mmap_mode="r", allow_pickle=False)  # reads the header and maps: touches no page
        if (
            not isinstance(array, np.memmap)
            or array.dtype != np.uint8
            or array.shape != (count, side, side, 3)
        ):
            raise ValueError(f"{path} is no uint8 array of shape ({count}, {side}, {side}, 3)")
        self._start = array.offset
        # A plain view: indexing a memmap itself takes a fifth longer.
        self._source = (
            array.view(np.ndarray) if array.nbytes <= LARGEST_MAPPING_BYTES else PositionedFile(path)
        )

    def __len__(self) -> int:
        return self._count

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Copy images, uint8 (B, S, S, 3), in the order of ``rows``, which may repeat."""
        rows = checked_rows(rows, self._count)
        # Threads, np.take, sorted rows and torch.index_select were measured too, and gain nothing or lose.
        if isinstance(self._source, np.ndarray):
            return self._source[rows]
        images = np.empty((len(rows), self.side, self.side, 3), np.uint8)
        size = raw_bytes(1, self.side)
        for image, row in zip(images, rows.tolist(), strict=True):
            self._source.fill(image, self._start + row * size)
        return images
