"""Images as one array file, mapped while it is small and read by position when it is large."""

import gc
import os
import re
from pathlib import Path

import numpy as np
import pytest

import dabench.raw
from dabench.positioned import PositionedFile
from dabench.raw import RawImages, raw_bytes, write_raw


@pytest.fixture(params=["mapped", "positioned"])
def limit(request, monkeypatch):
    monkeypatch.setattr(dabench.raw, "LARGEST_MAPPING_BYTES", 2**30 if request.param == "mapped" else 100)


def store(folder, count=20, side=6):
    images = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    write_raw(folder / "raw.npy", count, side, images)
    return folder / "raw.npy", images


def test_the_file_is_numpys(tmp_path):
    path, images = store(tmp_path)
    assert np.array_equal(np.load(path), images)
    assert path.stat().st_size == raw_bytes(20, 6) + 128


def test_take_keeps_order_and_repeats(tmp_path, limit):
    path, images = store(tmp_path)
    raw = RawImages(path, 20, 6)
    assert (len(raw), raw.side) == (20, 6)
    rows = np.array([7, 0, 19, 7, 7, 3])
    found = raw.take(rows)
    assert np.array_equal(found, images[rows])
    assert found.flags.owndata
    assert found.flags.writeable
    assert found.flags.c_contiguous
    found[:] = 0
    assert np.array_equal(raw.take(rows), images[rows])
    assert raw.take(np.array([], np.int64)).shape == (0, 6, 6, 3)


def test_an_array_that_is_not_contiguous_is_written_by_its_values(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 3), dtype=np.uint8)
    write_raw(tmp_path / "raw.npy", 4, 6, (image.transpose(1, 0, 2) for image in images))
    assert np.array_equal(np.load(tmp_path / "raw.npy"), images.transpose(0, 2, 1, 3))


@pytest.mark.parametrize("row", [-1, 20])
def test_a_row_outside_is_an_error(tmp_path, limit, row):
    path, _ = store(tmp_path)
    with pytest.raises(IndexError, match="outside"):
        RawImages(path, 20, 6).take(np.array([0, row]))


@pytest.mark.parametrize("array", [np.zeros((20, 6, 6), np.uint8), np.zeros((20, 6, 6, 3), np.int8)])
def test_another_array_is_an_error(tmp_path, array):
    np.save(tmp_path / "other.npy", array)
    with pytest.raises(ValueError, match="no uint8 array"):
        RawImages(tmp_path / "other.npy", 20, 6)


def test_a_file_that_shrinks_while_it_is_open_is_an_error(tmp_path):
    path, images = store(tmp_path)
    file = PositionedFile(path)
    assert file.read(108, 128).tobytes() == images[0].tobytes()
    os.truncate(path, 200)
    with pytest.raises(EOFError, match="shorter"):
        file.read(108, 128)


def test_a_removed_file_stays_open_and_its_handle_is_closed_in_the_end(tmp_path, limit):
    path, images = store(tmp_path)
    gc.collect()  # what earlier tests left behind
    before = len(os.listdir("/proc/self/fd"))
    raw = RawImages(path, 20, 6)
    path.unlink()
    assert np.array_equal(raw.take(np.arange(20)), images)
    del raw
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="counts resident pages as Linux shows them"
)
def test_reading_by_position_leaves_nothing_of_the_file_resident(tmp_path, monkeypatch):
    def resident():
        found = re.search(r"RssFile:\s*(\d+) kB", Path("/proc/self/status").read_text())
        return int(found.group(1)) * 1024

    write_raw(tmp_path / "raw.npy", 400, 256, (np.full((256, 256, 3), k % 256, np.uint8) for k in range(400)))
    grown = {}
    for name, limit in (("positioned", 2**20), ("mapped", 2**30)):
        monkeypatch.setattr(dabench.raw, "LARGEST_MAPPING_BYTES", limit)
        images, before = RawImages(tmp_path / "raw.npy", 400, 256), resident()
        for first in range(0, 400, 50):
            images.take(np.arange(first, first + 50))
        grown[name] = resident() - before
    assert grown["positioned"] < 8 * 2**20
    assert grown["mapped"] > 60 * 2**20, "the measurement would not have seen it"
