"""Decode once: a domain's images in one file of the cache folder, shared by all runs and processes."""

import errno
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dabench.cache import cache_folder
from dabench.errors import UserError
from dabench.hardware import processors
from dabench.packed import PackedImages, encode_jpeg, write_packed
from dabench.raw import RawImages, raw_bytes, write_raw
from dabench.sealed import sealed_file
from dabench.suite import DomainData

__all__ = ["Images", "Storage", "decoded_images", "raw_bytes", "resize_square"]

CACHE_VERSION = 1
CHUNK = 16  # images that a thread makes at a time
SAMPLE = (
    64  # images after which a packed file's size is foretold; rows are sorted by digest, so any are typical
)
Advance = Callable[[int, int], None]
"""Called with (images done, images in all) while a cache is built."""
Storage = Literal["raw", "packed"]
"""``raw``: as they are. ``packed``: as JPEGs of quality 95, decoded each time they are taken."""

Piece = TypeVar("Piece")


class Images(Protocol):
    """A domain's images in the cache. Any number of threads may take from it at once."""

    @property
    def side(self) -> int:
        """Side S of every image, in pixels."""
        ...

    def __len__(self) -> int: ...

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Copy images into an array of the caller's own, uint8 (B, S, S, 3), contiguous.

        Args:
            rows: (B,) in [0, len), in any order; a row may repeat.

        Raises:
            IndexError: a row outside of the range.
        """
        ...


def resize_square(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Resize (H, W, 3) to (side, side, 3): bilinear, antialiased, aspect ratio not kept."""
    if image.shape[:2] == (side, side):
        return image
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))


def decoded_images(
    data: DomainData, side: int, storage: Storage = "raw", label: str = "", advance: Advance | None = None
) -> Images:
    """Return a domain's images, resized to (side, side, 3), row by row as in ``data``; decode them once.

    The file lies in the cache folder, keyed by the images' content, the side and the storage; labels play no
    part. It is built by threads with a bounded number of images in memory, and moved in whole.

    Args:
        data: the domain.
        side: of the square, in pixels.
        storage: how they are kept.
        label: "SUITE DOMAIN", by which ``dabench data`` lists and drops the file.
        advance: told of the progress while the file is built.

    Raises:
        UserError: an image cannot be decoded, or the disk is too small.
    """
    suffix = "npy" if storage == "raw" else "packed"
    name = f"v{CACHE_VERSION}-{data.content_fingerprint[:32]}-{side}.{suffix}"
    path = cache_folder() / "images" / name
    about = {"kind": "images", "label": label, "images": len(data), "side": side, "storage": storage}
    for _ in range(2):
        sealed_file(path, about, lambda temporary: _build(temporary, data, side, storage, advance))
        try:
            return (RawImages if storage == "raw" else PackedImages)(path, len(data), side)
        except FileNotFoundError:  # dropped a moment ago
            continue
        except (ValueError, EOFError):  # whole, but of other images
            path.unlink(missing_ok=True)
    raise UserError(f"{path} changed while it was opened", "run the command again")


def _build(path: Path, data: DomainData, side: int, storage: Storage, advance: Advance | None) -> None:
    try:
        if storage == "raw":
            _require(path.parent, data.name, side, raw_bytes(len(data), side))
            write_raw(path, len(data), side, _pieces(data, lambda row: _read(data, row, side), advance))
        else:
            pieces = _pieces(data, lambda row: encode_jpeg(_read(data, row, side)), advance)
            write_packed(path, len(data), side, _with_foresight(pieces, path.parent, data, side))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(
            f"the disk filled up while {data.name} was decoded into {path.parent}", LARGER
        ) from error


def _read(data: DomainData, row: int, side: int) -> NDArray[np.uint8]:
    return resize_square(data.read(row), side)


def _pieces(data: DomainData, make: Callable[[int], Piece], advance: Advance | None) -> Iterator[Piece]:
    """Yield ``make(row)`` of every row in order, made by all processors some chunks ahead of the writer."""
    done = 0

    def work(rows: Sequence[int]) -> list[Piece]:
        return [make(row) for row in rows]

    # Pillow decodes, resizes and encodes outside the interpreter lock, so threads use all processors.
    with ThreadPoolExecutor(processors()) as pool:
        ahead: deque[Future[list[Piece]]] = deque()
        for first in range(0, len(data), CHUNK):
            ahead.append(pool.submit(work, range(first, min(first + CHUNK, len(data)))))
            while len(ahead) > (2 * processors() if first + CHUNK < len(data) else 0):
                pieces = ahead.popleft().result()
                yield from pieces
                done += len(pieces)
                if advance is not None:
                    advance(done, len(data))


def _with_foresight(pieces: Iterator[bytes], folder: Path, data: DomainData, side: int) -> Iterator[bytes]:
    """Pass encoded images on; after the first ones, make sure that the disk holds all of them."""
    written = 0
    for number, content in enumerate(pieces, 1):
        written += len(content)
        if number == SAMPLE:
            _require(folder, data.name, side, int(1.1 * written / SAMPLE * (len(data) - SAMPLE)))
        yield content


LARGER = "set DABENCH_CACHE to a folder on a larger disk, or free some with 'dabench data drop'"


def _require(folder: Path, name: str, side: int, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"decoding {name} at {side} pixels needs {needed / 1e9:.1f} GB in {folder}, "
            f"which has {free / 1e9:.1f} GB left",
            LARGER,
        )
