"""Files of digits that are more than any honest one, and honest ones as torchvision reads them."""

import bz2
import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import USPS

from dabench.datasets.torchvision_files import MOST_BYTES, USPS_FILES, read_mnist, read_usps
from dabench.errors import UserError
from dabench.suite import Part


def test_bombs_are_refused(tmp_path: Path) -> None:
    zeros = bytes(MOST_BYTES + 1)
    (tmp_path / "images.gz").write_bytes(gzip.compress(zeros, 1))
    (tmp_path / "usps.bz2").write_bytes(bz2.compress(zeros, 1))
    with pytest.raises(UserError, match="unpacks to more than"):
        read_mnist(tmp_path / "images.gz", tmp_path / "images.gz")
    with pytest.raises(UserError, match="unpacks to more than"):
        read_usps(tmp_path / "usps.bz2", "train")


def test_a_large_file_that_is_not_packed(tmp_path: Path) -> None:
    for name in ("images", "labels"):
        with (tmp_path / name).open("wb") as file:
            file.write(struct.pack(">IIII", 0x803, MOST_BYTES, 1, 1))
            file.truncate(MOST_BYTES + 16)
    with pytest.raises(UserError, match=f"has {MOST_BYTES + 16} bytes, more than {MOST_BYTES}"):
        read_mnist(tmp_path / "images", tmp_path / "labels")


def line(label: object = 3, greys: int = 256, grey: object = "-0.25") -> bytes:
    return f"{label} {' '.join(f'{number}:{grey}' for number in range(1, greys + 1))} \n".encode()


def usps(folder: Path, content: bytes, name: str = "usps.t.bz2") -> Path:
    (folder / name).write_bytes(bz2.compress(content, 1))
    return folder / name


@pytest.mark.parametrize("part", ["train", "test"])
def test_usps_is_read_as_torchvision_reads_it(tmp_path: Path, part: Part) -> None:
    rng = np.random.default_rng(3)
    values = [*rng.uniform(-1, 1, (50, 256)), np.ones(256), -np.ones(256), np.linspace(-1, 1, 256)]
    lines = [
        f"{rng.integers(1, 11)} " + " ".join(f"{n}:{value:.{6 if row % 2 else 3}g}" for n, value in items)
        for row, items in enumerate(enumerate(image, start=1) for image in values)
    ]
    path = usps(tmp_path, "\n".join(lines).encode(), USPS_FILES[part])
    theirs = USPS(str(tmp_path), train=part == "train")
    images, labels = read_usps(path, part)
    assert images.dtype == np.uint8
    assert np.array_equal(images, theirs.data)
    assert labels.tolist() == theirs.targets


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as USPS"),
        (line(label=0), "no class from 1 to 10"),
        (line(label=11), "no class from 1 to 10"),
        (line(greys=255), "256 greys"),
        (line(greys=257), "256 greys"),
        (line(grey="1.5"), "from -1 to 1"),
        (line(grey="nan"), "from -1 to 1"),
        (line(grey="black"), "could not convert"),
        (line(grey="0" * 100), "lines of at most"),
        (b"\xff\xfe", "ascii"),
    ],
)
def test_lines_that_are_no_usps(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_usps(usps(tmp_path, content), "test")


def test_a_bomb_of_tokens_within_the_size(tmp_path: Path) -> None:
    path = usps(tmp_path, b"1 " * (1 << 20) + b"\n")
    tracemalloc.start()
    with pytest.raises(UserError, match="at most 8192 bytes"):
        read_usps(path, "test")
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_more_images_than_usps_has(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="more than 2007 lines"):
        read_usps(usps(tmp_path, line() * 2008), "test")
    assert len(read_usps(usps(tmp_path, line() * 2007), "test")[1]) == 2007
