"""How much of the variance over seeds all tasks of a row share: what narrow intervals take for zero."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from dabench.leaderboard.statistics.intervals import ROUNDING

__all__ = ["shared_seed_effect"]


def shared_seed_effect(rows: Iterable[NDArray[np.float64]]) -> float | None:
    """Part of the variance over seeds that is common to all tasks of a row, in [0, 1], pooled over rows.

    Two-way layout of task and seed without replication, seeds random (Searle, Casella & McCulloch, Variance
    Components, 1992, section 4.3): mean squares between seeds, MS, and of the rest, ME, are pooled over rows
    by degrees of freedom; the seeds' component is (MS - ME) / T, set to 0 where negative, and the result is
    its part of itself plus ME. Where tasks differ much in their variance it is an underestimate.

    Args:
        rows: (T, n) values of each row, seeds in the same order on all tasks; rows with fewer than two tasks
            or seeds tell nothing and are passed by. T is the same for all.

    Returns:
        None where no row tells, or all seeds give equal values.
    """
    between, rest, ratio_tasks, count = 0.0, 0.0, 0, 0
    free_between, free_rest = 0, 0
    for values in rows:
        tasks, seeds = values.shape
        if tasks < 2 or seeds < 2:
            continue
        centred = values - values.mean(axis=1, keepdims=True)
        shared = centred.mean(axis=0)
        between += tasks * float((shared**2).sum())
        rest += float(((centred - shared) ** 2).sum())
        free_between += seeds - 1
        free_rest += (tasks - 1) * (seeds - 1)
        ratio_tasks = tasks
        count += values.size
    if not free_rest or between + rest <= count * ROUNDING**2:  # no spread but rounding
        return None
    error = rest / free_rest
    component = max(0.0, (between / free_between - error) / ratio_tasks)
    return component / (component + error)
