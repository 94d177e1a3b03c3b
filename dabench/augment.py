"""From uint8 batches to network input: crops and flips drawn for the whole batch, then normalised."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional as vision

from dabench.config import ImageConfig

__all__ = ["Augmentation", "random_resized_boxes"]


def random_resized_boxes(
    number: int, side: int, scale: tuple[float, float], ratio: tuple[float, float], generator: torch.Generator
) -> Tensor:
    """Draw crop boxes (number, 4) as top, left, height, width in pixels of a square image.

    The distribution is that of torchvision's RandomResizedCrop: area uniform in scale, log aspect ratio
    uniform, up to ten attempts, then the whole image (its fallback for a square image).
    """
    attempts = 10
    area = side * side * torch.empty(number, attempts).uniform_(*scale, generator=generator)
    log_ratio = torch.empty(number, attempts).uniform_(
        math.log(ratio[0]), math.log(ratio[1]), generator=generator
    )
    aspect = log_ratio.exp()
    width = (area * aspect).sqrt().round().long()
    height = (area / aspect).sqrt().round().long()
    place = torch.rand(number, 2, generator=generator)
    fits = (width > 0) & (width <= side) & (height > 0) & (height <= side)
    first = fits.long().argmax(dim=1, keepdim=True)  # the first attempt that fits
    failed = ~fits.any(dim=1)
    width = width.gather(1, first)[:, 0].masked_fill(failed, side)
    height = height.gather(1, first)[:, 0].masked_fill(failed, side)
    top = (place[:, 0] * (side - height + 1)).long()
    left = (place[:, 1] * (side - width + 1)).long()
    return torch.stack([top, left, height, width], dim=1)


class Augmentation:
    """Training and test transforms of one run.

    Args:
        config: sizes and kinds of crop.
        mean: of each channel, in [0, 1].
        std: of each channel, in [0, 1].
        device: that batches are sent to.
    """

    def __init__(
        self,
        config: ImageConfig,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        device: torch.device,
    ) -> None:
        self._config = config
        self._device = device
        self._scale = (1.0 / (255.0 * torch.tensor(std))).view(1, 3, 1, 1).to(device)
        self._shift = (-torch.tensor(mean) / torch.tensor(std)).view(1, 3, 1, 1).to(device)

    def train(self, images: NDArray[np.uint8], generator: torch.Generator) -> Tensor:
        """Augment uint8 (B, S, S, 3) to normalised float32 (B, 3, size, size), channels last in memory."""
        config = self._config
        batch = self._planes(images)
        number, side = len(batch), batch.shape[-1]
        if config.train_crop == "random_resized":
            boxes = random_resized_boxes(number, side, config.scale, config.ratio, generator)
            batch = self._cut(batch, boxes)
        elif config.train_crop == "random":
            corners = torch.randint(side - config.size + 1, (number, 2), generator=generator)
            sizes = torch.full((number, 2), config.size)
            batch = self._cut(batch, torch.cat([corners, sizes], dim=1))
        else:
            batch = self._centre(batch)
        if config.flip:
            flipped = torch.rand(number, generator=generator) < 0.5
            batch = torch.where(flipped.view(-1, 1, 1, 1), batch.flip(-1), batch)
        return self._normalise(batch)

    def test(self, images: NDArray[np.uint8]) -> Tensor:
        """Centre crop uint8 (B, S, S, 3) to normalised float32 (B, 3, size, size)."""
        return self._normalise(self._centre(self._planes(images)))

    @staticmethod
    def _planes(images: NDArray[np.uint8]) -> Tensor:
        # A slice of the read-only cache is copied: torch has no read-only tensors.
        return torch.from_numpy(np.require(images, requirements=["C", "W"])).permute(0, 3, 1, 2)

    def _cut(self, batch: Tensor, boxes: Tensor) -> Tensor:
        size = [self._config.size, self._config.size]
        crops = [
            vision.resized_crop(image, *box, size, antialias=True)
            for image, box in zip(batch, boxes.tolist(), strict=True)
        ]
        return torch.stack(crops)

    def _centre(self, batch: Tensor) -> Tensor:
        size, side = self._config.size, batch.shape[-1]
        start = (side - size) // 2
        return batch[:, :, start : start + size, start : start + size]

    def _normalise(self, batch: Tensor) -> Tensor:
        images = batch.to(self._device, non_blocking=True).float()
        images = images.contiguous(memory_format=torch.channels_last)
        return torch.addcmul(self._shift, images, self._scale)
