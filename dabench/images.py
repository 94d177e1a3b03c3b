"""Decode once: a domain's images as one memory-mapped array, shared by all runs and processes."""

import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dabench.cache import cache_folder
from dabench.errors import UserError
from dabench.hardware import processors
from dabench.suite import DomainData

__all__ = ["decoded_images", "resize_square"]

CACHE_VERSION = 1
Advance = Callable[[int, int], None]
"""Called with (images done, images in all) while a cache is built."""


def resize_square(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Resize (H, W, 3) to (side, side, 3): bilinear, antialiased, aspect ratio not kept."""
    if image.shape[:2] == (side, side):
        return image
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))


def decoded_images(data: DomainData, side: int, advance: Advance | None = None) -> NDArray[np.uint8]:
    """Return a domain's images, uint8 (n, side, side, 3), memory-mapped read-only, row by row as in ``data``.

    The array lies in the cache folder, keyed by the images' content and the side; labels play no part.
    It is built by threads into a temporary file that is moved in whole.

    Raises:
        UserError: an image cannot be decoded, or the disk is too small.
    """
    shape = (len(data), side, side, 3)
    path = cache_folder() / "images" / f"v{CACHE_VERSION}-{data.content_fingerprint[:32]}-{side}.npy"
    found = _open(path, shape)
    if found is not None:
        return found
    path.parent.mkdir(parents=True, exist_ok=True)
    needed = int(np.prod(shape))
    free = shutil.disk_usage(path.parent).free
    if needed > free:
        raise UserError(
            f"decoding {data.name} at {side} pixels needs {needed / 1e9:.1f} GB in {path.parent}, "
            f"which has {free / 1e9:.1f} GB left",
            "set DABENCH_CACHE to a folder on a larger disk",
        )
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    os.close(handle)
    try:
        _build(Path(name), data, side, shape, advance)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    built = _open(path, shape)
    if built is None:
        raise UserError(f"{path} changed while it was opened", "run the command again")
    return built


def _open(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """Map a cache file; None where it is missing or damaged (it is then built again)."""
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception:  # missing, or whatever numpy raises at a damaged header
        return None
    return array if array.shape == shape and array.dtype == np.uint8 else None


def _build(path: Path, data: DomainData, side: int, shape: tuple[int, ...], advance: Advance | None) -> None:
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)

    def work(rows: range) -> int:
        for row in rows:
            array[row] = resize_square(data.read(row), side)
        return len(rows)

    chunks = [range(start, min(start + 64, len(data))) for start in range(0, len(data), 64)]
    done = 0
    # Pillow decodes and resizes outside the interpreter lock, so threads use all processors.
    with ThreadPoolExecutor(max_workers=processors()) as pool:
        for count in pool.map(work, chunks):
            done += count
            if advance is not None:
                advance(done, len(data))
    array.flush()
