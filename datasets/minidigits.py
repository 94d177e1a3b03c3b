"""The embedded suite: three domains of small digits, made from what scikit-learn and matplotlib ship.

D: handwritten digits of scikit-learn (UCI's optical digits, 8 x 8), enlarged, light on black.
M: the recipe of MNIST-M (Ganin & Lempitsky, ICML 2015, section 4) on digits held out from D: |photo - digit|
   with patches of scikit-learn's two sample photos.
S: digits drawn from fonts with varied position, size, angle, colour and blur.

No image shares its source digit across two domains. Everything follows from the manifest's ``options``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features
from pydantic import BaseModel, ConfigDict, Field

from dabench.datasets.mnistm import difference
from dabench.datasets.rendered_digits import FONTS, Look, font_files, render

__all__ = ["DOMAINS", "GENERATOR_VERSION", "Drawn", "MiniDigitsOptions", "draw", "ingredients"]

GENERATOR_VERSION = 1  # part of the cache's key; raise it when the same options give other images
DOMAINS = ("D", "M", "S")
DIGITS = 10


class MiniDigitsOptions(BaseModel):
    """What determines the images; written in the manifest's ``options``. Lengths in pixels.

    Tuples are a least and a largest value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(ge=0, description="of everything that is drawn at random")
    images: int = Field(ge=DIGITS, le=100_000, description="images a domain; D ends where its digits end")
    side: int = Field(ge=8, le=256, description="of every image")
    margin: int = Field(ge=0, description="black border around the enlarged handwritten digit")
    held_out: float = Field(gt=0, lt=1, description="part of the handwritten digits that M takes, each class")
    blend: float = Field(gt=0, le=1, description="M: strength of the photo in |strength * photo - digit|")
    patch: int = Field(
        ge=1, le=400, description="M: side of the square cut from a photo, then resized to side"
    )
    height: tuple[float, float] = Field(description="S: height of the digit, as a part of side")
    shift: float = Field(ge=0, le=0.5, description="S: largest offset of the digit, as a part of side")
    angle: float = Field(ge=0, le=90, description="S: largest rotation either way, degrees")
    blur: tuple[float, float] = Field(description="S: radius of the Gaussian blur")
    ink: tuple[float, float] = Field(
        description="S: brightness of each channel of the digit's colour, in [0, 1]"
    )
    paper: tuple[float, float] = Field(description="S: likewise of the background's")


@dataclass(frozen=True)
class Drawn:
    """One domain: images uint8 (n, side, side, 3), labels int64 (n,), and of what each image is made."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    keys: list[str]


def ingredients(options: MiniDigitsOptions) -> dict[str, object]:
    """All that the images depend on: the options, and the versions of what draws them."""
    packages = {name: version(name) for name in ("scikit-learn", "matplotlib", "pillow", "numpy")}
    return {
        "generator": GENERATOR_VERSION,
        "options": options.model_dump(mode="json"),
        "freetype": features.version("freetype2"),
        **packages,
    }


def draw(domain: str, options: MiniDigitsOptions) -> Drawn:
    """Make the images of domain D, M or S; the same options give the same bytes on one machine."""
    # One stream a domain, so that a change to one leaves the others alone.
    rng = np.random.default_rng([options.seed, DOMAINS.index(domain)])
    return {"D": _draw_d, "M": _draw_m, "S": _draw_s}[domain](options, rng)


@cache
def _handwritten() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """scikit-learn's digits: (1797, 8, 8) in [0, 16], and labels (1797,)."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.images, digits.target.astype(np.int64)


def _split(options: MiniDigitsOptions) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """Rows of the handwritten digits for D and for M: for each class an array of rows, none in both."""
    rng = np.random.default_rng([options.seed, len(DOMAINS)])
    kept, held_out = [], []
    labels = _handwritten()[1]
    for digit in range(DIGITS):
        rows = rng.permutation(np.flatnonzero(labels == digit))
        cut = len(rows) - max(1, min(len(rows) - 1, round(options.held_out * len(rows))))
        kept.append(rows[:cut])
        held_out.append(rows[cut:])
    return kept, held_out


def _quota(options: MiniDigitsOptions) -> Iterator[tuple[int, int]]:
    """Each digit and how many images of it a domain has: equal numbers, the rest to the first digits."""
    for digit in range(DIGITS):
        yield digit, options.images // DIGITS + (digit < options.images % DIGITS)


def _enlarged(row: int, options: MiniDigitsOptions) -> NDArray[np.uint8]:
    """One handwritten digit, uint8 (side, side), smoothly enlarged inside its margin."""
    small = np.rint(_handwritten()[0][row] * (255 / 16)).astype(np.uint8)
    inner = options.side - 2 * options.margin
    image = Image.fromarray(small).resize((inner, inner), Image.Resampling.BICUBIC)
    return np.pad(np.asarray(image), options.margin)


def _draw_d(options: MiniDigitsOptions, rng: np.random.Generator) -> Drawn:
    rows = [row for digit, count in _quota(options) for row in _split(options)[0][digit][:count]]
    grey = np.stack([_enlarged(row, options) for row in rows])
    images = np.repeat(grey[..., None], 3, axis=3)
    return Drawn(images, _handwritten()[1][rows], [f"handwritten {row:04d}" for row in rows])


def _draw_m(options: MiniDigitsOptions, rng: np.random.Generator) -> Drawn:
    from sklearn.datasets import load_sample_images

    photos = [Image.fromarray(photo) for photo in load_sample_images().images]
    # Each held-out digit once; where there are too few, they come round again with another patch.
    rows = [
        int(row) for digit, count in _quota(options) for row in np.resize(_split(options)[1][digit], count)
    ]
    patches, keys = [], []
    for row in rows:
        number = int(rng.integers(len(photos)))
        photo = photos[number]
        left = int(rng.integers(photo.width - options.patch + 1))
        top = int(rng.integers(photo.height - options.patch + 1))
        box = (left, top, left + options.patch, top + options.patch)
        patches.append(np.asarray(photo.resize((options.side, options.side), Image.Resampling.BICUBIC, box)))
        keys.append(f"handwritten {row:04d} on photo {number} at {left},{top}")
    grey = np.stack([_enlarged(row, options) for row in rows])
    return Drawn(difference(np.stack(patches), grey, options.blend), _handwritten()[1][rows], keys)


def _draw_s(options: MiniDigitsOptions, rng: np.random.Generator) -> Drawn:
    files = font_files()
    look = Look(options.height, options.shift, options.angle, options.blur, options.ink, options.paper)
    labels = np.array([digit for digit, count in _quota(options) for _ in range(count)], dtype=np.int64)
    images, keys = [], []
    for number, digit in enumerate(labels):
        font = FONTS[int(rng.integers(len(FONTS)))]
        images.append(render(files[font], int(digit), options.side, look, rng))
        keys.append(f"font {font} digit {digit} drawing {number:05d}")
    return Drawn(np.stack(images), labels, keys)
