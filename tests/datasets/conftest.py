"""Generated folders with the real layouts and class names, counts scaled down in proportion."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dabench.discovery import discover_suites
from dabench.suite import SUITES, Manifest

MakeImage = Callable[[Path], Path]
MakeDomain = Callable[..., int]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "the-cache"
    monkeypatch.setenv("DABENCH_CACHE", str(folder))
    return folder


@pytest.fixture
def real_data() -> Path:
    folder = os.environ.get("DABENCH_REAL_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("DABENCH_REAL_DATA is not set")
    return Path(folder)


@pytest.fixture
def shipped() -> Callable[[str], Manifest]:
    """A shipped manifest with its counts divided, each class keeping at least one image."""

    def manifest(name: str, divisor: int = 40) -> Manifest:
        discover_suites()
        whole = SUITES.get(name).manifest
        domains = {}
        for domain, info in whole.domains.items():
            counts = info.class_counts and {
                key: max(1, round(count / divisor)) for key, count in info.class_counts.items()
            }
            images = (
                sum(counts.values()) if counts else max(len(whole.classes), (info.images or 0) // divisor)
            )
            domains[domain] = info.model_copy(update={"images": images, "class_counts": counts})
        return whole.model_copy(update={"domains": domains})

    return manifest


@pytest.fixture
def make_image() -> MakeImage:
    """Write a tiny image whose content follows from its path, so that no two are alike."""

    def write(path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(list(str(path).encode()))
        Image.fromarray(rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)).save(path)
        return path

    return write


@pytest.fixture
def make_domain(make_image: MakeImage) -> MakeDomain:
    """Fill a folder with one folder a class, ``rename`` giving folder names; returns the number of images."""

    def fill(
        folder: Path,
        manifest: Manifest,
        domain: str,
        rename: Callable[[str], str] = str,
        suffix: str = ".png",
    ) -> int:
        info = manifest.domains[domain]
        even = {name: (info.images or 0) // len(manifest.classes) for name in manifest.classes}
        even[manifest.classes[0]] += (info.images or 0) % len(manifest.classes)
        counts = info.class_counts or even
        for name in manifest.classes:
            for number in range(1, counts[name] + 1):
                make_image(folder / rename(name) / f"frame_{number:04d}{suffix}")
        return sum(counts.values())

    return fill
