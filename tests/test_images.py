"""The cache of decoded images."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from dabench.errors import UserError
from dabench.images import decoded_images, resize_square
from dabench.suite import DomainData


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


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_built_once_then_mapped(cache):
    data, images, reads = domain(200)
    progress = []
    found = decoded_images(data, 8, lambda done, total: progress.append((done, total)))
    assert found.shape == (200, 8, 8, 3)
    assert found.dtype == np.uint8
    assert isinstance(found, np.memmap)
    assert not found.flags.writeable
    assert sorted(reads) == list(range(200))
    for row in (0, 99, 199):
        assert np.array_equal(found[row], resize_square(images[row], 8))
    assert [total for _, total in progress] == [200] * len(progress)
    assert progress[-1][0] == 200
    assert sorted(done for done, _ in progress) == [done for done, _ in progress]
    again = decoded_images(data, 8)
    assert np.array_equal(again, found)
    assert len(reads) == 200
    assert len(visible(cache)) == len(list(cache.iterdir())) == 1


def test_labels_play_no_part_but_content_and_side_do(cache):
    first, _, reads = domain()
    decoded_images(first, 8)
    other, _, unread = domain(labels=np.arange(10) % 2)
    decoded_images(other, 8)
    assert len(reads) == 10
    assert not unread
    decoded_images(first, 9)
    decoded_images(domain(seed=1)[0], 8)
    assert len(visible(cache)) == 3


def header(content):
    return b"\x93NUMPY\x01\x00" + content


DAMAGES = {
    "empty": lambda content: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "in the header": lambda content: content[:20],
    "no array": lambda content: b"not an array at all" * 100,
    "header of rubbish": lambda content: header(b"\x10\x00{'descr': <<,     " + content[50:]),
    "other shape": lambda content: content.replace(b"(10, 8, 8, 3)", b"(8, 10, 8, 3)"),
    "other type": lambda content: content.replace(b"'|u1'", b"'|i1'"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_built_again(cache, damage):
    data, images, reads = domain()
    decoded_images(data, 8)
    (file,) = cache.iterdir()
    content = file.read_bytes()
    changed = DAMAGES[damage](content)
    assert changed != content
    file.write_bytes(changed)
    found = decoded_images(data, 8)
    assert len(reads) == 20
    assert np.array_equal(found[3], resize_square(images[3], 8))
    assert file.read_bytes() == content


def test_an_image_that_cannot_be_decoded_stops_the_build(cache):
    data, _, reads = domain(500)

    def read(row):
        if row == 3:
            raise UserError("photos/broken.jpg cannot be decoded")
        return data.read(row)

    broken = DomainData(data.name, data.classes, data.labels, data.digests, data.keys, read)
    with pytest.raises(UserError, match=r"photos/broken\.jpg"):
        decoded_images(broken, 8)
    assert list(cache.iterdir()) == []
    assert len(decoded_images(data, 8)) == 500
    assert len(reads) >= 500


def test_a_disk_that_is_too_small(monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=100))
    with pytest.raises(UserError, match=r"needs .* GB") as caught:
        decoded_images(domain()[0], 8)
    assert "DABENCH_CACHE" in caught.value.hint


KILLED = """
import os, signal, sys
import numpy as np
from dabench.images import decoded_images
from dabench.suite import DomainData
def read(row):
    if row == 70:
        os.kill(os.getpid(), signal.SIGKILL)
    return np.zeros((8, 8, 3), np.uint8)
digests = np.arange(100 * 32, dtype=np.int64).astype(np.uint8).reshape(100, 32)
decoded_images(DomainData("a", ("x",), np.zeros(100, np.int64), digests, ["x"] * 100, read), 8)
"""


def test_a_killed_build_leaves_no_visible_file(cache):
    done = subprocess.run([sys.executable, "-c", KILLED], env={**os.environ}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert cache.is_dir()
    assert visible(cache) == []


def test_resizing_is_square_bilinear_and_antialiased():
    image = np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8)
    found = resize_square(image, 10)
    wanted = Image.fromarray(image).resize((10, 10), Image.Resampling.BILINEAR)
    assert np.array_equal(found, np.asarray(wanted))
    # Stripes of one pixel become grey, not a pattern.
    stripes = np.zeros((40, 40, 3), np.uint8)
    stripes[:, ::2] = 255
    assert abs(resize_square(stripes, 10)[2:-2, 2:-2].astype(int) - 128).max() < 20
    assert resize_square(image[:, :30], 30) is not None
    same = np.ascontiguousarray(image[:, :30])
    assert np.array_equal(resize_square(same, 30), same)


def test_two_builds_at_once_give_one_whole_file(cache):
    data, images, _ = domain(300)
    results, errors = [], []

    def build():
        try:
            results.append(decoded_images(data, 8))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=build) for _ in range(4)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not errors
    assert all(np.array_equal(found[7], resize_square(images[7], 8)) for found in results)
    assert len(visible(cache)) == len(list(cache.iterdir())) == 1
