"""What a number of seeds can tell apart, and how many seeds a difference needs: power of the t test."""

from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2, norm
from scipy.stats import t as student_t

__all__ = ["MOST_SEEDS", "POWER", "power", "seeds_needed", "smallest_difference"]

POWER = 0.8
MOST_SEEDS = 10_000
NODES, WEIGHTS = np.polynomial.legendre.leggauss(400)
LARGE = 200  # degrees of freedom from which on t is taken for normal


def power(difference: float, error: float, freedom: float, level: float = 0.95) -> float:
    """Chance that a two-sided t test finds a true difference, by the noncentral t distribution.

    Given the estimated error, which follows a chi distribution, the power is a normal probability; the mean
    over that distribution is taken by Gauss-Legendre quadrature, because scipy's noncentral t gives no
    number for some large effects.

    Args:
        difference: the true one, at least 0.
        error: standard error of its estimate, above 0.
        freedom: degrees of freedom, above 0; infinite for a known error.
        level: 1 minus the test's error rate.

    Raises:
        ValueError: an error that is not above zero.

    >>> round(power(0.0, 1.0, 4), 4)
    0.05
    """
    if error <= 0:
        raise ValueError(f"the standard error must be above zero, not {error}")
    shift = difference / error
    bound = float(student_t.ppf((1 + level) / 2, freedom))
    if np.isinf(freedom):
        return float(norm.cdf(shift - bound) + norm.cdf(-shift - bound))
    scale = np.sqrt(chi2.ppf((NODES + 1) / 2, freedom) / freedom)
    found = norm.cdf(shift - bound * scale) + norm.cdf(-shift - bound * scale)
    return float(found @ WEIGHTS / 2)


def smallest_difference(error: float, freedom: float, level: float = 0.95, wanted: float = POWER) -> float:
    """The true difference that one t test finds with power ``wanted``; 0 where there is no error.

    Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988, section 2.2, solved for the effect.

    Args:
        error: standard error of the difference, at least 0.
        freedom: its degrees of freedom; taken to one decimal, from 30 on to whole numbers.
        level: 1 minus the test's error rate.
        wanted: the power.
    """
    return error * _shift(_rounded(freedom), level, wanted) if error > 0 else 0.0


def _rounded(freedom: float) -> float:
    """Thousands of pairs then ask for few distinct numbers; it moves results by less than one percent."""
    if freedom > LARGE:
        return float("inf")
    return max(0.5, round(freedom, 0 if freedom >= 30 else 1))


@lru_cache(maxsize=4096)
def _shift(freedom: float, level: float, wanted: float) -> float:
    """The effect, in standard errors, that is found with power ``wanted``."""
    bound = float(student_t.ppf((1 + level) / 2, freedom))
    return float(brentq(lambda shift: power(shift, 1.0, freedom, level) - wanted, 0, 3 * bound + 10))


def seeds_needed(
    difference: float, spread: float, freedom_a_seed: float, level: float = 0.95, wanted: float = POWER
) -> int | None:
    """Fewest seeds a side with which one t test finds a true difference with power ``wanted``.

    Args:
        difference: the true one; its sign does not matter.
        spread: standard deviation of the difference of one seed of each side.
        freedom_a_seed: degrees of freedom that each seed but the first adds: 1 for pairs, 2 for Welch's t
            with equal variances.
        level: 1 minus the test's error rate.
        wanted: the power.

    Returns:
        At least 2; None where the difference is 0 or more than ``MOST_SEEDS`` would be needed.
    """
    size = abs(difference)

    def enough(n: int) -> bool:
        return size >= smallest_difference(spread / n**0.5, (n - 1) * freedom_a_seed, level, wanted)

    if size == 0 or not enough(MOST_SEEDS):
        return None
    low, high = 1, 2
    while not enough(high):
        low, high = high, min(2 * high, MOST_SEEDS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
