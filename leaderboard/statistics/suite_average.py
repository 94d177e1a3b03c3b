"""The average over tasks whose seeds are taken to be independent: Welch-Satterthwaite's interval."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from dabench.leaderboard.statistics.intervals import LEVEL, Interval, quantile

__all__ = ["welch_satterthwaite_interval"]


def welch_satterthwaite_interval(tasks: Sequence[ArrayLike], level: float = LEVEL) -> Interval:
    """Interval of the mean of T task means, from each task's own variance over seeds.

    Its squared error is sum(s_t^2 / n_t) / T^2, with Satterthwaite's degrees of freedom (Biometrics
    Bulletin 2, 1946, equation 17). Narrower than the t of per-seed averages, and right only where seeds are
    independent between tasks: look at the shared-seed effect first.

    Args:
        tasks: (n_t,) values of each task.
        level: coverage, in (0, 1).

    Returns:
        Without width where a task has one value; n is the smallest n_t.

    Raises:
        ValueError: no task, or an empty one.
    """
    arrays = [np.asarray(values, dtype=np.float64) for values in tasks]
    if not arrays or any(array.ndim != 1 or not array.size for array in arrays):
        raise ValueError("an average needs at least one task, and each task a row of values")
    kind = "Welch-Satterthwaite"
    mean = float(np.mean([array.mean() for array in arrays]))
    n = min(map(len, arrays))
    if n < 2:
        return Interval(mean, None, n, kind)
    parts = np.array([array.var(ddof=1) / len(array) for array in arrays])
    if parts.sum() == 0:
        return Interval(mean, 0.0, n, kind)
    freedom = parts.sum() ** 2 / sum(
        part**2 / (len(array) - 1) for part, array in zip(parts, arrays, strict=True)
    )
    half = quantile(level, float(freedom)) * float(parts.sum()) ** 0.5 / len(arrays)
    return Interval(mean, half, n, kind)
