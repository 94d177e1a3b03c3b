"""Runs that finished and learned next to nothing: no interval over seeds tells of them, so we count them."""

from collections.abc import Sequence
from statistics import median

__all__ = ["collapse_threshold", "collapsed"]

OVER_CHANCE, MOST_OVER_CHANCE = 1.5, 0.05


def collapse_threshold(values: Sequence[float], classes: int) -> float:
    """At most this accuracy counts as collapsed: near chance, or half the row's median on the task.

    Near chance is 1.5 / classes, but at most 5 points above 1 / classes (which is less below ten classes).

    Args:
        values: the row's seeds on the task, in [0, 1], at least one.
        classes: of the suite; 0 where unknown, then the median alone decides.

    >>> collapse_threshold([0.6, 0.62, 0.1], 31), collapse_threshold([0.04], 31)
    (0.3, 0.04838709677419355)
    """
    chance = min(OVER_CHANCE / classes, 1 / classes + MOST_OVER_CHANCE) if classes else 0.0
    return max(chance, median(values) / 2)


def collapsed(values: Sequence[float], classes: int) -> list[bool]:
    """Whether each of a row's seeds on one task collapsed; arguments as ``collapse_threshold``.

    >>> collapsed([0.6, 0.62, 0.1], 31)
    [False, False, True]
    """
    if not values:
        return []
    threshold = collapse_threshold(values, classes)
    return [value <= threshold for value in values]
