"""What a number of seeds can tell apart, and how many seeds a difference needs: power of the t test."""

from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq
from scipy.stats import nct
from scipy.stats import t as student_t

__all__ = ["MOST_SEEDS", "POWER", "power", "seeds_needed", "smallest_difference"]

POWER = 0.8
MOST_SEEDS = 10_000
Freedom = Callable[[int], float]  # seeds a side to degrees of freedom


def power(difference: float, error: float, freedom: float, level: float = 0.95) -> float:
    """Chance that a two-sided t test finds a true difference, by the noncentral t distribution.

    Args:
        difference: the true one, at least 0.
        error: standard error of its estimate, above 0.
        freedom: degrees of freedom, above 0; infinite for a known error.
        level: 1 minus the test's error rate.

    Raises:
        ValueError: an error that is not above zero.

    >>> round(power(0.0, 1.0, 4), 6)
    0.05
    """
    if error <= 0:
        raise ValueError(f"the standard error must be above zero, not {error}")
    shift = difference / error
    bound = float(student_t.ppf((1 + level) / 2, freedom))
    if shift > bound + 40:
        return 1.0  # nct leaves the floating-point range there
    if np.isinf(freedom):
        return float(student_t.sf(bound - shift, freedom) + student_t.cdf(-bound - shift, freedom))
    return float(nct.sf(bound, freedom, shift) + nct.cdf(-bound, freedom, shift))


def smallest_difference(error: float, freedom: float, level: float = 0.95, wanted: float = POWER) -> float:
    """The true difference that one t test finds with power ``wanted``; 0 where there is no error.

    Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988, section 2.2, solved for the effect.
    """
    if error <= 0:
        return 0.0
    bound = float(student_t.ppf((1 + level) / 2, freedom))
    return error * float(brentq(lambda shift: power(shift, 1.0, freedom, level) - wanted, 0, bound + 40))


def seeds_needed(
    difference: float, spread: float, freedom: Freedom, level: float = 0.95, wanted: float = POWER
) -> int | None:
    """Fewest seeds a side with which one t test finds a true difference with power ``wanted``.

    Args:
        difference: the true one; its sign does not matter.
        spread: standard deviation of the difference of one seed of each side.
        freedom: degrees of freedom with n seeds a side, such as ``lambda n: n - 1`` for pairs.
        level: 1 minus the test's error rate.
        wanted: the power.

    Returns:
        At least 2; None where the difference is 0 or more than ``MOST_SEEDS`` would be needed.
    """
    size = abs(difference)

    def enough(n: int) -> bool:
        return spread <= 0 or power(size, spread / n**0.5, freedom(n), level) >= wanted

    if size == 0 or not enough(MOST_SEEDS):
        return None
    low, high = 1, 2
    while not enough(high):
        low, high = high, min(2 * high, MOST_SEEDS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
