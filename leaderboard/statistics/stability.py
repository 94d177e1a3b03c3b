"""Does one task make the order? Ranks with any one task left out."""

import numpy as np
from numpy.typing import ArrayLike

from dabench.leaderboard.statistics.intervals import ROUNDING
from dabench.leaderboard.statistics.ranks import competition_ranks

__all__ = ["leave_one_task_out"]


def leave_one_task_out(means: ArrayLike) -> list[tuple[int, int]] | None:
    """Best and worst rank of each row when any one task is left out of the average.

    Args:
        means: (K, T), mean of each row on each task.

    Returns:
        K pairs; None for a single task, which cannot be left out.

    Raises:
        ValueError: not two axes.

    >>> leave_one_task_out([[0.9, 0.1, 0.5], [0.4, 0.4, 0.4]])
    [(1, 2), (1, 2)]
    """
    array = np.asarray(means, dtype=np.float64)
    if array.ndim != 2:
        raise ValueError(f"means must be rows by tasks, not of shape {array.shape}")
    rows, tasks = array.shape
    if tasks < 2:
        return None
    without = [
        competition_ranks(np.delete(array, task, axis=1).mean(axis=1).tolist(), ROUNDING)
        for task in range(tasks)
    ]
    return [(min(r[k] for r in without), max(r[k] for r in without)) for k in range(rows)]
