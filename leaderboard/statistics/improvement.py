"""Probability of improvement: how likely a run of one method beats a run of another on the same task."""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dabench.leaderboard.statistics.bootstrap import DRAWS, SEED
from dabench.leaderboard.statistics.intervals import LEVEL, Share

__all__ = ["FEWEST_SEEDS", "probability_of_improvement"]

FEWEST_SEEDS = 5  # at three, the nominal 95 % interval covers 84 to 93 %


def probability_of_improvement(
    left: ArrayLike, right: ArrayLike, level: float = LEVEL, draws: int = DRAWS
) -> Share:
    """Mean over tasks of P(X > Y) + P(X = Y) / 2; the wider of two percentile bootstraps over seeds.

    Agarwal et al., NeurIPS 2021, section 4.3 (rliable): the runs of each task and side are drawn anew by
    themselves, which takes tasks for independent. The other draws a seed for all tasks at once. The first
    fails where a seed moves all tasks of a row, the second is too narrow where it moves none, so each end is
    the outer one of both; docs/statistics.md has what each holds.

    Args:
        left: (T, n) values, seeds in any order that all tasks share.
        right: (T, m) values on the same tasks.
        level: coverage, in (0, 1).
        draws: resamples.

    Returns:
        Value in [0, 1]; ends are None below five seeds a side.

    Raises:
        ValueError: not two axes, no value, or different numbers of tasks.

    >>> probability_of_improvement([[3, 4]], [[1, 3]]).value
    0.875
    """
    x, y = (np.asarray(side, dtype=np.float64) for side in (left, right))
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or not x.size or not y.size:
        raise ValueError(f"need (T, n) and (T, m) values, not {x.shape} and {y.shape}")
    x, y = _ordered(x), _ordered(y)
    n, m = x.shape[1], y.shape[1]
    wins = ((x[:, :, None] > y[:, None, :]) + 0.5 * (x[:, :, None] == y[:, None, :])).astype(np.float32)
    table = wins.mean(axis=0, keepdims=True)
    value = float(wins.mean(dtype=np.float64))
    if min(n, m) < FEWEST_SEEDS:
        return Share(value, None, None, min(n, m))
    drawn = np.stack([_drawn(wins, draws), _drawn(table, draws)])
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=1)
    return Share(value, float(low.min()), float(high.max()), min(n, m))


def _drawn(wins: NDArray[np.float32], draws: int) -> NDArray[np.float32]:
    """(draws,) means over tasks of (T, n, m) wins, the seeds of each task and side drawn by themselves."""
    rows, columns = _weights(*wins.shape, draws)
    products = (wins.transpose(0, 2, 1) @ rows) * columns
    means: NDArray[np.float32] = products.reshape(-1, draws).sum(axis=0) / len(wins)
    return means


@lru_cache(maxsize=32)
def _weights(tasks: int, n: int, m: int, draws: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How often each resample draws each seed of a task, as parts of one: (T, n, draws) and (T, m, draws)."""
    rng = np.random.default_rng(SEED)
    rows, columns = (rng.multinomial(size, np.full(size, 1 / size), (tasks, draws)) / size for size in (n, m))
    return _draws_last(rows), _draws_last(columns)


def _draws_last(weights: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.ascontiguousarray(weights.transpose(0, 2, 1), np.float32)


def _ordered(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Seeds in an order that depends on their values alone."""
    return values[:, np.lexsort(tuple(values[::-1]))]
