"""Ranges that a hyperparameter search draws from, declared beside the method's configuration.

A range turns one uniform number into one value, so a random search needs no other machinery, and a search by
a library moves in the unit cube whatever the ranges are. Every range says where it comes from, as every
default does.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from dabench.config import OURS

__all__ = ["ADVERSARIAL", "SHARED", "Choice", "LogUniform", "Range", "Uniform"]

DIGITS = 4


class Range(Protocol):
    """Values that a search may try for one configuration key, and the source of the range."""

    @property
    def source(self) -> str:
        """Where the range comes from: a paper, or our choice and its reason."""
        ...

    def sample(self, number: float) -> Any:
        """Return the value that belongs to a number in [0, 1]."""
        ...

    def number(self, value: Any) -> float | None:
        """Return a number in [0, 1] that gives the value, up to rounding; None for one outside the range."""
        ...


@dataclass(frozen=True)
class Uniform:
    """All numbers from low to high alike, four significant digits: what is tried can be read and typed.

    Raises:
        ValueError: no range, or no source.
    """

    low: float
    high: float
    source: str

    def __post_init__(self) -> None:
        _check_source(self.source)
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"{self.low} to {self.high} is no range")

    def sample(self, number: float) -> float:
        """Return low + number * (high - low)."""
        return _within(self.low + number * (self.high - self.low), self.low, self.high)

    def number(self, value: Any) -> float | None:
        """Return how far a value lies between low and high, in [0, 1]."""
        if not _is_number(value) or not self.low <= value <= self.high:
            return None
        return float((value - self.low) / (self.high - self.low))

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class LogUniform:
    """All orders of magnitude from low to high alike (both above 0), four significant digits.

    Raises:
        ValueError: no range above 0, or no source.
    """

    low: float
    high: float
    source: str

    def __post_init__(self) -> None:
        _check_source(self.source)
        if not (0 < self.low < self.high and math.isfinite(self.high)):
            raise ValueError(f"{self.low} to {self.high} is no range above 0")

    def sample(self, number: float) -> float:
        """Return low * (high / low)^number."""
        return _within(self.low * (self.high / self.low) ** number, self.low, self.high)

    def number(self, value: Any) -> float | None:
        """Return how far a value lies between low and high on a logarithmic scale, in [0, 1]."""
        if not _is_number(value) or not self.low <= value <= self.high:
            return None
        return math.log(value / self.low) / math.log(self.high / self.low)

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}, logarithmic"


@dataclass(frozen=True)
class Choice:
    """One of some values, all alike.

    Raises:
        ValueError: fewer than two values, one that occurs twice, or no source.
    """

    options: tuple[Any, ...]
    source: str

    def __post_init__(self) -> None:
        _check_source(self.source)
        if len(self.options) < 2 or any(self.options.index(v) < k for k, v in enumerate(self.options)):
            raise ValueError(f"{self.options} is no choice of different values")

    def sample(self, number: float) -> Any:
        """Return option floor(number * n) of n."""
        return self.options[min(int(number * len(self.options)), len(self.options) - 1)]

    def number(self, value: Any) -> float | None:
        """Return the middle of the option's share of [0, 1]."""
        if value not in self.options:
            return None
        return (self.options.index(value) + 0.5) / len(self.options)

    def __str__(self) -> str:
        return "one of " + ", ".join(str(option) for option in self.options)


def _check_source(source: str) -> None:
    if len(source) < 3:
        raise ValueError("a range says where it comes from")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _within(value: float, low: float, high: float) -> float:
    return min(max(float(f"{value:.{DIGITS}g}"), low), high)


SHARED: Mapping[str, Range] = {
    "optimiser.lr": LogUniform(1e-3, 1e-1, f"{OURS}: a decade to either side of the field's 0.01"),
    "optimiser.weight_decay": LogUniform(
        1e-4,
        1e-2,
        f"{OURS}: a decade to either side of the field's 1e-3; Gulrajani & Lopez-Paz, In Search of Lost "
        "Domain Generalization, ICLR 2021, search from 1e-6 to 1e-2",
    ),
}
"""Of every method that trains a network, source_only among them: what decides how any network learns."""

ADVERSARIAL: Mapping[str, Range] = {
    "reversal.maximum": LogUniform(
        0.1,
        10.0,
        "Musgrave, Belongie & Lim, Unsupervised Domain Adaptation: A Reality Check, 2021, by their code: "
        "DANN's grl_weight in powerful-benchmarker",
    ),
}
"""Of methods with a reversed gradient: how strongly the features move against the discriminator."""
