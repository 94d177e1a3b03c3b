import os
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dabench.datasets.arrays import as_rgb, domain_from_arrays, images_in_npz, read_npz
from dabench.errors import UserError

IMAGES = np.arange(2 * 4 * 5, dtype=np.uint8).reshape(2, 4, 5)
LABELS = np.array([1, 0])


def write(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("shape", [(2, 4, 5), (2, 4, 5, 1), (2, 4, 5, 3)])
def test_reads_grey_and_colour(tmp_path: Path, shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    path = write(tmp_path / "a.npz", images=images, labels=LABELS)
    read, labels = read_npz(path)
    assert np.array_equal(read, images)
    assert labels.dtype == np.int64
    assert as_rgb(read[0]).shape == (4, 5, 3)
    assert images_in_npz(path) == 2


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": IMAGES}, "no array called labels"),
        ({"images": IMAGES.astype(float), "labels": LABELS}, "float64, not uint8"),
        ({"images": IMAGES[0], "labels": LABELS}, r"shape \(4, 5\)"),
        ({"images": IMAGES[..., None].repeat(2, 3), "labels": LABELS}, r"shape \(2, 4, 5, 2\)"),
        ({"images": IMAGES, "labels": LABELS[:1]}, r"shape \(1,\) for 2 images"),
        ({"images": IMAGES, "labels": LABELS / 2}, "labels are float64"),
        ({"images": IMAGES, "labels": -LABELS}, "negative"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "holds no image"),
        ({"images": np.array([None, 1]), "labels": LABELS}, "cannot be read"),
    ],
)
def test_wrong_arrays_are_named(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "a.npz", **arrays)
    with pytest.raises(UserError, match=message) as caught:
        read_npz(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04 cut"])
def test_files_that_are_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.npz: cannot be read"):
        read_npz(path)
    assert images_in_npz(path) is None


def test_label_without_a_class() -> None:
    with pytest.raises(UserError, match="label 1 stands for no class"):
        domain_from_arrays("x", ("only",), IMAGES, LABELS, ["a", "b"])


def test_rows_stay_together() -> None:
    data = domain_from_arrays("x", ("zero", "one"), IMAGES, LABELS, ["a", "b"])
    for row in range(2):
        before = ["a", "b"].index(data.keys[row])
        assert data.labels[row] == LABELS[before]
        assert np.array_equal(data.read(row)[:, :, 2], IMAGES[before])


def test_an_archive_that_would_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, images=np.zeros((270, 1000, 1000), np.uint8), labels=np.zeros(270, int))
    with pytest.raises(UserError, match=r"\d+ bytes that would unpack to 27000\d+, made to fill the memory"):
        read_npz(path)


def test_other_things_than_files_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(UserError, match="no regular file"):
        read_npz(tmp_path / "pipe.npz")


GOOD = b"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 4, 5)}"


def written(path: Path, header: bytes, version: int = 1, member: str = "images.npy") -> Path:
    """A file whose first array has this header, and no bytes behind it that fit."""
    size = struct.pack("<H" if version == 1 else "<I", len(header))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(member, b"\x93NUMPY" + bytes([version, 0]) + size + header)
        file.writestr("labels.npy", b"x")
    return path


def damaged(path: Path, at: int, value: int) -> Path:
    """A file in whose directory, and in the copy before the data, a byte is another."""
    content = bytearray(written(path, GOOD).read_bytes())
    content[content.index(b"PK\x01\x02") + at + 2] = value
    content[at] = value
    path.write_bytes(content)
    return path


BROKEN: dict[str, Callable[[Path], Path]] = {
    "cut brackets": lambda path: written(path, b"{'descr': '<f8', 'shape': ((((  "),
    "deep brackets": lambda path: written(path, b"(" * 9000),
    "long header": lambda path: written(path, GOOD.ljust(2000)),
    "version 2": lambda path: written(path, GOOD, version=2),
    "negative": lambda path: written(path, GOOD.replace(b"(2,", b"(-2,")),
    "more than there is": lambda path: written(path, GOOD.replace(b"(2,", b"(2000000000000,")),
    "no member": lambda path: written(path, GOOD, member="images"),
    "packed in another way": lambda path: damaged(path, 8, 99),
    "encrypted": lambda path: damaged(path, 6, 1),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_headers_that_are_broken_or_lie(tmp_path: Path, kind: str) -> None:
    path = BROKEN[kind](tmp_path / "a.npz")
    assert images_in_npz(path) is None
    with pytest.raises(UserError, match=r"a\.npz: (cannot be read|no array)"):
        read_npz(path)


def test_data_that_are_no_stream(tmp_path: Path) -> None:
    path = written(tmp_path / "a.npz", GOOD)
    content = bytearray(path.read_bytes())
    start = content.index(b"images.npy") + len("images.npy")
    content[start : start + 20] = b"\xff" * 20
    path.write_bytes(content)
    assert images_in_npz(path) is None


def test_a_header_that_fills_the_memory(tmp_path: Path) -> None:
    """numpy reads a header of version 2.0 whole, whatever length it states, and judges it then."""
    path, length = tmp_path / "a.npz", 100 << 20
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        with file.open("images.npy", "w") as member:
            member.write(b"\x93NUMPY\x02\x00" + struct.pack("<I", length))
            for _ in range(100):
                member.write(b" " * (1 << 20))
        file.writestr("labels.npy", b"x")
    tracemalloc.start()
    assert images_in_npz(path) is None
    with pytest.raises(UserError, match=r"version 2\.0"):
        read_npz(path)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_a_pipe_has_no_images(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    assert images_in_npz(tmp_path / "pipe.npz") is None
