import bz2
import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dabench.datasets.digits import Digits
from dabench.datasets.mnistm import blend, difference
from dabench.discovery import discover_suites
from dabench.errors import MissingDataError, UserError
from dabench.suite import SUITES, Manifest

MNIST_COUNT, USPS_COUNT, TEST_COUNT = 40, 30, 20


@pytest.fixture
def manifest() -> Manifest:
    discover_suites()
    whole = SUITES.get("digits").manifest
    counts = {"MNIST": MNIST_COUNT, "USPS": USPS_COUNT, "MNIST-M": MNIST_COUNT}
    domains = {
        name: info.model_copy(update={"images": counts[name], "test_images": TEST_COUNT})
        for name, info in whole.domains.items()
    }
    return whole.model_copy(update={"domains": domains, "options": whole.options | {"photos": 3}})


def digits(count: int, side: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, side, side), dtype=np.uint8), np.arange(count, dtype=np.uint8) % 10


def write_npz(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, side, count in (("mnist", 28, MNIST_COUNT), ("usps", 16, USPS_COUNT)):
        for part, number in (("train", count), ("test", TEST_COUNT)):
            images, labels = digits(number, side, number)
            np.savez(folder / f"{name}_{part}.npz", images=images, labels=labels)


def write_torchvision(folder: Path, packed: bool) -> None:
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for prefix, count in (("train", MNIST_COUNT), ("t10k", TEST_COUNT)):
        images, labels = digits(count, 28, count)
        contents = {
            f"{prefix}-images-idx3-ubyte": struct.pack(">IIII", 0x803, count, 28, 28) + images.tobytes(),
            f"{prefix}-labels-idx1-ubyte": struct.pack(">II", 0x801, count) + labels.tobytes(),
        }
        for name, content in contents.items():
            if packed:
                (raw / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (raw / name).write_bytes(content)
    for name, count in (("usps.bz2", USPS_COUNT), ("usps.t.bz2", TEST_COUNT)):
        images, labels = digits(count, 16, count)
        lines = []
        for image, label in zip(images, labels, strict=True):
            values = " ".join(f"{k}:{v / 255 * 2 - 1:.6f}" for k, v in enumerate(image.ravel(), start=1))
            lines.append(f"{label + 1} {values} \n")
        (folder / name).write_bytes(bz2.compress("".join(lines).encode()))


def write_photos(folder: Path, count: int = 3) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        shape = (40, 60, 3) if number % 2 else (60, 40, 3)
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(folder / f"{number}.jpg")


@pytest.mark.parametrize(
    ("photos", "write"),
    [
        ("bsds500_train", write_npz),
        ("digits/bsds500_train", write_npz),
        ("digits/BSR/BSDS500/data/images/train", write_npz),
        ("digits/bsds500_train", lambda folder: write_torchvision(folder, packed=False)),
        ("digits/bsds500_train", lambda folder: write_torchvision(folder, packed=True)),
    ],
)
def test_opens_all_layouts(
    tmp_path: Path, manifest: Manifest, photos: str, write: Callable[[Path], None]
) -> None:
    write(tmp_path / "digits")
    write_photos(tmp_path / photos)
    loader = Digits(manifest, tmp_path)
    assert all(status.present for status in loader.status())
    assert loader.check() == []
    for domain, side, count in (
        ("MNIST", 28, MNIST_COUNT),
        ("USPS", 16, USPS_COUNT),
        ("MNIST-M", 28, MNIST_COUNT),
    ):
        train, test = loader.open(domain, "train"), loader.open(domain, "test")
        assert (len(train), len(test)) == (count, TEST_COUNT)
        assert train.read(0).shape == (side, side, 3)
        assert train.fingerprint != test.fingerprint
        assert train.keys[0].startswith("train")
    images, labels = digits(MNIST_COUNT, 28, MNIST_COUNT)
    opened = loader.open("MNIST", "train")
    row = int(opened.keys[7].split()[1])
    assert np.array_equal(opened.read(7)[:, :, 1], images[row])
    assert opened.labels[7] == labels[row]


def test_order_and_images_tell_nothing_about_labels(tmp_path: Path, manifest: Manifest) -> None:
    write_npz(tmp_path / "digits")
    write_photos(tmp_path / "bsds500_train")
    before = Digits(manifest, tmp_path).open("MNIST-M", "train")
    path = tmp_path / "digits" / "mnist_train.npz"
    with np.load(path) as file:
        images, labels = file["images"], file["labels"]
    np.savez(path, images=images, labels=np.random.default_rng(3).permutation(labels))
    after = Digits(manifest, tmp_path).open("MNIST-M", "train")
    assert before.content_fingerprint == after.content_fingerprint
    assert before.fingerprint != after.fingerprint
    assert np.array_equal(before.read(5), after.read(5))


def test_blended_images_are_cached_by_their_inputs(tmp_path: Path, manifest: Manifest, cache: Path) -> None:
    write_npz(tmp_path / "digits")
    write_photos(tmp_path / "bsds500_train")
    first = Digits(manifest, tmp_path).open("MNIST-M", "train")
    (file,) = (cache / "mnistm").glob("*.npy")
    file.write_bytes(file.read_bytes()[:200])  # a cut file is made anew
    assert Digits(manifest, tmp_path).open("MNIST-M", "train").fingerprint == first.fingerprint
    other = manifest.model_copy(update={"options": manifest.options | {"seed": 1}})
    assert Digits(other, tmp_path).open("MNIST-M", "train").fingerprint != first.fingerprint
    assert len(list((cache / "mnistm").glob("*.npy"))) == 2


def test_blend_is_the_difference_with_a_patch() -> None:
    """Against the obvious loop: the patch at the drawn place of the drawn photo."""
    small, _ = digits(20, 8, 0)
    photos = [np.random.default_rng(k).integers(0, 256, (12, 20, 3), dtype=np.uint8) for k in range(3)]
    blended = blend(small, photos, np.random.default_rng(5))
    rng = np.random.default_rng(5)
    chosen, (down, right) = rng.integers(3, size=20), rng.random((2, 20))
    for row in range(20):
        top, left = int(down[row] * 5), int(right[row] * 13)
        patch = photos[chosen[row]][top : top + 8, left : left + 8].astype(int)
        assert np.array_equal(blended[row], np.abs(patch - small[row][:, :, None].astype(int)))


def test_strength_weakens_the_photo() -> None:
    patch, digit = np.full((1, 1, 1, 3), 200, np.uint8), np.full((1, 1, 1), 130, np.uint8)
    assert difference(patch, digit, 0.5).tolist() == [[[[30, 30, 30]]]]


def test_missing_parts_are_named(tmp_path: Path, manifest: Manifest) -> None:
    write_npz(tmp_path / "digits")
    (tmp_path / "digits" / "usps_test.npz").unlink()
    loader = Digits(manifest, tmp_path)
    found = {status.domain: status for status in loader.status()}
    assert found["MNIST"].present
    assert "USPS test part" in found["USPS"].found
    assert "photos" in found["MNIST-M"].found
    with pytest.raises(MissingDataError, match="folder of photos") as caught:
        loader.open("MNIST-M", "train")
    assert f"{tmp_path}/digits/bsds500_train/" in caught.value.hint
    with pytest.raises(MissingDataError, match=r"USPS \(test part\)"):
        loader.open("USPS", "test")


def test_wrong_files_are_named(tmp_path: Path, manifest: Manifest) -> None:
    folder = tmp_path / "digits"
    write_npz(folder)
    write_photos(tmp_path / "bsds500_train", count=2)
    (folder / "usps_train.npz").write_bytes(b"not an archive")
    images, labels = digits(MNIST_COUNT - 1, 28, 0)
    np.savez(folder / "mnist_train.npz", images=images, labels=labels)
    problems = "\n".join(Digits(manifest, tmp_path).check())
    assert f"MNIST, train part: {MNIST_COUNT - 1} images, expected {MNIST_COUNT}" in problems
    assert "usps_train.npz: cannot be read" in problems
    assert "2 photos (.jpg), expected 3" in problems


def test_broken_torchvision_files_are_named(tmp_path: Path, manifest: Manifest) -> None:
    write_torchvision(tmp_path / "digits", packed=True)
    path = tmp_path / "digits/MNIST/raw/train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(UserError, match=r"train-images-idx3-ubyte\.gz: cannot be read as MNIST"):
        Digits(manifest, tmp_path).open("MNIST", "train")
    (tmp_path / "digits/usps.bz2").write_bytes(b"BZh9 no")
    with pytest.raises(UserError, match=r"usps\.bz2: cannot be read as USPS"):
        Digits(manifest, tmp_path).open("USPS", "train")


@pytest.mark.real
def test_real_digits(real_data: Path) -> None:
    discover_suites()
    loader = Digits(SUITES.get("digits").manifest, real_data)
    assert all(status.present for status in loader.status())
    sizes = {name: [len(loader.open(name, part)) for part in ("train", "test")] for name in ("MNIST", "USPS")}
    assert sizes == {"MNIST": [60_000, 10_000], "USPS": [7291, 2007]}
    blended = loader.open("MNIST-M", "train")
    assert len(blended) == 60_000
    assert blended.class_counts() == loader.open("MNIST", "train").class_counts()
    image = blended.read(11)
    assert image.shape == (28, 28, 3)
    assert len(np.unique(image)) > 20
