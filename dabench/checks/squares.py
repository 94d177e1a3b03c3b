"""The suite that methods are checked on: generated images of coloured squares, in each form that data have.

Two domains, alpha (36 images, dark ground) and beta (30, grey ground), and three classes: the colours. A salt
decides which images: with a new one, nobody can have seen any of them before. A copy of the suite with
*changed* labels has other labels on beta's images, in the data source itself: in the names of folders, in the
list, in the array. Its files come in another order, too, because an order can tell classes apart.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image

__all__ = ["CLASSES", "KINDS", "TARGET_IMAGES", "squares", "write_suite"]

CLASSES = ("red", "green", "blue")
SIDE = 16
TARGET_IMAGES = 30
DOMAINS = (("alpha", 36, 0, 1), ("beta", TARGET_IMAGES, 120, 2))  # name, images, ground, seed
# Other class sizes, so that even the score of a network that says one class for everything changes.
CHANGED_SIZES = (6, 20, 4)
RECIPE: dict[str, Any] = {
    "backbone": "dann_mnist",
    "weights": "none",
    # A pass over the larger domain is six steps: the second epoch begins at p = 0.75, where methods may
    # choose among the target's images. Evaluations before the last step, so that their results could be used.
    "steps": 8,
    "evaluations": 4,
    "optimiser.lr": 0.05,
    "batch.source": 6,
    "batch.target": 6,
    "head.bottleneck": 8,
    "head.discriminator_hidden": [8],
    "image.resize": SIDE,
    "image.size": SIDE,
    "threads": 1,
}

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


def squares(count: int, ground: int, seed: int, salt: int = 0) -> tuple[Images, Labels]:
    """Images (count, 16, 16, 3) of a square in the class's colour, classes in turn; labels (count,)."""
    rng = np.random.default_rng((seed, salt))
    labels = np.arange(count) % len(CLASSES)
    images = rng.integers(ground, ground + 40, (count, SIDE, SIDE, 3), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        top, left = rng.integers(0, SIDE // 2, 2)
        image[top : top + 8, left : left + 8, label] = 255
    return images, labels


def _write_folders(folder: Path, name: str, images: Images, labels: Labels, order: Labels) -> str:
    for label, title in enumerate(CLASSES):
        place = folder / name / title
        place.mkdir(parents=True)
        # The same names in every class, as in Office-31; a file's name follows its class.
        for number, row in enumerate(order[labels[order] == label], start=1):
            Image.fromarray(images[row]).save(place / f"frame_{number:04}.png")
    return name


def _write_list(folder: Path, name: str, images: Images, labels: Labels, order: Labels) -> str:
    place = folder / f"{name}_pool"
    place.mkdir()
    lines = []
    for row in order:
        Image.fromarray(images[row]).save(place / f"{row:03}.png")
        lines.append(f"{place.name}/{row:03}.png {labels[row]}\n")
    (folder / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
    return f"{name}.txt"


def _write_arrays(folder: Path, name: str, images: Images, labels: Labels, order: Labels) -> str:
    np.savez(folder / f"{name}.npz", images=images[order], labels=labels[order])
    return f"{name}.npz"


_WRITERS: dict[str, Callable[[Path, str, Images, Labels, Labels], str]] = {
    "folders": _write_folders,
    "lists": _write_list,
    "arrays": _write_arrays,
}
KINDS = tuple(_WRITERS)


def write_suite(folder: Path, kind: str, changed: bool = False, salt: int = 0) -> Path:
    """Write the suite into a new folder and return its manifest, ``squares.yaml``.

    Args:
        folder: is made here.
        kind: folders, lists or arrays.
        changed: whether beta's images have other labels, and come in another order.
        salt: other images for another number.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    domains: dict[str, Any] = {}
    for name, count, ground, seed in DOMAINS:
        images, labels = squares(count, ground, seed, salt)
        order = np.arange(count)
        if changed and name == "beta":
            labels, order = rng.permutation(np.repeat(range(3), CHANGED_SIZES)), rng.permutation(order)
        path = _WRITERS[kind](folder, name, images, labels, order)
        domains[name] = {"short": name[0].upper(), "paths": {"all": path}}
    manifest = {
        "name": "squares",
        "title": "Coloured squares",
        "loader": "files",
        "classes": list(CLASSES),
        "domains": domains,
        "recipe": {path: {"value": value, "source": "our choice: fast"} for path, value in RECIPE.items()},
    }
    file = folder / "squares.yaml"
    file.write_text(yaml.safe_dump(manifest), encoding="utf-8")
    return file
