"""One test for gains, ranks and the matrix of pairs: rows compared by one value a seed.

Rows that share seeds are paired by them: equal seeds mean equal first weights and equal batches. From eight
rows on, the variance of a pair's differences is squeezed towards what all pairs have in common, never below
the pair's own (moderated paired t). Two rows that share fewer than three seeds, and have others, are compared
by Welch's t: two pairs leave one degree of freedom. docs/statistics.md holds the simulation that this was
chosen by.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from dabench.leaderboard.statistics.intervals import LEVEL, ROUNDING, Difference, Interval, quantile
from dabench.leaderboard.statistics.moderated import (
    FEWEST_ROWS,
    MOST_WEIGHT,
    Prior,
    bounded_variances,
    fit_prior,
)

__all__ = [
    "FEWEST_PAIRED",
    "FEWEST_ROWS",
    "NO_SPREAD",
    "Family",
    "Kind",
    "Values",
    "compare",
    "family",
    "pair_variances",
    "usual_freedom",
]

FEWEST_PAIRED = 3
NO_SPREAD = "no test: all seeds give the same difference"
Kind = Literal["auto", "moderated_t", "welch"]
Values = Mapping[int, float]


@dataclass(frozen=True)
class Family:
    """How the rows of a table are compared.

    Attributes:
        kind: the test of rows that share seeds; a moderated one is for rows that have all of ``seeds``, other
            rows have a plain paired t.
        prior: of the variances of paired differences; None without moderation.
        cap: the most degrees of freedom of a moderated variance.
        seeds: that every row has whose differences shaped the prior.
    """

    kind: Literal["paired t", "moderated paired t", "Welch's t"] = "paired t"
    prior: Prior | None = None
    cap: float = np.inf
    seeds: frozenset[int] = frozenset()

    @property
    def words(self) -> str:
        """The test for a page."""
        if self.kind == "Welch's t":
            return "Welch's t of the per-seed averages"
        others = "Welch's t where they share fewer than three of several"
        return f"{self.kind} over the seeds that two rows share ({others})"

    def moderates(self, left: Values, right: Values) -> bool:
        """Whether the prior is for a pair of rows, each seed to value."""
        return self.prior is not None and self.seeds <= set(left) and self.seeds <= set(right)


def pair_variances(rows: Sequence[Values]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Variances of the differences of all pairs of K rows over the seeds that they share.

    Args:
        rows: seed to value.

    Returns:
        Variances and their degrees of freedom, (P,) each, of the pairs that share two seeds or more, in the
        order (0, 1), (0, 2), ..., (K - 2, K - 1).
    """
    seeds = sorted({seed for row in rows for seed in row})
    known = np.array([[seed in row for seed in seeds] for row in rows], dtype=np.float64)
    # Centred, so that the difference of large squares does not eat the digits.
    centred = np.array(
        [[row[seed] - sum(row.values()) / len(row) if seed in row else 0.0 for seed in seeds] for row in rows]
    )
    left, right = np.triu_indices(len(rows), 1)
    shared = (known @ known.T)[left, right]
    sums = centred @ known.T
    squares = centred**2 @ known.T
    total = (sums - sums.T)[left, right]
    power = (squares + squares.T - 2 * centred @ centred.T)[left, right]
    usable = shared >= 2
    n = shared[usable]
    return np.maximum(power[usable] - total[usable] ** 2 / n, 0.0) / (n - 1), n - 1


def family(rows: Sequence[Values], kind: Kind = "auto", fewest: int = 3) -> Family:
    """Choose the test of a table.

    Args:
        rows: ranked rows, each seed to value; none is empty.
        kind: ``auto`` moderates from ``FEWEST_ROWS`` rows on that have ``fewest`` seeds in common;
            ``moderated_t`` from three rows with two seeds on; ``welch`` pairs nothing. Rows of other seeds do
            not count, and do not keep the rest from being moderated.
        fewest: seeds.
    """
    if kind == "welch":
        return Family("Welch's t")
    needed, seeds = (3, 2) if kind == "moderated_t" else (FEWEST_ROWS, fewest)
    members = _sharing(rows, seeds)
    if len(members) < needed:
        return Family()
    # K rows of n seeds hold (K - 1)(n - 1) degrees of freedom once each seed's common part is gone.
    cap = sum(len(row) - 1 for row in members) * (len(members) - 1) / len(members)
    common = frozenset[int].intersection(*(frozenset(row) for row in members))
    return Family("moderated paired t", fit_prior(*pair_variances(members)), cap, common)


