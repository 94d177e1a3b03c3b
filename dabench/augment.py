"""From uint8 batches to network input: crop, flip, colour jitter and normalisation of the whole batch.

Two ways lead to the same crops. On a processor torch's uint8 kernel resizes image by image (Pillow takes four
times as long). Anywhere else all images are resized at once, by two batched matrix products. Random numbers
are handed in, one row an image; no image's result depends on the rest of its batch or the number of threads
(on a processor to the last bit).
"""

import contextlib
import functools
import math
import os
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from dabench.config import ImageConfig

__all__ = ["Augmentation", "colour_jitter", "random_resized_boxes"]

ATTEMPTS = 10
"""At a random resized crop, as in torchvision."""

PART = 200_000
"""Pixels of a batch below which another thread is not worth its start: less than a millisecond of work."""

_LOCK = threading.Lock()

# Columns of the draws, after two for each attempt. Every image has them all, so switching one part on leaves
# the others' draws alone.
_PLACE = slice(2 * ATTEMPTS, 2 * ATTEMPTS + 2)
_FLIP = 2 * ATTEMPTS + 2
_COLOUR = slice(2 * ATTEMPTS + 3, 2 * ATTEMPTS + 7)


def random_resized_boxes(
    draws: NDArray[np.float64], side: int, scale: tuple[float, float], ratio: tuple[float, float]
) -> NDArray[np.int64]:
    """Turn uniform draws (B, 22 or more) into crop boxes (B, 4) of a square image.

    A box is top, left, height, width in pixels.
    The distribution is that of torchvision's RandomResizedCrop: area uniform in scale, log aspect ratio
    uniform, up to ten attempts, then the largest central crop whose ratio is allowed.
    """
    areas, ratios = draws[:, :ATTEMPTS], draws[:, ATTEMPTS : 2 * ATTEMPTS]
    area = side * side * (scale[0] + (scale[1] - scale[0]) * areas)
    low, high = math.log(ratio[0]), math.log(ratio[1])
    aspect = np.exp(low + (high - low) * ratios)
    width, height = np.sqrt(area * aspect).round(), np.sqrt(area / aspect).round()
    fits = (width > 0) & (width <= side) & (height > 0) & (height <= side)
    first = fits.argmax(axis=1)[:, None]  # the first attempt that fits
    sizes = np.concatenate(
        [np.take_along_axis(height, first, axis=1), np.take_along_axis(width, first, axis=1)], axis=1
    )
    corners = np.floor(draws[:, _PLACE] * (side - sizes + 1))
    failed = ~fits.any(axis=1)
    whole = np.array([side / max(ratio[0], 1.0), side * min(ratio[1], 1.0)]).round().clip(1)
    sizes[failed] = whole
    corners[failed] = (side - whole) // 2
    return np.concatenate([corners, sizes], axis=1).astype(np.int64)


def colour_jitter(images: Tensor, factors: Tensor) -> Tensor:
    """Change brightness, contrast, saturation and hue of images (B, 3, H, W) in [0, 1], in this order.

    Each step is torchvision's. Deviation: its ColorJitter draws the order of the four anew for every image.

    Args:
        images: red, green, blue.
        factors: (B, 4): three factors from 0 (1 changes nothing) and a shift of the hue in [-0.5, 0.5] turns.
    """
    brightness, contrast, saturation, hue = (part.view(-1, 1, 1, 1) for part in factors.unbind(1))
    images = (images * brightness).clamp(0, 1)
    # Line by line, then over the lines: a mean of all at once has other bits with other numbers of threads.
    mean = _grey(images).mean(dim=3, keepdim=True).mean(dim=2, keepdim=True)
    images = ((images - mean) * contrast + mean).clamp(0, 1)
    grey = _grey(images)
    images = ((images - grey) * saturation + grey).clamp(0, 1)
    return _turn_hue(images, hue)


