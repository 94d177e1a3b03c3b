"""Images that lie in arrays: ``.npz`` files with ``images`` and ``labels``, and domains made of them."""

import hashlib
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from dabench.errors import UserError
from dabench.limited import open_regular, require_honest
from dabench.suite import DomainData

__all__ = ["as_rgb", "digest_arrays", "domain_from_arrays", "images_in_npz", "read_npz"]

LONGEST_HEADER = 1024  # numpy writes 118 bytes for arrays of numbers
Images = NDArray[np.uint8]
EXPECTED = "expected arrays 'images' uint8 (N, H, W), (N, H, W, 1) or (N, H, W, 3) and 'labels' integer (N,)"


def read_npz(path: Path) -> tuple[Images, NDArray[np.int64]]:
    """Read and validate a file of images and labels; never unpickles.

    Returns:
        images uint8 (N, H, W) or (N, H, W, 1 or 3), and labels int64 (N,), both in the file's order.

    Raises:
        UserError: no readable ``.npz`` file, or arrays of another name, type or shape.
    """
    try:
        # Opened here: np.load does not close a file that turns out to be broken.
        with open_regular(path) as stream, np.load(stream, allow_pickle=False) as file:
            require_honest(file.zip)
            missing = sorted({"images", "labels"} - set(file.files))
            if missing:
                raise UserError(f"{path}: no array called {' or '.join(missing)}; {EXPECTED}")
            images, labels = _array(file.zip, "images"), _array(file.zip, "labels")
    except UserError:
        raise
    except Exception as error:
        # Whatever numpy, zipfile and zlib stumble over: an AttributeError, for one, where np.load gives back
        # a bare array for a .npy file that is called .npz, and a MemoryError for a shape that is a lie.
        raise UserError(f"{path}: cannot be read as an .npz file: {error}", EXPECTED) from error
    return _validated(path, images, labels)


def _validated(path: Path, images: NDArray[Any], labels: NDArray[Any]) -> tuple[Images, NDArray[np.int64]]:
    if images.dtype != np.uint8:
        raise UserError(f"{path}: images are {images.dtype}, not uint8", EXPECTED)
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] not in (1, 3)):
        raise UserError(f"{path}: images have shape {images.shape}", EXPECTED)
    if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer):
        raise UserError(
            f"{path}: labels are {labels.dtype} of shape {labels.shape} for {len(images)} images", EXPECTED
        )
    if not len(images) or 0 in images.shape:
        raise UserError(f"{path}: holds no image (shape {images.shape})", EXPECTED)
    if int(labels.min()) < 0:
        raise UserError(f"{path}: a label is negative ({int(labels.min())})", "labels count from 0")
    return images, labels.astype(np.int64)


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as stream:
        shape, dtype = _header(stream)
        needed, held = math.prod(shape) * dtype.itemsize, info.file_size - stream.tell()
    if needed != held and not dtype.hasobject:
        raise ValueError(f"{name} of shape {str(shape)[:100]} need {needed} bytes, the file has {held}")
    with archive.open(info) as stream:
        found: NDArray[Any] = npy.read_array(stream, allow_pickle=False, max_header_size=LONGEST_HEADER)
        return found


def _header(stream: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of an array. Only version 1.0 is read: a header of another may have 4 GiB."""
    version = npy.read_magic(stream)
    if version != (1, 0):
        raise ValueError(f"an array's header of version {version[0]}.{version[1]}, expected 1.0")
    shape, _, dtype = npy.read_array_header_1_0(stream, max_header_size=LONGEST_HEADER)
    if len(shape) > 32 or min(shape, default=0) < 0:
        raise ValueError(f"an array of shape {str(shape)[:100]}")
    return shape, dtype


def images_in_npz(path: Path) -> int | None:
    """Number of images, read from the header of ``images.npy`` alone; None when the file has none."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            info = archive.getinfo("images.npy")
            with archive.open(info) as stream:
                shape, _ = _header(stream)
    except Exception:  # as in read_npz, which says what is wrong
        return None
    return shape[0] if shape and shape[0] <= info.file_size else None


def as_rgb(image: NDArray[np.uint8]) -> Images:
    """Turn (H, W), (H, W, 1) or (H, W, 3) into a contiguous copy (H, W, 3); grey is repeated."""
    if image.ndim == 2:
        image = image[:, :, None]
    return np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3)))


def digest_arrays(images: Images) -> NDArray[np.uint8]:
    """SHA-256 of each image's bytes, (N, 32) uint8."""
    rows = (hashlib.sha256(image.tobytes()).digest() for image in images)
    return np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(len(images), 32)


def domain_from_arrays(
    name: str, classes: Sequence[str], images: Images, labels: NDArray[np.int64], keys: Sequence[str]
) -> DomainData:
    """Make a domain of images in memory (or memory-mapped), sorted by content.

    Args:
        name: the domain.
        classes: class names; every label lies in [0, len(classes)).
        images: uint8 (N, H, W) or (N, H, W, 1 or 3).
        labels: int64 (N,).
        keys: a name for people of each image.

    Raises:
        UserError: a label without a class.
    """
    if int(labels.max()) >= len(classes):
        raise UserError(
            f"{name}: label {int(labels.max())} stands for no class",
            f"there are {len(classes)} classes; labels count from 0",
        )
    return DomainData.sorted_by_content(
        name, classes, labels, digest_arrays(images), keys, lambda row: as_rgb(images[row])
    )
