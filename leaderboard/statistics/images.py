"""Noise of the test images, kept apart from that of the seeds: other images would give other numbers."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom, norm

from dabench.leaderboard.statistics.bootstrap import DRAWS, SEED
from dabench.leaderboard.statistics.intervals import LEVEL, Interval

__all__ = ["image_bootstrap", "mcnemar", "mcnemar_counts", "wilson_interval"]


def wilson_interval(accuracy: float, images: int, level: float) -> Interval:
    """Wilson's score interval of an accuracy on n test images.

    Wilson, Journal of the American Statistical Association 22, 1927. For a mean over seeds it answers: how
    much would it move with other images of the same kind. Not symmetric: see the ends.

    Args:
        accuracy: in [0, 1].
        images: n, at least 1.
        level: coverage, in (0, 1).

    Raises:
        ValueError: an accuracy outside [0, 1], or no image.

    >>> [round(end, 4) for end in wilson_interval(0.95, 498, LEVEL).ends]
    [0.9272, 0.9659]
    """
    if not 0 <= accuracy <= 1 or images < 1:
        raise ValueError(f"need an accuracy in [0, 1] and at least one image, not {accuracy} and {images}")
    z = float(norm.ppf((1 + level) / 2))
    spread = z * z / images
    middle = (accuracy + spread / 2) / (1 + spread)
    half = z * ((accuracy * (1 - accuracy) + spread / 4) / images) ** 0.5 / (1 + spread)
    ends = max(0.0, middle - half), min(1.0, middle + half)
    return Interval(accuracy, half, images, "Wilson", ends)


def mcnemar(only_left: int, only_right: int) -> float:
    """Exact two-sided McNemar test of two classifiers on the same images.

    Under equal accuracy the images that one alone gets right split as a fair coin. McNemar, Psychometrika
    12, 1947, in its binomial form.

    Args:
        only_left: images that only the left one gets right.
        only_right: images that only the right one gets right.

    Raises:
        ValueError: a negative count.

    >>> round(mcnemar(20, 8), 4)
    0.0357
    """
    if only_left < 0 or only_right < 0:
        raise ValueError(f"counts must not be negative: {only_left}, {only_right}")
    return min(1.0, 2 * float(binom.cdf(min(only_left, only_right), only_left + only_right, 0.5)))


def mcnemar_counts(left: ArrayLike, right: ArrayLike, labels: ArrayLike) -> tuple[int, int]:
    """Images that only left, and that only right, gets right; all (n,) class indices.

    Raises:
        ValueError: the lengths differ.
    """
    a, b, truth = (np.asarray(part) for part in (left, right, labels))
    if not a.shape == b.shape == truth.shape or truth.ndim != 1:
        raise ValueError(f"need three rows of one length, not {a.shape}, {b.shape} and {truth.shape}")
    one, other = a == truth, b == truth
    return int((one & ~other).sum()), int((~one & other).sum())


def image_bootstrap(left: ArrayLike, right: ArrayLike, level: float = LEVEL, draws: int = DRAWS) -> Interval:
    """Percentile bootstrap over images of left - right, each image's correctness averaged over seeds.

    It answers for other images of the same kind, with these very seeds.

    Args:
        left: (S, n) correctness, 0 or 1, of S runs on n images.
        right: (R, n) on the same images in the same order.
        level: coverage, in (0, 1).
        draws: resamples.

    Raises:
        ValueError: not two axes, or another number of images.
    """
    one, other = (np.asarray(side, dtype=np.float64) for side in (left, right))
    if one.ndim != 2 or other.ndim != 2 or one.shape[1] != other.shape[1] or not one.size or not other.size:
        raise ValueError(f"need (S, n) and (R, n) correctness, not {one.shape} and {other.shape}")
    difference: NDArray[np.float64] = one.mean(axis=0) - other.mean(axis=0)
    n = len(difference)
    # Few runs give few distinct differences, so drawing how often each occurs is the same bootstrap, faster.
    values, counts = np.unique(difference.round(12), return_counts=True)
    drawn = np.random.default_rng(SEED).multinomial(n, counts / n, draws) @ values / n
    low, high = (float(end) for end in np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2]))
    return Interval(float(difference.mean()), (high - low) / 2, n, "image bootstrap", (low, high))
