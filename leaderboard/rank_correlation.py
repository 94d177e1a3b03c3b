"""Weighted Spearman correlation: how well a rule's scores order evaluations by their true accuracy.

After Musgrave, Belongie and Lim, "Three New Validators and a Large-Scale Benchmark Ranking for Unsupervised
Domain Adaptation", arXiv:2208.07360, as their repository KevinMusgrave/powerful-benchmarker computes it
(validator_tests/utils/weighted_spearman.py, commit 22109354, power 2). An evaluation weighs the square of the
higher of its two ranks, so that the order among the good, or believed to be good, counts most.

Deviation: a score that is no number is left out and counted as missing. They put the worst score there.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

__all__ = ["rank_weights", "weighted_rank_correlation", "weighted_spearman"]

Array = NDArray[np.float64]


def rank_weights(scores: ArrayLike, accuracies: ArrayLike) -> Array:
    """Weights (n,) in (0, 1]: the square of the higher of the two dense ranks, each over its maximum.

    >>> rank_weights([1, 2, 3], [1, 3, 2]).round(3).tolist()
    [0.111, 1.0, 1.0]
    """
    ranks = [rankdata(values, method="dense") for values in (scores, accuracies)]
    return np.asarray(np.maximum(*(rank / rank.max() for rank in ranks)) ** 2, np.float64)


def weighted_rank_correlation(left: ArrayLike, right: ArrayLike, weights: ArrayLike) -> float:
    """Pearson correlation, with weights, of weighted ranks: in [-1, 1]; NaN where a side is constant.

    With equal weights it is Spearman's correlation.

    Args:
        left: (n,) finite.
        right: (n,) finite, in the same order.
        weights: (n,) above 0.
    """
    w = np.asarray(weights, np.float64)
    centred = [_weighted_ranks(np.asarray(values, np.float64), w) for values in (left, right)]
    x, y = (ranks - np.average(ranks, weights=w) for ranks in centred)
    scale = float(np.sqrt(np.sum(w * x * x) * np.sum(w * y * y)))
    if len({*np.ravel(left)}) < 2 or len({*np.ravel(right)}) < 2 or scale == 0:
        return float("nan")
    return float(np.clip(np.sum(w * x * y) / scale, -1, 1))


def _weighted_ranks(values: Array, weights: Array) -> Array:
    """Rank of each value, (n,): the weight of all lower ones, and (k + 1) / 2 mean weights of k equals."""
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    total = np.bincount(group, weights)
    ranks = np.cumsum(total) - total + (sizes + 1) / 2 * total / sizes
    return np.asarray(ranks[group], np.float64)


def weighted_spearman(scores: ArrayLike, accuracies: ArrayLike) -> float:
    """Weighted Spearman correlation of scores (higher is better) and true accuracies, both (n,).

    In [-1, 1]; NaN for fewer than two points or where one of the two is constant: then there is no order to
    compare. For a rule whose lower scores are better, negate them first.

    Raises:
        ValueError: lengths differ, or a number is not finite.

    >>> round(weighted_spearman([1, 2, 3], [1, 3, 2]), 12)  # unweighted it would be 0.5
    -0.357142857143
    """
    left, right = np.asarray(scores, np.float64), np.asarray(accuracies, np.float64)
    if left.ndim != 1 or left.shape != right.shape:
        raise ValueError(f"scores {left.shape} and accuracies {right.shape} must be rows of equal length")
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        raise ValueError("scores and accuracies must be finite; leave missing ones out")
    if len(left) < 2:
        return float("nan")
    return weighted_rank_correlation(left, right, rank_weights(left, right))
