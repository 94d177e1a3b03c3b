import os
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
