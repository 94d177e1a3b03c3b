"""The recipe of MNIST-M: a digit's difference with a random patch of a random photo.

Ganin & Lempitsky, "Unsupervised Domain Adaptation by Backpropagation", ICML 2015, section 4
(arXiv:1409.7495): for each pixel and channel, I_out = |I_photo - I_digit|; the photos are BSDS500's (Arbelaez
et al., PAMI 2011). The authors' own draw of patches is not known, so this is their recipe and not their file.
"""

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

__all__ = ["GENERATOR_VERSION", "blend", "difference"]

GENERATOR_VERSION = 1  # part of the cache's key; raise it when the same input gives other images


def difference(
    patches: NDArray[np.uint8], digits: NDArray[np.uint8], strength: float = 1.0
) -> NDArray[np.uint8]:
    """|strength * patch - digit| for each channel.

    Args:
        patches: uint8 (N, H, W, 3).
        digits: uint8 (N, H, W), repeated over the channels.
        strength: factor of the photo in [0, 1]; the paper's recipe is 1.

    >>> difference(np.full((1, 1, 1, 3), 200, np.uint8), np.full((1, 1, 1), 255, np.uint8)).tolist()
    [[[[55, 55, 55]]]]
    """
    weighted = patches if strength == 1.0 else np.rint(patches * strength)
    blended: NDArray[np.uint8] = np.abs(
        weighted.astype(np.int16) - digits.astype(np.int16)[..., None]
    ).astype(np.uint8)
    return blended


def blend(
    digits: NDArray[np.uint8], photos: Sequence[NDArray[np.uint8]], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Blend each digit with a random patch of a random photo.

    Args:
        digits: uint8 (N, H, W).
        photos: each uint8 (at least H, at least W, 3); their order matters for the draw.
        rng: where the draw comes from; always 3 N numbers, labels play no part.

    Returns:
        uint8 (N, H, W, 3).
    """
    count, height, width = digits.shape
    chosen = rng.integers(len(photos), size=count)
    down, right = rng.random((2, count))
    blended = np.empty((count, height, width, 3), dtype=np.uint8)
    for number, photo in enumerate(photos):  # photo by photo: each gives all its patches in one indexing
        rows = np.flatnonzero(chosen == number)
        windows = sliding_window_view(photo, (height, width), axis=(0, 1))  # (tops, lefts, 3, H, W)
        tops = (down[rows] * windows.shape[0]).astype(np.intp)
        lefts = (right[rows] * windows.shape[1]).astype(np.intp)
        patches = windows[tops, lefts].transpose(0, 2, 3, 1)
        blended[rows] = difference(patches, digits[rows])
    return blended
