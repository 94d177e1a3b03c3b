"""Alternate contenders in one process, in random order each round, and compare them round by round.

Machines drift: other programs, clock rates, heat. Two contenders of one round have met nearly the same
machine, so the ratio of a round is steadier than the ratio of two means.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["WARM_CALLS", "Contender", "Spread", "alternate", "calls_within", "ratio_to", "spread"]

WARM_CALLS = 2  # the first calls choose kernels, fill caches of allocators, and compile
Seconds = Mapping[str, NDArray[np.float64]]


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Contender:
    """Something to time.

    Attributes:
        name: for people, different from the others'.
        work: one call of it.
        images: that a call works on.
        opening: called before each block, untimed (to start worker processes, say).
        closing: called after each block, untimed.
        part_of: name of the contender whose images pay for this one as well, if any.
    """

    name: str
    work: Callable[[], None]
    images: int
    opening: Callable[[], None] = _nothing
    closing: Callable[[], None] = _nothing
    part_of: str | None = None


@dataclass(frozen=True)
class Spread:
    """Median and quartiles over the rounds."""

    median: float
    lower: float
    upper: float


def spread(values: NDArray[np.float64]) -> Spread:
    """Median and quartiles (linear interpolation) of at least one value.

    >>> spread(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    Spread(median=3.0, lower=2.0, upper=4.0)
    """
    lower, median, upper = np.quantile(values, [0.25, 0.5, 0.75]).tolist()
    return Spread(median, lower, upper)


def ratio_to(base: NDArray[np.float64], seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Speed as a part of the base's, round by round, from the seconds an image takes each of them."""
    return base / seconds


def calls_within(contender: Contender, seconds: float, synchronise: Callable[[], None]) -> int:
    """Warm a contender up; return how many calls a block of about so many seconds has, at least 1."""
    contender.opening()
    for _ in range(WARM_CALLS):
        contender.work()
    taken = _block(contender, 1, synchronise)
    contender.closing()
    return max(1, round(seconds / taken))


def alternate(
    contenders: Sequence[Contender],
    calls: Mapping[str, int],
    rounds: int,
    order: np.random.Generator,
    synchronise: Callable[[], None],
    advance: Callable[[], None] = _nothing,
) -> dict[str, NDArray[np.float64]]:
    """Time one block of every contender a round, in random order.

    Args:
        contenders: warm ones.
        calls: of each contender in a block, by name.
        rounds: how many, at least 1.
        order: draws the order of each round.
        synchronise: waits for the device; called at the ends of a block, never within.
        advance: called after each block.

    Returns:
        Seconds an image, by name, (rounds,).
    """
    seconds = {contender.name: np.empty(rounds) for contender in contenders}
    for number in range(rounds):
        for index in order.permutation(len(contenders)):
            contender = contenders[index]
            count = calls[contender.name]
            contender.opening()
            taken = _block(contender, count, synchronise)
            contender.closing()
            seconds[contender.name][number] = taken / (count * contender.images)
            advance()
    return seconds


def _block(contender: Contender, calls: int, synchronise: Callable[[], None]) -> float:
    synchronise()
    started = time.perf_counter()
    for _ in range(calls):
        contender.work()
    synchronise()
    return time.perf_counter() - started
