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
    """Mean over tasks of P(X > Y) + P(X = Y) / 2, with a percentile bootstrap over seeds.

    Agarwal et al., NeurIPS 2021, section 4.3 (rliable). Unlike there, a drawn seed is drawn for all tasks at
    once, so that what a seed does to several tasks is part of the interval.

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
    n, m = x.shape[1], y.shape[1]
    x, y = _ordered(x), _ordered(y)
    wins = (x[:, :, None] > y[:, None, :]) + 0.5 * (x[:, :, None] == y[:, None, :])
    table: NDArray[np.float64] = wins.mean(axis=0)  # (n, m)
    value = float(table.mean())
    if min(n, m) < FEWEST_SEEDS:
        return Share(value, None, None, min(n, m))
    rows, columns = _weights(n, m, draws)
    drawn = ((rows @ table) * columns).sum(axis=1)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Share(value, float(low), float(high), min(n, m))


@lru_cache(maxsize=32)
def _weights(n: int, m: int, draws: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How often each resample draws each seed, as parts of one: (draws, n) and (draws, m)."""
    rng = np.random.default_rng(SEED)
    return rng.multinomial(n, np.full(n, 1 / n), draws) / n, rng.multinomial(m, np.full(m, 1 / m), draws) / m


def _ordered(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Seeds in an order that depends on their values alone."""
    return values[:, np.lexsort(tuple(values[::-1]))]
