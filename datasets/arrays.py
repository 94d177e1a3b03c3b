"""Images that lie in arrays: ``.npz`` files with ``images`` and ``labels``, and domains made of them."""

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.errors import UserError
from dabench.limited import open_regular, require_honest
from dabench.suite import DomainData

__all__ = ["as_rgb", "digest_arrays", "domain_from_arrays", "images_in_npz", "read_npz"]

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
            images, labels = file["images"], file["labels"]
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


def images_in_npz(path: Path) -> int | None:
    """Number of images, read from the header of ``images.npy`` alone; None when the file has none."""
    try:
        with zipfile.ZipFile(path) as file, file.open("images.npy") as stream:
            version = np.lib.format.read_magic(stream)
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape = read(stream)[0]
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    return int(shape[0]) if shape else None


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
