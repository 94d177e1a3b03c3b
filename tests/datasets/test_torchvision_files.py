"""Packed files of digits that unpack to more than any honest one."""

import bz2
import gzip
from pathlib import Path

import pytest

from dabench.datasets.torchvision_files import MOST_BYTES, read_mnist, read_usps
from dabench.errors import UserError


def test_bombs_are_refused(tmp_path: Path) -> None:
    zeros = bytes(MOST_BYTES + 1)
    (tmp_path / "images.gz").write_bytes(gzip.compress(zeros, 1))
    (tmp_path / "usps.bz2").write_bytes(bz2.compress(zeros, 1))
    with pytest.raises(UserError, match="unpacks to more than"):
        read_mnist(tmp_path / "images.gz", tmp_path / "images.gz")
    with pytest.raises(UserError, match="unpacks to more than"):
        read_usps(tmp_path / "usps.bz2", "train")
