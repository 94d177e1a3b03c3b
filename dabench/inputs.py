"""What the network reads of a domain: augmented images, or the features that a frozen backbone gave them.

Host work (reading, drawing) and device work (augmentation) are apart, so that the former can run ahead.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dabench.augment import Augmentation
from dabench.hardware import to_device
from dabench.images import Images
from dabench.streams import Streams

__all__ = [
    "ArrayImages",
    "Fetched",
    "Inputs",
    "Portion",
    "ResidentImages",
    "Stored",
    "Whole",
    "feature_width",
    "inputs_of",
    "resident",
]

Rows = NDArray[np.int64]
RESIDENT_PART = 0.5  # of the memory that is free on the device: the rest is the network's


class ArrayImages:
    """Images in an array, uint8 (n, S, S, 3)."""

    def __init__(self, array: NDArray[np.uint8]) -> None:
        self._array = array
        self.side: int = array.shape[1]

    def __len__(self) -> int:
        return len(self._array)

    def take(self, rows: Rows) -> NDArray[np.uint8]:
        """Return a copy of the rows, (B, S, S, 3)."""
        return self._array[rows]


class ResidentImages:
    """Images that lie in the device's memory: ``take`` gives a tensor there, without the host waiting."""

    def __init__(self, images: Images, device: torch.device) -> None:
        self.side = images.side
        self._pixels = torch.empty((len(images), self.side, self.side, 3), dtype=torch.uint8, device=device)
        for start in range(0, len(images), 1024):
            rows = np.arange(start, min(start + 1024, len(images)))
            self._pixels[start : start + len(rows)] = torch.from_numpy(images.take(rows)).to(device)

    def __len__(self) -> int:
        return len(self._pixels)

    def take(self, rows: Rows) -> Tensor:
        """Return the rows, uint8 (B, S, S, 3) on the device."""
        return self._pixels[to_device(rows, self._pixels.device)]


Whole = Images | ResidentImages | NDArray[Any]
"""Images; or an array: uint8 (n, S, S, 3) of images, float32 (n, backbone_dim) of features."""


@dataclass(frozen=True)
class Portion:
    """Some rows of a domain's images or features: row k of it is row ``rows[k]`` of the whole."""

    whole: Whole
    rows: Rows

    def __len__(self) -> int:
        return len(self.rows)


Stored = Whole | Portion
"""All of a domain's images or features, or a portion of them."""


def feature_width(stored: Stored) -> int | None:
    """Width of stored features; None where images are stored."""
    whole = stored.whole if isinstance(stored, Portion) else stored
    return int(whole.shape[1]) if isinstance(whole, np.ndarray) and whole.ndim == 2 else None


def resident(images: Images, device: torch.device) -> Images | ResidentImages:
    """Put images into a GPU's memory where they fit; elsewhere return them as they are."""
    if device.type != "cuda":
        return images
    free, _ = torch.cuda.mem_get_info(device)
    needed = len(images) * images.side**2 * 3
    return ResidentImages(images, device) if needed <= RESIDENT_PART * free else images


@dataclass(frozen=True)
class Fetched:
    """The host's part of a step's inputs: rows; images and, a view each, the draws of their augmentation."""

    rows: Rows
    images: Any = None
    draws: Sequence[NDArray[np.float64]] = ()


class Inputs(Protocol):
    """One domain as the network reads it. A row is an image's position in the domain."""

    on_device: bool

    def __len__(self) -> int:
        """Return the number of images."""
        ...

    def fetch(self, rows: Rows, step: int, views: int) -> Fetched:
        """Do the host's part of ``train``; may be called on another thread, ahead of the step."""
        ...

    def train(self, fetched: Fetched) -> tuple[Tensor, ...]:
        """Return the views of a step, each (B, ...) on the device."""
        ...

    def test(self, rows: Rows) -> Tensor:
        """Return the test view of the rows, (B, ...) on the device."""
        ...


class _ImageInputs:
    """Images, cropped and normalised, (B, 3, size, size); draws follow seed, step, view and image alone."""

    def __init__(
        self, images: Images | ResidentImages, augmentation: Augmentation, streams: Streams, name: str
    ) -> None:
        self._images = images
        self._augmentation = augmentation
        self._streams = streams
        self._name = name
        self.on_device = isinstance(images, ResidentImages)
        self._pinned = augmentation.device.type == "cuda"

    def __len__(self) -> int:
        return len(self._images)

    def fetch(self, rows: Rows, step: int, views: int) -> Fetched:
        draws = [
            self._streams.uniforms(rows, self._augmentation.DRAWS, "augment", self._name, view, step)
            for view in range(views)
        ]
        images = self._images.take(rows)
        if self._pinned and isinstance(images, np.ndarray):
            images = torch.from_numpy(images).pin_memory()
        return Fetched(rows, images, draws)

    def train(self, fetched: Fetched) -> tuple[Tensor, ...]:
        return tuple(self._augmentation.train(fetched.images, draws) for draws in fetched.draws)

    def test(self, rows: Rows) -> Tensor:
        return self._augmentation.test(self._images.take(rows))


class _FeatureInputs:
    """Features of a frozen backbone, (B, backbone_dim): every view of an image is the same."""

    on_device = True

    def __init__(self, features: NDArray[np.float32], device: torch.device) -> None:
        self._host = features
        self._device = device
        # Where they do not have to move, they stay in their file, however many there are.
        self._features = torch.from_numpy(np.array(features)).to(device) if device.type == "cuda" else None

    def __len__(self) -> int:
        return len(self._host)

    def fetch(self, rows: Rows, step: int, views: int) -> Fetched:
        return Fetched(rows, draws=[np.empty((0, 0))] * views)

    def train(self, fetched: Fetched) -> tuple[Tensor, ...]:
        return (self.test(fetched.rows),) * len(fetched.draws)

    def test(self, rows: Rows) -> Tensor:
        if self._features is None:
            return torch.from_numpy(self._host[rows])
        return self._features[to_device(rows, self._device)]


class _PortionInputs:
    """A portion of a domain; the draws of an image are those that it has in the whole."""

    def __init__(self, whole: Inputs, rows: Rows) -> None:
        self._whole = whole
        self._rows = rows
        self.on_device = whole.on_device

    def __len__(self) -> int:
        return len(self._rows)

    def fetch(self, rows: Rows, step: int, views: int) -> Fetched:
        return replace(self._whole.fetch(self._rows[rows], step, views), rows=rows)

    def train(self, fetched: Fetched) -> tuple[Tensor, ...]:
        return self._whole.train(replace(fetched, rows=self._rows[fetched.rows]))

    def test(self, rows: Rows) -> Tensor:
        return self._whole.test(self._rows[rows])


def inputs_of(
    stored: Stored, name: str, augmentation: Augmentation, streams: Streams, device: torch.device
) -> Inputs:
    """Make the inputs of a domain.

    Args:
        stored: its images or features.
        name: of its random stream: source, target or test.
        augmentation: of the run.
        streams: of the run.
        device: of the run.
    """
    if isinstance(stored, Portion):
        return _PortionInputs(inputs_of(stored.whole, name, augmentation, streams, device), stored.rows)
    if isinstance(stored, np.ndarray):
        if stored.ndim == 2:
            return _FeatureInputs(stored, device)
        stored = ArrayImages(stored)
    return _ImageInputs(stored, augmentation, streams, name)
