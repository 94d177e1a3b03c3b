"""Which test should compare rows? False claims and power of five tests after Holm's correction, simulated.

docs/statistics.md shows the outcome and the choice. Rows have n per-seed averages over T tasks, in points;
tasks have SDs from 0.25 to 4. A part rho of the variance over seeds is a seed's effect on all tasks of a row;
it is each row's own, or the same for all rows (``across``), as equal first weights and batches may make it.
SDs of rows are equal; unequal (1/2 to 2, log-uniform); or there are outliers: one or two of 4, all others 1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from dabench.leaderboard.statistics.holm import holm
from dabench.leaderboard.statistics.moderated import bounded_variances, fit_prior, squeeze_variances

__all__ = ["GAPS", "TESTS", "Outcome", "study"]

TESTS = ("paired t", "Welch", "moderated Welch", "moderated paired, limma's prior", "moderated paired, ours")
ROWS, SEEDS, TASKS = (4, 7, 8, 10, 20), (3, 5), (6, 12)
SPREADS = ("equal", "unequal", "one outlier", "two outliers")
EFFECTS = ((0.0, False), (0.3, False), (0.8, False), (0.3, True), (0.8, True))
GAPS = (1, 2, 4)  # points
LEVEL = 0.05

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """Of one test in one setting, percent.

    Attributes:
        false: leaderboards of equal rows with any false claim.
        found: of the pairs 1, 2 and 4 points apart, in a ladder with steps of one point, those told apart;
            None where no two rows lie so far apart.
    """

    test: str
    rows: int
    seeds: int
    tasks: int
    spreads: str
    rho: float
    across: bool
    false: float
    found: tuple[float | None, ...]


def study(experiments: int = 1000, seed: int = 0) -> Iterator[Outcome]:
    """All settings; with twenty rows half as many experiments. The generator starts from a fixed seed."""
    rng = np.random.default_rng(seed)
    for rows, n, tasks, spreads, (rho, across) in product(ROWS, SEEDS, TASKS, SPREADS, EFFECTS):
        count = experiments if rows < max(ROWS) else experiments // 2
        x = _averages(rng, (count, rows, n), tasks, spreads, rho, across)
        equal = _p_values(x)
        ladder = _p_values(x + np.arange(rows)[:, None])
        left, right = np.triu_indices(rows, 1)
        for test in TESTS:
            false = float((holm(equal[test]) < LEVEL).any(axis=1).mean()) * 100
            claims = holm(ladder[test]) < LEVEL
            found = tuple(
                float(claims[:, right - left == gap].mean()) * 100 if gap < rows else None for gap in GAPS
            )
            yield Outcome(test, rows, n, tasks, spreads, rho, across, false, found)


def _averages(
    rng: np.random.Generator, shape: tuple[int, int, int], tasks: int, spreads: str, rho: float, across: bool
) -> Array:
    """(E, K, n) per-seed averages over tasks of equal rows."""
    count, rows, n = shape
    task = np.exp(rng.uniform(np.log(0.25), np.log(4), (count, tasks)))
    scale = np.ones((count, rows, 1))
    if spreads == "unequal":
        scale = np.exp(rng.uniform(np.log(0.5), np.log(2), (count, rows, 1)))
    elif spreads != "equal":
        scale[:, : 1 if spreads == "one outlier" else 2] = 4
    own = ((1 - rho) * (task**2).sum(axis=1)) ** 0.5 / tasks  # independent tasks average out
    common = rho**0.5 * task.mean(axis=1)
    effect = rng.standard_normal((count, 1 if across else rows, n))
    x: Array = scale * (own[:, None, None] * rng.standard_normal(shape) + common[:, None, None] * effect)
    return x


def _p_values(x: Array) -> dict[str, Array]:
    """Two-sided p of all pairs of (E, K, n) rows by each test: (E, P)."""
    rows, n = x.shape[1:]
    left, right = np.triu_indices(rows, 1)
    mean = x.mean(axis=2)
    gap = np.abs(mean[:, left] - mean[:, right])
    own = x.var(axis=2, ddof=1)
    paired = (x[:, left] - x[:, right]).var(axis=2, ddof=1)
    free = n - 1.0
    squeezed, freedom = squeeze_variances(own, free)
    cap = np.full(len(x), (rows - 1) * free)
    prior = fit_prior(paired, free)
    limma = squeeze_variances(paired, free, prior, cap)
    ours = bounded_variances(paired, free, prior, cap)

    def p(variance: Array, freedom: Array | float) -> Array:
        result: Array = 2 * stdtr(freedom, -gap / (variance / n) ** 0.5)
        return result

    def welch(variances: Array, freedom: Array | float) -> Array:
        a, b = variances[:, left], variances[:, right]
        return p(a + b, np.minimum((a + b) ** 2 / (a**2 + b**2) * freedom, rows * free))

    found = (p(paired, free), welch(own, free), welch(squeezed, freedom[:, :1]), p(*limma), p(*ours))
    return dict(zip(TESTS, found, strict=True))
