"""Decoded and resized images as JPEGs of quality 95 in one file: a tenth to a fifth of the raw size.

Layout: 8 bytes of magic; image count and side, then the place where each image begins and where the last one
ends, counted from the file's start (all int64, little-endian); then the JPEGs, one after the other.
"""

import io
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from dabench.errors import UserError
from dabench.positioned import PositionedFile, checked_rows

__all__ = ["PackedImages", "encode_jpeg", "read_table", "write_packed"]

MAGIC = b"DABPACK1"
HEAD_BYTES = 24
QUALITY = 95


def encode_jpeg(image: NDArray[np.uint8]) -> bytes:
    """Encode (H, W, 3) as a JPEG of quality 95 whose colours keep their full resolution (4:4:4)."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return buffer.getvalue()


def write_packed(path: Path, count: int, side: int, images: Iterable[bytes]) -> None:
    """Write ``count`` encoded images, one after the other, behind their table."""
    places = np.zeros(count + 1, "<i8")
    places[0] = HEAD_BYTES + places.nbytes
    with path.open("wb") as file:
        file.seek(int(places[0]))
        for row, content in enumerate(images):
            file.write(content)
            places[row + 1] = places[row] + len(content)
        file.seek(0)
        file.write(MAGIC + np.array([count, side], "<i8").tobytes() + places.tobytes())


def read_table(file: PositionedFile, count: int, side: int) -> NDArray[np.int64]:
    """Read where each image begins and the last one ends, (count + 1,).

    Raises:
        ValueError: no packed file, or one with another count, side or size than its table says.
    """
    try:
        head = file.read(HEAD_BYTES, 0).tobytes()
        if head != MAGIC + np.array([count, side], "<i8").tobytes():
            raise ValueError(f"{file.path} holds no {count} packed images of {side} pixels")
        places = file.read(8 * (count + 1), HEAD_BYTES).view("<i8").astype(np.int64)
    except EOFError as error:
        raise ValueError(f"{file.path} is shorter than its table") from error
    begins, ends = HEAD_BYTES + 8 * (count + 1), file.size
    if places[0] != begins or places[-1] != ends or not (np.diff(places) > 0).all():
        raise ValueError(f"{file.path} has a table that does not fit its content")
    return places


class PackedImages:
    """The images of a packed file, decoded when they are taken; see ``dabench.images.Images``.

    Encoded images are read one by one and not mapped, so that none of the file is resident.

    Raises:
        ValueError: the file holds something else than ``count`` images of ``side`` pixels.
    """

    def __init__(self, path: Path, count: int, side: int) -> None:
        self.side = side
        self._file = PositionedFile(path)
        self._places = read_table(self._file, count, side)

    def __len__(self) -> int:
        return len(self._places) - 1

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Decode images, uint8 (B, S, S, 3), in the order of ``rows``, on as many threads as torch uses.

        Raises:
            UserError: an image that cannot be decoded.
        """
        rows = checked_rows(rows, len(self))
        images = np.empty((len(rows), self.side, self.side, 3), np.uint8)
        threads = min(torch.get_num_threads(), len(rows))
        if threads <= 1:
            self._decode(images, rows)
        else:
            share = [slice(first, None, threads) for first in range(threads)]
            list(_pool(threads, os.getpid()).map(lambda part: self._decode(images[part], rows[part]), share))
        return images

    def _decode(self, images: NDArray[np.uint8], rows: NDArray[np.int64]) -> None:
        for place, row in zip(images, rows.tolist(), strict=True):
            begin, end = int(self._places[row]), int(self._places[row + 1])
            try:
                # torchvision decodes 1.25 times as fast (3,200 against 2,560 images/s at 256 pixels on two
                # threads), but torchvision 0.29 announces that its decoders will be removed.
                content = self._file.read(end - begin, begin)
                with Image.open(io.BytesIO(content.data), formats=("JPEG",)) as image:
                    place[:] = np.asarray(image)
            except (OSError, EOFError, SyntaxError, ValueError) as error:
                raise UserError(
                    f"{self._file.path}: image {row} is damaged: {error}",
                    "remove it with 'dabench data drop'; the next run packs the images again",
                ) from error


@cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Threads that stay; a forked process gets its own."""
    return ThreadPoolExecutor(threads, thread_name_prefix=f"packed-{process}")
