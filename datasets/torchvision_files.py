"""MNIST and USPS in the files that torchvision keeps them in."""

import bz2
import gzip
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dabench.errors import UserError
from dabench.suite import Part

__all__ = ["find_mnist", "find_usps", "read_mnist", "read_usps"]

MNIST_PREFIX = {"train": "train", "test": "t10k"}
CHUNK_BYTES = 2**20
MOST_BYTES = 64 * 2**20  # MNIST's largest file has 47 million
USPS_FILES = {"train": "usps.bz2", "test": "usps.t.bz2"}


def find_mnist(folder: Path, part: Part) -> tuple[Path, Path] | None:
    """Files of images and labels below ``folder/MNIST/raw`` (or ``folder/raw``), packed or not; or None."""
    for raw in (folder / "MNIST" / "raw", folder / "raw"):
        found = [_first(raw, f"{MNIST_PREFIX[part]}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1")]
        if found[0] is not None and found[1] is not None:
            return found[0], found[1]
    return None


def _first(raw: Path, name: str) -> Path | None:
    return next((path for path in (raw / name, raw / f"{name}.gz") if path.is_file()), None)


def find_usps(folder: Path, part: Part) -> Path | None:
    """``usps.bz2`` or ``usps.t.bz2`` in the folder or in its ``USPS``; or None."""
    candidates = (folder / USPS_FILES[part], folder / "USPS" / USPS_FILES[part])
    return next((path for path in candidates if path.is_file()), None)


def read_mnist(images: Path, labels: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images uint8 (N, 28, 28) and labels int64 (N,), in the files' order.

    Raises:
        UserError: a file that torchvision cannot read, or another number of labels than of images.
    """
    from torchvision.datasets.mnist import read_image_file, read_label_file

    arrays = []
    for path, read in ((images, read_image_file), (labels, read_label_file)):
        try:
            with tempfile.TemporaryDirectory() as folder:  # torchvision reads unpacked files only
                plain = _unpacked(path, Path(folder)) if path.suffix == ".gz" else path
                arrays.append(read(str(plain)).numpy())
        # torchvision checks with assert, and stumbles over a cut file in many other ways.
        except Exception as error:
            raise UserError(f"{path}: cannot be read as MNIST: {error}", "download the file again") from error
    if len(arrays[0]) != len(arrays[1]):
        raise UserError(f"{images} holds {len(arrays[0])} images and {labels} {len(arrays[1])} labels")
    return arrays[0], arrays[1].astype(np.int64)


def _unpacked(path: Path, folder: Path) -> Path:
    plain = folder / path.stem
    with gzip.open(path) as packed, plain.open("wb") as file:
        for chunk in _limited(packed):
            file.write(chunk)
    return plain


def _limited(packed: gzip.GzipFile | bz2.BZ2File) -> Iterator[bytes]:
    """The unpacked content in pieces, as long as it is no more than honest files have."""
    unpacked = 0
    while chunk := packed.read(CHUNK_BYTES):
        unpacked += len(chunk)
        if unpacked > MOST_BYTES:
            raise ValueError(f"unpacks to more than {MOST_BYTES} bytes")
        yield chunk


def read_usps(path: Path, part: Part) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images uint8 (N, 16, 16) and labels int64 (N,), in the file's order.

    Raises:
        UserError: a file that torchvision cannot read.
    """
    from torchvision.datasets import USPS

    try:
        with bz2.open(path) as packed:  # torchvision reads all of it at once
            for _ in _limited(packed):
                pass
        data = USPS(str(path.parent), train=part == "train", download=False)
    except Exception as error:  # as above
        raise UserError(f"{path}: cannot be read as USPS: {error}", "download the file again") from error
    return np.asarray(data.data, dtype=np.uint8), np.asarray(data.targets, dtype=np.int64)