class Augmentation:
    """Training and test transforms of one run.

    Args:
        config: sizes, kinds of crop, colour jitter.
        mean: of each channel, in [0, 1].
        std: of each channel, in [0, 1].
        device: that batches are sent to.
    """

    DRAWS = 2 * ATTEMPTS + 7
    """Uniform numbers that an image needs, whatever is switched on."""

    def __init__(
        self,
        config: ImageConfig,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        device: torch.device,
    ) -> None:
        self._config = config
        self.device = self._device = device
        # For one line of an image, (size * 3,): long vectors, where three channels would be short ones.
        line = torch.tensor([mean, std], dtype=torch.float64).repeat(1, config.size)
        self._scale = (1.0 / line[1]).float().to(device)
        self._byte_scale = (1.0 / (255.0 * line[1])).float().to(device)
        self._shift = (-line[0] / line[1]).float().to(device)
        self._memory = _Memory()

    def train(self, images: NDArray[np.uint8] | Tensor, draws: NDArray[np.float64]) -> Tensor:
        """Augment a batch: crop, flip, colour jitter, normalise.

        Args:
            images: uint8 (B, S, S, 3), an array, or a tensor on the run's device.
            draws: (B, DRAWS) in [0, 1), as ``Streams.uniforms`` gives them: all that is random.

        Returns:
            float32 (B, 3, size, size) on the run's device, channels last in memory.
        """
        batch = _tensor(images)
        boxes = self._boxes(draws, batch.shape[1])
        flips = (draws[:, _FLIP] < 0.5) & self._config.flip
        transform = self._on_host if self._device.type == "cpu" else self._on_device
        return transform(batch, boxes, flips, self._factors(draws))

    def test(self, images: NDArray[np.uint8] | Tensor) -> Tensor:
        """Cut the centre of uint8 (B, S, S, 3), array or tensor, and normalise it; returns as ``train``."""
        batch = _tensor(images)
        if self._device.type == "cpu":
            boxes = self._centre(len(batch), batch.shape[1])
            return self._on_host(batch, boxes, np.zeros(len(batch), np.bool_), None)
        size = self._config.size
        start = (batch.shape[1] - size) // 2
        part = self._send(batch)[:, start : start + size, start : start + size]
        return self._normalise(part.permute(0, 3, 1, 2).float(), 255.0)

    def _boxes(self, draws: NDArray[np.float64], side: int) -> NDArray[np.int64]:
        config = self._config
        if config.train_crop == "random_resized":
            return random_resized_boxes(draws, side, config.scale, config.ratio)
        boxes = self._centre(len(draws), side)
        if config.train_crop == "random":
            boxes[:, :2] = np.floor(draws[:, _PLACE] * (side - config.size + 1))
        return boxes

    def _centre(self, number: int, side: int) -> NDArray[np.int64]:
        size = self._config.size
        start = (side - size) // 2
        return np.tile(np.array([start, start, size, size]), (number, 1))

    def _factors(self, draws: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Brightness, contrast, saturation, hue (B, 4), in torchvision's ranges."""
        if self._config.color_jitter is None:
            return None
        strength = np.array(self._config.color_jitter)
        low, high = np.maximum(1 - strength, 0), 1 + strength
        low[3], high[3] = -strength[3], strength[3]
        factors: NDArray[np.float64] = low + (high - low) * draws[:, _COLOUR]
        return factors

    def _on_host(
        self,
        batch: Tensor,
        boxes: NDArray[np.int64],
        flips: NDArray[np.bool_],
        factors: NDArray[np.float64] | None,
    ) -> Tensor:
        """Image by image: one image stays in the processor's cache from first to last."""
        size = self._config.size
        memory = self._memory.lend((len(batch), size, size, 3))
        out = torch.from_numpy(memory)
        shifts = None if factors is None else torch.from_numpy(factors).float()

        def work(rows: range) -> None:
            # Not `out`: made in the caller's inference mode, it could be changed by the caller's thread only.
            lines = torch.from_numpy(memory[rows.start : rows.stop]).view(-1, size, size * 3)
            for row, line in zip(rows, lines, strict=True):
                crop = _resized_crop(batch[row : row + 1].permute(0, 3, 1, 2), boxes[row].tolist(), size)
                crop = crop.flip(-1) if flips[row] else crop  # (1, 3, size, size)
                if shifts is not None:
                    planes = crop.contiguous().float().div_(255)  # each channel in one piece: long vectors
                    crop = colour_jitter(planes, shifts[row : row + 1])
                line.copy_(crop[0].permute(1, 2, 0).reshape(size, size * 3))
                line.mul_(self._byte_scale if shifts is None else self._scale).add_(self._shift)

        with _plain_operations() as threads:
            parts = min(threads, 1 + len(batch) * size * size // PART)
            if parts == 1:
                work(range(len(batch)))
            else:
                edges = [len(batch) * part // parts for part in range(parts + 1)]
                list(_workers(threads, os.getpid()).map(work, map(range, edges[:-1], edges[1:])))
        return out.permute(0, 3, 1, 2)

    def _on_device(
        self,
        batch: Tensor,
        boxes: NDArray[np.int64],
        flips: NDArray[np.bool_],
        factors: NDArray[np.float64] | None,
    ) -> Tensor:
        """All images at once: no loop, no wait, one copy from the host besides the images."""
        columns = [boxes, flips[:, None]] if factors is None else [boxes, flips[:, None], factors]
        plan = self._send(torch.from_numpy(np.concatenate(columns, axis=1, dtype=np.float32)))
        images = _crops_by_products(self._send(batch), plan[:, :5], self._config.size)
        if factors is None:
            return self._normalise(images, 255.0)
        return self._normalise(colour_jitter(images / 255, plan[:, 5:]), 1.0)

    def _send(self, tensor: Tensor) -> Tensor:
        if tensor.device.type == "cpu" and self._device.type == "cuda" and not tensor.is_pinned():
            tensor = tensor.pin_memory()
        return tensor.to(self._device, non_blocking=True)

    def _normalise(self, images: Tensor, white: float) -> Tensor:
        """From (B, 3, H, W) in [0, white] on the device, in any layout, in one pass."""
        scale, shift = self._scale[:3].view(1, 3, 1, 1) / white, self._shift[:3].view(1, 3, 1, 1)
        out = torch.empty_like(images, memory_format=torch.channels_last)
        return torch.addcmul(shift, images, scale, out=out)


class _Memory:
    """Float32 memory that is lent again once no tensor uses it.

    Fresh pages from the system cost more than the whole transform: 18 of 28 ms for 64 images of 224 pixels.
    """

    def __init__(self) -> None:
        self._free: dict[tuple[int, ...], list[NDArray[np.float32]]] = {}

    def lend(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        free = self._free.setdefault(shape, [])
        try:
            memory = free.pop()
        except IndexError:
            memory = np.empty(shape, np.float32)
        # A tensor's storage owns the array that it was made from. So this view dies with the last tensor that
        # shares the storage, one that autograd has saved included.
        view = memory[:]
        weakref.finalize(view, free.append, memory).atexit = False
        return view


@functools.cache
def _workers(threads: int, process: int) -> ThreadPoolExecutor:
    """Threads for parts of a batch, shared by all runs of a process, and not by a forked child."""
    return ThreadPoolExecutor(threads, f"augment-{process}")


@contextlib.contextmanager
def _plain_operations() -> Iterator[int]:
    """Keep torch from splitting single operations between threads, and give the number that it had.

    Operations on one image take microseconds. Split, they wait for each other; with other work on the same
    processors a batch then took tens of times as long (measured).
    """
    with _LOCK:  # the number belongs to the whole process
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield threads
        finally:
            torch.set_num_threads(threads)


def _tensor(images: NDArray[np.uint8] | Tensor) -> Tensor:
    if isinstance(images, Tensor):
        return images
    # A slice of the read-only cache is copied: torch has no read-only tensors.
    return torch.from_numpy(np.require(images, requirements=["C", "W"]))


def _resized_crop(image: Tensor, box: list[int], size: int) -> Tensor:
    """Cut uint8 (1, 3, H, W), channels last; torch's own kernel gives the bits of torchvision's function."""
    top, left, height, width = box
    crop = image[:, :, top : top + height, left : left + width]
    if height == width == size:
        return crop
    return interpolate(crop, (size, size), mode="bilinear", antialias=True)


def _crops_by_products(images: Tensor, plan: Tensor, size: int) -> Tensor:
    """Cut, resize and flip uint8 (B, S, S, 3) by plan (B, 5): top, left, height, width, flip.

    Antialiased bilinear interpolation is linear and separable: a matrix for the lines, one for the columns.
    Returns float32 (B, 3, size, size) in [0, 255], not rounded, lines before channels in memory.
    """
    number, side = images.shape[:2]
    top, left, height, width, flip = (part.view(-1, 1) for part in plan.unbind(1))  # each (B, 1)
    order = torch.arange(size, device=images.device) + 0.5  # (size,)
    lines = _weights(top, height, order.expand(number, -1), side)  # (B, size, S)
    columns = _weights(left, width, torch.where(flip > 0, size - order, order), side)  # (B, size, S)
    pixels = images.transpose(2, 3).float().reshape(number, side, 3 * side)  # lines, channels, columns
    cut = torch.bmm(lines, pixels).view(number, size * 3, side)
    return torch.bmm(cut, columns.transpose(1, 2)).view(number, size, 3, size).transpose(1, 2)


def _weights(start: Tensor, length: Tensor, places: Tensor, side: int) -> Tensor:
    """Weights of all pixels of a line for each new pixel, (B, size, side): torch's antialiased triangles.

    Args:
        start: of the crop, (B, 1), in pixels.
        length: of the crop, (B, 1), in pixels.
        places: centres of the new pixels, (B, size), in new pixels.
        side: pixels of a whole line.
    """
    step = length / places.shape[1]
    centres = (start + step * places)[:, :, None]
    pixels = torch.arange(side, device=start.device) + 0.5  # (side,)
    weights = (1 - (pixels - centres).abs() / step.clamp(min=1)[:, :, None]).clamp(min=0)
    inside = (pixels > start) & (pixels < start + length)  # (B, side): what lies outside the crop is not seen
    weights = weights * inside[:, None]
    return weights / weights.sum(dim=2, keepdim=True)


def _grey(images: Tensor) -> Tensor:
    red, green, blue = images.unbind(1)
    return (0.2989 * red + 0.587 * green + 0.114 * blue)[:, None]


def _turn_hue(images: Tensor, turns: Tensor) -> Tensor:
    """Turn the hue of (B, 3, H, W) in [0, 1] by turns (B, 1, 1, 1); lightest value and range stay."""
    red, green, blue = images.unbind(1)
    value = torch.maximum(torch.maximum(red, green), blue)
    chroma = value - torch.minimum(torch.minimum(red, green), blue)
    divisor = torch.where(chroma > 0, chroma, 1)
    hue = torch.where(
        value == red,
        (green - blue) / divisor,
        torch.where(value == green, (blue - red) / divisor + 2, (red - green) / divisor + 4),
    )  # in sixths of a turn
    offsets = torch.arange(5, 0, -2, device=images.device).view(1, 3, 1, 1)  # red, green, blue; made there
    sixths = hue[:, None] + 6 * turns + offsets
    sixths = sixths - 6 * torch.floor(sixths / 6)
    return value[:, None] - chroma[:, None] * torch.minimum(sixths, 4 - sixths).clamp(0, 1)
