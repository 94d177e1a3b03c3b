"""MNIST and USPS in the files that torchvision keeps them in."""

import bz2
import gzip
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dabench.errors import UserError
from dabench.limited import open_regular
from dabench.suite import Part

__all__ = ["find_mnist", "find_usps", "read_mnist", "read_usps"]

MNIST_PREFIX = {"train": "train", "test": "t10k"}
CHUNK_BYTES = 2**20
MOST_BYTES = 64 * 2**20  # MNIST's largest file has 47 million
USPS_IMAGES = {"train": 7291, "test": 2007}
USPS_LABELS = frozenset(map(str, range(1, 11)))
LONGEST_LINE = 8192  # that of an honest file has less than 4,000
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
                plain = _unpacked(path, Path(folder)) if path.suffix == ".gz" else _small(path)
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


def _limited(packed: gzip.GzipFile) -> Iterator[bytes]:
    """The unpacked content in pieces, as long as it is no more than honest files have."""
    unpacked = 0
    while chunk := packed.read(CHUNK_BYTES):
        unpacked += len(chunk)
        if unpacked > MOST_BYTES:
            raise ValueError(f"unpacks to more than {MOST_BYTES} bytes")
        yield chunk


def _small(path: Path) -> Path:
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
    if size > MOST_BYTES:
        raise ValueError(f"has {size} bytes, more than {MOST_BYTES}")
    return path


def read_usps(path: Path, part: Part) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images uint8 (N, 16, 16) and labels int64 (N,), in the file's order, as torchvision makes them.

    A line is an image: its class from 1, and ``NUMBER:GREY`` for 256 greys in [-1, 1].

    Raises:
        UserError: a file of another form, or of more images than the part has.
    """
    greys: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    try:
        with open_regular(path) as file, bz2.open(file) as packed:
            while line := packed.readline(LONGEST_LINE + 1):
                if len(line) > LONGEST_LINE or len(labels) == USPS_IMAGES[part]:
                    raise ValueError(
                        f"unpacks to more than {USPS_IMAGES[part]} lines of at most {LONGEST_LINE} bytes"
                    )
                label, image = _usps_image(line)
                labels.append(label)
                greys.append(image)
        images = np.stack(greys).reshape(-1, 16, 16)
    except Exception as error:  # as above
        raise UserError(f"{path}: cannot be read as USPS: {error}", "download the file again") from error
    return images, np.asarray(labels, dtype=np.int64)


def _usps_image(line: bytes) -> tuple[int, NDArray[np.uint8]]:
    label, *items = line.decode("ascii").split()
    greys = np.asarray([item.rpartition(":")[2] for item in items], dtype=np.float32)
    if len(greys) != 256 or not bool((np.abs(greys) <= 1).all()) or label not in USPS_LABELS:
        raise ValueError("a line that is no class from 1 to 10 and 256 greys from -1 to 1")
    return int(label) - 1, ((greys + 1) / 2 * 255).astype(np.uint8)
