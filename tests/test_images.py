"""The cache of decoded images."""

import errno
import hashlib
import io
import os
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from dabench.errors import UserError
from dabench.images import decoded_images, raw_bytes, resize_square
from dabench.packed import encode_jpeg
from dabench.sealed import about_of
from dabench.suite import DomainData

STORAGES = ("raw", "packed")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DABENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "images"


def domain(number=10, seed=0, labels=None, side=12):
    """Images in memory that count how often they are read."""
    images = np.random.default_rng(seed).integers(0, 256, (number, side, side + 4, 3), dtype=np.uint8)
    digests = np.frombuffer(b"".join(hashlib.sha256(i.tobytes()).digest() for i in images), np.uint8)
    reads, lock = [], threading.Lock()

    def read(row):
        with lock:
            reads.append(row)
        return images[row]

    labels = np.zeros(number, np.int64) if labels is None else labels
    data = DomainData("alpha", ("a", "b"), labels, digests.reshape(-1, 32), list("x" * number), read)
    return data, images, reads


def expected(image, side, storage):
    """The image by Pillow alone."""
    raw = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))
    return raw if storage == "raw" else np.asarray(Image.open(io.BytesIO(encode_jpeg(raw))))


def files(folder):
    """Sealed files and whatever is hidden; sidecars and the folder's tag left out."""
    return sorted(path for path in folder.iterdir() if path.suffix != ".json" and path.name != "CACHEDIR.TAG")


@pytest.mark.parametrize("storage", STORAGES)
def test_built_once_then_read(cache, storage):
    data, images, reads = domain(200)
    progress = []
    found = decoded_images(data, 8, storage, "suite alpha", lambda *counts: progress.append(counts))
    assert (len(found), found.side) == (200, 8)
    assert sorted(reads) == list(range(200))
    rows = np.array([199, 0, 99, 0])
    taken = found.take(rows)
    assert taken.dtype == np.uint8
    assert taken.flags.writeable
    assert taken.flags.c_contiguous
    for image, row in zip(taken, rows, strict=True):
        assert np.array_equal(image, expected(images[row], 8, storage))
    assert [total for _, total in progress] == [200] * len(progress)
    assert progress[-1][0] == 200
    assert sorted(done for done, _ in progress) == [done for done, _ in progress]
    again = decoded_images(data, 8, storage)
    assert np.array_equal(again.take(np.arange(200)), found.take(np.arange(200)))
    assert len(reads) == 200
    (file,) = files(cache)
    about = {"kind": "images", "label": "suite alpha", "images": 200, "side": 8, "storage": storage}
    assert about_of(file) == about


def test_labels_play_no_part_but_content_side_and_storage_do(cache):
    first, _, reads = domain()
    decoded_images(first, 8)
    other, _, unread = domain(labels=np.arange(10) % 2)
    decoded_images(other, 8)
    assert len(reads) == 10
    assert not unread
    decoded_images(first, 9)
    decoded_images(domain(seed=1)[0], 8)
    decoded_images(first, 8, "packed")
    assert len(files(cache)) == 4


def test_the_budget_counts_what_a_raw_file_holds(cache):
    decoded_images(domain()[0], 8)
    (file,) = files(cache)
    assert file.stat().st_size - 128 == raw_bytes(10, 8) == 10 * 8 * 8 * 3


DAMAGES = {
    "empty": lambda content: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "no array": lambda content: b"not an array at all" * 100,
    "one byte": lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
}


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_built_again(cache, damage, storage):
    data, images, reads = domain()
    decoded_images(data, 8, storage)
    (file,) = files(cache)
    content = file.read_bytes()
    changed = DAMAGES[damage](content)
    assert changed != content
    file.write_bytes(changed)
    found = decoded_images(data, 8, storage)
    assert len(reads) == 20
    assert np.array_equal(found.take(np.array([3]))[0], expected(images[3], 8, storage))
    assert file.read_bytes() == content


@pytest.mark.parametrize("storage", STORAGES)
def test_a_sealed_file_of_other_images_is_built_again(cache, storage):
    """Whole, with its sidecar, but of another shape: somebody has copied files about."""
    data, images, reads = domain()
    decoded_images(domain(11, seed=5)[0], 8, storage)
    (other,) = files(cache)
    decoded_images(data, 8, storage)
    (file,) = set(files(cache)) - {other}
    for suffix in ("", ".json"):
        os.replace(f"{other}{suffix}", f"{file}{suffix}")
    found = decoded_images(data, 8, storage)
    assert len(found) == 10
    assert len(reads) == 20
    assert np.array_equal(found.take(np.array([3]))[0], expected(images[3], 8, storage))