def _sharing(rows: Sequence[Values], fewest: int) -> list[Values]:
    """Many rows that share ``fewest`` seeds: greedily, by the seed that most of the rows left have."""
    members, chosen = list(rows), set[int]()
    while members and len(chosen) < fewest:
        counts = Counter(seed for row in members for seed in row if seed not in chosen)
        if not counts:
            return []
        seed = min(counts, key=lambda one: (-counts[one], one))
        chosen.add(seed)
        members = [row for row in members if seed in row]
    return members


def usual_freedom(how: Family, seeds: int) -> float:
    """Degrees of freedom of a comparison of two rows that share ``seeds`` seeds, at least two."""
    own = seeds - 1.0
    if how.prior is None:
        return own
    return max(own, min(own + min(float(how.prior.freedom), MOST_WEIGHT * own), how.cap))


def compare(left: Values, right: Values, how: Family, level: float = LEVEL) -> Difference | None:
    """Compare two rows, each seed to value; None where a side is empty.

    There is a difference without interval where a side has one seed, and where all seeds give the same
    difference: nothing then tells how much the next seed would change.
    """
    if not left or not right:
        return None
    shared = tuple(sorted(set(left) & set(right)))
    several = min(len(left), len(right)) >= 2
    enough = len(shared) >= FEWEST_PAIRED or (several and set(left) == set(right))
    if how.kind != "Welch's t" and enough:
        return _paired(left, right, shared, how, level)
    if several:
        return _welch(left, right, level)
    if shared:
        mean = float(np.mean([left[seed] - right[seed] for seed in shared]))
        return Difference(Interval(mean, None, len(shared)), True, shared)
    return Difference(Interval(_mean(left) - _mean(right), None, min(len(left), len(right))), False)


def _mean(values: Values) -> float:
    return float(np.mean([values[seed] for seed in sorted(values)]))


def _paired(left: Values, right: Values, shared: tuple[int, ...], how: Family, level: float) -> Difference:
    differences = np.array([left[seed] - right[seed] for seed in shared])
    n = len(shared)
    variance, freedom = float(differences.var(ddof=1)), float(n - 1)
    kind = "paired t"
    if how.moderates(left, right):
        kind = how.kind
        bounded, freedoms = bounded_variances([variance], [freedom], how.prior, how.cap)
        variance, freedom = float(bounded[0]), max(freedom, float(freedoms[0]))
    words = f"{kind}, {n} shared seeds"
    return _tested(float(differences.mean()), (variance / n) ** 0.5, freedom, n, words, shared, level)


def _welch(left: Values, right: Values, level: float) -> Difference:
    """Welch, Biometrika 29, 1938, with Satterthwaite's degrees of freedom."""
    sides = [np.array([side[seed] for seed in sorted(side)]) for side in (left, right)]
    parts = [side.var(ddof=1) / len(side) for side in sides]
    total = float(sum(parts))
    freedom = float(min(map(len, sides)) - 1)
    if total > 0:
        weighed = [(part / total) ** 2 / (len(side) - 1) for part, side in zip(parts, sides, strict=True)]
        freedom = 1 / float(sum(weighed))
    mean = float(sides[0].mean() - sides[1].mean())
    words = f"Welch's t, {len(sides[0])} and {len(sides[1])} seeds"
    return _tested(mean, total**0.5, freedom, min(map(len, sides)), words, (), level)


def _tested(
    mean: float, error: float, freedom: float, n: int, words: str, seeds: tuple[int, ...], level: float
) -> Difference:
    kind = words.partition(",")[0]
    if abs(mean) <= ROUNDING:
        p = 1.0  # equal but for rounding, however small the error
    elif error <= ROUNDING:
        return Difference(Interval(mean, None, n, kind), bool(seeds), seeds, NO_SPREAD)
    else:
        p = min(1.0, 2 * float(stdtr(freedom, -abs(mean) / error)))
    interval = Interval(mean, quantile(level, freedom) * error, n, kind)
    return Difference(interval, bool(seeds), seeds, words, p, error, freedom)
