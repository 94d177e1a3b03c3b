"""Means, differences and their Student-t intervals over seeds: pure functions of arrays.

Why Student-t: with three normal seeds it covers the truth in 95 % of cases, a bootstrap of the same seeds
in 72 to 75 %. Values keep their unit (accuracies in [0, 1] elsewhere in this package).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit

__all__ = [
    "EXAMPLE",
    "LEVEL",
    "ROUNDING",
    "Difference",
    "Interval",
    "Share",
    "half_widths",
    "paired_share",
    "quantile",
    "t_interval",
]

LEVEL = 0.95
EXAMPLE = (0.70, 0.71, 0.74)  # three seeds that pages show an interval of
# Differences smaller than this are rounding, not effects: an accuracy is a count over at most 1e6 images.
ROUNDING = 1e-9

Verdict = Literal["above", "below", "unclear"]


@dataclass(frozen=True)
class Interval:
    """A mean of n values and the half-width of its interval; one value has no interval (None).

    Attributes:
        kind: how it was made, such as "t" or "stratified bootstrap".
        ends: where the mean is not in the middle (bootstrap); ``half_width`` is then half of the width.
    """

    mean: float
    half_width: float | None
    n: int
    kind: str = "t"
    ends: tuple[float, float] | None = None

    @property
    def low(self) -> float | None:
        """Lower end, or None."""
        if self.ends is not None:
            return self.ends[0]
        return None if self.half_width is None else self.mean - self.half_width

    @property
    def high(self) -> float | None:
        """Upper end, or None."""
        if self.ends is not None:
            return self.ends[1]
        return None if self.half_width is None else self.mean + self.half_width


@dataclass(frozen=True)
class Difference:
    """A mean difference to a reference and its interval.

    Attributes:
        interval: of the difference; n is the number of pairs, or of the smaller side where unpaired.
        paired: whether values were paired by seed.
        seeds: the shared seeds that were paired; empty where unpaired.
        test: in words, such as "paired t, 5 shared seeds"; empty where there is none.
        p: two-sided, of no difference; None where there is no test.
        error: standard error of the mean difference, for planning; None where unknown.
        freedom: its degrees of freedom.
    """

    interval: Interval
    paired: bool
    seeds: tuple[int, ...] = ()
    test: str = ""
    p: float | None = None
    error: float | None = None
    freedom: float | None = None

    @property
    def verdict(self) -> Verdict:
        """Whether the interval lies above zero, below zero, or does not tell (or is missing)."""
        low, high = self.interval.low, self.interval.high
        if low is not None and low > ROUNDING:
            return "above"
        if high is not None and high < -ROUNDING:
            return "below"
        return "unclear"


@dataclass(frozen=True)
class Share:
    """A ratio of two means of n pairs, and its interval, which need not be symmetric.

    Attributes:
        value: None where the denominator's mean is not above zero, or not told apart from zero: then any
            ratio is possible.
        low, high: None without a value, and for one pair.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int


def _values(values: ArrayLike, name: str = "values") -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"{name} must be one row of at least one number, not of shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds a number that is not finite: {array}")
    return array


def quantile(level: float, freedom: float) -> float:
    """Half-width of an interval of that level, in standard errors; infinite freedom gives the normal one.

    Raises:
        ValueError: a level outside (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    part = (1 + level) / 2
    return float(ndtri(part) if np.isinf(freedom) else stdtrit(freedom, part))


def t_interval(values: ArrayLike, level: float = LEVEL) -> Interval:
    """Mean and Student-t interval of one value a seed.

    Args:
        values: (n,), n at least 1.
        level: coverage, in (0, 1).

    Raises:
        ValueError: no value, not one row, a value that is not finite, a level outside (0, 1).

    >>> interval = t_interval([70, 71, 74])
    >>> f"{interval.low:.2f} to {interval.high:.2f}"
    '66.50 to 76.84'
    """
    array = _values(values)
    n = len(array)
    if n == 1:
        quantile(level, 1)  # a wrong level is an error here too
        return Interval(float(array[0]), None, 1)
    return Interval(float(array.mean()), float(half_widths(array, level)), n)


def half_widths(values: NDArray[np.float64], level: float = LEVEL) -> NDArray[np.float64]:
    """Half-widths of Student-t intervals of the means of (..., n) values, n at least 2: (...).

    Student, Biometrika 6, 1908: the quantile of n - 1 degrees of freedom times the standard error.
    """
    n = values.shape[-1]
    widths: NDArray[np.float64] = quantile(level, n - 1) * values.std(axis=-1, ddof=1) / n**0.5
    return widths


def paired_share(part: ArrayLike, whole: ArrayLike, level: float = LEVEL) -> Share:
    """The ratio mean(part) / mean(whole) of pairs, with Fieller's interval.

    A ratio r lies in the interval where the paired differences part - r whole are not told apart from zero
    by Student's t test: (mean(part) - r mean(whole))^2 <= q^2 var(part - r whole) / n, a quadratic in r.
    Where mean(whole) itself is not told apart from zero the solutions are unbounded: no ratio is given.
    Exact for normal pairs; Fieller, Journal of the Royal Statistical Society B 16, 1954.

    Args:
        part: (n,), n at least 1.
        whole: (n,), in the same order of seeds.
        level: coverage, in (0, 1).

    Raises:
        ValueError: as ``paired_difference``.

    >>> share = paired_share([10, 11, 12], [20, 21, 23])
    >>> f"{share.value:.3f}, {share.low:.3f} to {share.high:.3f}"
    '0.516, 0.479 to 0.544'
    """
    x, y = _values(part, "part"), _values(whole, "whole")
    if x.shape != y.shape:
        raise ValueError(f"pairs need equal lengths, not {len(x)} and {len(y)}")
    n = len(x)
    top, bottom = float(x.mean()), float(y.mean())
    if bottom <= ROUNDING:
        return Share(None, None, None, n)
    if n == 1:
        return Share(top / bottom, None, None, 1)
    factor = quantile(level, n - 1) ** 2 / n
    (xx, xy), (_, yy) = factor * np.cov(x, y)
    a, b, c = bottom**2 - yy, top * bottom - xy, top**2 - xx
    if a <= 0:
        return Share(None, None, None, n)
    root = max(b * b - a * c, 0.0) ** 0.5
    ratio = top / bottom  # in between, but for rounding where all pairs are equal
    return Share(ratio, min(ratio, float((b - root) / a)), max(ratio, float((b + root) / a)), n)