@pytest.mark.parametrize("storage", STORAGES)
def test_an_image_that_cannot_be_decoded_stops_the_build(cache, storage):
    data, _, reads = domain(500)

    def read(row):
        if row == 3:
            raise UserError("photos/broken.jpg cannot be decoded")
        return data.read(row)

    broken = DomainData(data.name, data.classes, data.labels, data.digests, data.keys, read)
    with pytest.raises(UserError, match=r"photos/broken\.jpg"):
        decoded_images(broken, 8, storage)
    assert files(cache) == []
    assert len(reads) < 500, "the rest is not read once one has failed"
    assert len(decoded_images(data, 8, storage)) == 500


def test_a_disk_that_is_too_small_for_raw_images_is_found_before_one_is_read(cache, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10 * 8 * 8 * 3 - 1))
    data, _, reads = domain()
    with pytest.raises(UserError, match=r"alpha at 8 pixels needs .* GB") as caught:
        decoded_images(data, 8)
    assert "DABENCH_CACHE" in caught.value.hint
    assert not reads
    assert files(cache) == []
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10 * 8 * 8 * 3))
    assert len(decoded_images(data, 8)) == 10


def test_a_disk_that_is_too_small_for_packed_images_is_foretold_from_the_first_ones(cache, monkeypatch):
    data, _, reads = domain(5000)
    free = 64 * 1024
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=free))
    with pytest.raises(UserError, match=r"alpha at 8 pixels needs .* GB"):
        decoded_images(data, 8, "packed")
    assert 64 <= len(reads) < 2500
    assert files(cache) == []


@pytest.mark.parametrize("storage", STORAGES)
def test_a_disk_that_fills_up_is_the_users_to_mend(cache, monkeypatch, storage):
    def full(path, *rest):
        path.write_bytes(b"some")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(f"dabench.images.write_{storage}", full)
    with pytest.raises(UserError, match="filled up while alpha") as caught:
        decoded_images(domain()[0], 8, storage)
    assert "data drop" in caught.value.hint
    assert files(cache) == []


KILLED = """
import os, signal
import numpy as np
from dabench.images import decoded_images
from dabench.suite import DomainData
def read(row):
    if row == 70:
        os.kill(os.getpid(), signal.SIGKILL)
    return np.zeros((8, 8, 3), np.uint8)
digests = np.arange(100 * 32, dtype=np.int64).astype(np.uint8).reshape(100, 32)
decoded_images(DomainData("a", ("x",), np.zeros(100, np.int64), digests, ["x"] * 100, read), 8, "packed")
"""


def test_a_killed_build_leaves_no_visible_file_and_the_next_one_clears_up(cache):
    done = subprocess.run([sys.executable, "-c", KILLED], check=False)
    assert done.returncode == -signal.SIGKILL
    left = files(cache)
    assert any(path.suffix == ".part" for path in left)
    assert all(path.name.startswith(".") for path in left)
    decoded_images(domain()[0], 8)
    assert not any(path.suffix == ".part" for path in files(cache))


def test_resizing_is_square_bilinear_and_antialiased():
    image = np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8)
    found = resize_square(image, 10)
    wanted = Image.fromarray(image).resize((10, 10), Image.Resampling.BILINEAR)
    assert np.array_equal(found, np.asarray(wanted))
    # Stripes of one pixel become grey, not a pattern.
    stripes = np.zeros((40, 40, 3), np.uint8)
    stripes[:, ::2] = 255
    assert abs(resize_square(stripes, 10)[2:-2, 2:-2].astype(int) - 128).max() < 20
    same = np.ascontiguousarray(image[:, :30])
    assert np.array_equal(resize_square(same, 30), same)


@pytest.mark.parametrize("storage", STORAGES)
def test_two_builds_at_once_give_one_whole_file(cache, storage):
    data, images, reads = domain(300)
    results, errors = [], []

    def build():
        try:
            results.append(decoded_images(data, 8, storage))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(reads) == 300
    wanted = expected(images[7], 8, storage)
    assert all(np.array_equal(found.take(np.array([7]))[0], wanted) for found in results)
    assert len(files(cache)) == 1


@pytest.mark.parametrize("storage", STORAGES)
def test_a_build_holds_few_images_at_a_time(cache, storage, monkeypatch):
    """Images that are read and not yet written stay below a bound that knows nothing of the set's size."""
    monkeypatch.setattr("dabench.images.processors", lambda: 2)
    data, _, reads = domain(2000)
    ahead = []
    decoded_images(data, 8, storage, "", lambda done, total: ahead.append(len(reads) - done))
    assert max(ahead) <= 16 * (2 * 2 + 2)
