"""Do the intervals keep their promise? How often a nominal 95 % interval holds the truth, by simulation.

Synthetic seeds, with known truth, in units of a cell's SD: normal; skewed (a gamma of shape 4, its long tail
below); collapsing (one run in ten falls by 30). Tasks of a suite have SDs from 0.25 to 4, and a part rho of
the variance over seeds that a seed does to all tasks at once. Rows of a moderated t have SDs from 1/2 to 2.
Gains of the moderated test, not corrected: of tables of 8 and 20 rows of SD 1, but for the row itself or the
reference row; they are shown and promise nothing, because a row that varies more than others borrows too
much. The generator starts from a fixed seed: the same numbers each time.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from dabench.leaderboard.statistics.intervals import half_widths, quantile
from dabench.leaderboard.statistics.moderated import bounded_variances, fit_prior

__all__ = ["HIGH", "LOW", "Coverage", "coverage_rows", "from_csv", "keeps_promise", "simulate", "to_csv"]

LOW, HIGH = 94.0, 96.0  # percent; where a default interval of normal seeds must lie
EXPERIMENTS, RESAMPLES = 40_000, 400
SEEDS, TASKS, EFFECTS = (3, 5, 10), (6, 12), (0.0, 0.3)
ROWS = 10
GAIN_ROWS, GAIN_SEEDS = (8, 20), (3, 5)
SPREADS = {  # of the reference, of the row
    "all rows alike": (1.0, 1.0),
    "this row 2 x the SD": (1.0, 2.0),
    "this row 4 x the SD": (1.0, 4.0),
    "reference 4 x the SD": (4.0, 1.0),
}
SHAPE = 4.0
PART_COLLAPSED, FALL = 0.1, 30.0
T, SHARED_T, GAIN_T = "t", "t on per-seed averages", "moderated paired t"

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Coverage:
    """How often an interval held the truth.

    Attributes:
        of: ``cell``, ``suite average`` or ``gain``.
        interval: which one.
        noise: normal, skewed or collapsing, and which rows there are.
        seeds: n.
        tasks: T; 1 for a cell.
        shared: part of the variance over seeds that all tasks share.
        percent: of experiments.
        default: an interval that pages show by default, of normal seeds.
    """

    of: str
    interval: str
    noise: str
    seeds: int
    tasks: int
    shared: float
    percent: float
    default: bool


def simulate(experiments: int = EXPERIMENTS, seed: int = 0) -> tuple[Coverage, ...]:
    """All rows; bootstraps and gains take a tenth of the experiments, at least 100."""
    rng = np.random.default_rng(seed)
    return (
        *_cells(rng, experiments),
        *_suites(rng, experiments),
        *_rows(rng, experiments),
        *_gains(rng, _fewer(experiments)),
    )


def keeps_promise(found: Sequence[Coverage]) -> bool:
    """Whether each default interval of normal seeds lies between ``LOW`` and ``HIGH``."""
    return all(LOW <= one.percent <= HIGH for one in found if one.default)


def _noise(rng: np.random.Generator, kind: str, shape: tuple[int, ...]) -> Array:
    """Values with mean 0."""
    if kind == "skewed":
        skewed: Array = (SHAPE - rng.gamma(SHAPE, size=shape)) / SHAPE**0.5
        return skewed
    normal = rng.standard_normal(shape)
    if kind == "collapsing":
        normal -= FALL * ((rng.random(shape) < PART_COLLAPSED) - PART_COLLAPSED)
    return normal


def _held(means: Array, half: Array) -> float:
    return round(float((np.abs(means) <= half).mean()) * 100, 1)


def _percentile(drawn: Array) -> float:
    """Coverage of percentile intervals of (E, draws) resampled means of experiments whose truth is 0."""
    low, high = np.quantile(drawn, [0.025, 0.975], axis=1)
    return round(float(((low <= 0) & (high >= 0)).mean()) * 100, 1)


def _weights(rng: np.random.Generator, n: int) -> Array:
    """(draws, n): how often each seed is drawn, as parts of one; shared by the experiments of a row."""
    weights: Array = rng.multinomial(n, np.full(n, 1 / n), RESAMPLES) / n
    return weights


def _fewer(experiments: int) -> int:
    return max(100, experiments // 10)


def _cells(rng: np.random.Generator, experiments: int) -> Iterator[Coverage]:
    for noise in ("normal", "skewed", "collapsing"):
        for n in SEEDS:
            x = _noise(rng, noise, (experiments, n))
            means = x.mean(axis=1)
            few = x[: _fewer(experiments)]
            drawn = few @ _weights(rng, n).T
            found = {
                T: _held(means, half_widths(x)),
                "percentile bootstrap": _percentile(drawn),
                "mean ± SD": _held(means, x.std(axis=1, ddof=1)),
            }
            for name, percent in found.items():
                yield Coverage("cell", name, noise, n, 1, 0.0, percent, name == T and noise == "normal")


def _suites(rng: np.random.Generator, experiments: int) -> Iterator[Coverage]:
    for tasks in TASKS:
        for shared in EFFECTS:
            for n in SEEDS:
                spread = np.exp(rng.uniform(np.log(0.25), np.log(4), (experiments, tasks, 1)))
                own = rng.standard_normal((experiments, tasks, n))
                common = rng.standard_normal((experiments, 1, n))
                x = spread * ((1 - shared) ** 0.5 * own + shared**0.5 * common)
                averages = x.mean(axis=1)
                found = {
                    SHARED_T: _held(averages.mean(axis=1), half_widths(averages)),
                    "Welch-Satterthwaite": _welch_satterthwaite(x),
                    "stratified bootstrap": _stratified(rng, x[: _fewer(experiments)]),
                }
                for name, percent in found.items():
                    default = name == SHARED_T
                    yield Coverage("suite average", name, "normal", n, tasks, shared, percent, default)


def _welch_satterthwaite(x: Array) -> float:
    n = x.shape[2]
    parts = x.var(axis=2, ddof=1) / n
    total = parts.sum(axis=1)
    freedom = total**2 / ((parts**2).sum(axis=1) / (n - 1))
    return _held(x.mean(axis=(1, 2)), _quantiles(freedom) * total**0.5 / x.shape[1])


def _quantiles(freedom: Array) -> Array:
    """Student's t at 95 %, by interpolation: there are few distinct digits that matter."""
    grid = np.arange(freedom.min(), freedom.max() + 0.02, 0.01)
    found: Array = np.interp(freedom, grid, [quantile(0.95, float(one)) for one in grid])
    return found


def _stratified(rng: np.random.Generator, x: Array) -> float:
    drawn = sum(x[:, task] @ _weights(rng, x.shape[2]).T for task in range(x.shape[1]))
    return _percentile(np.asarray(drawn))


def _rows(rng: np.random.Generator, experiments: int) -> Iterator[Coverage]:
    """The moderated t: each of ten rows with an SD of its own."""
    for n in SEEDS:
        spread = np.exp(rng.uniform(np.log(0.5), np.log(2), (experiments // ROWS, ROWS, 1)))
        x = spread * rng.standard_normal((experiments // ROWS, ROWS, n))
        variances, freedom = bounded_variances(x.var(axis=2, ddof=1), n - 1.0)
        percent = _held(x.mean(axis=2), _quantiles(freedom) * (variances / n) ** 0.5)
        yield Coverage("cell", "moderated t", "normal; ten unequal rows", n, 1, 0.0, percent, False)


def _gains(rng: np.random.Generator, experiments: int) -> Iterator[Coverage]:
    """A row minus the reference row, by the test of pairs; its interval alone, not corrected."""
    for rows in GAIN_ROWS:
        left, right = np.triu_indices(rows, 1)
        for name, (reference, row) in SPREADS.items():
            for n in GAIN_SEEDS:
                x = rng.standard_normal((experiments, rows, n))
                x[:, 0] *= reference
                x[:, 1] *= row
                variances = (x[:, left] - x[:, right]).var(axis=2, ddof=1)
                cap = np.full(experiments, (rows - 1) * (n - 1.0))
                prior = fit_prior(variances, n - 1.0)
                variances, freedom = bounded_variances(variances, n - 1.0, prior, cap)
                half = _quantiles(freedom[:, 0]) * (variances[:, 0] / n) ** 0.5  # pair (0, 1)
                percent = _held((x[:, 0] - x[:, 1]).mean(axis=1), half)
                yield Coverage("gain", GAIN_T, f"{rows} rows, {name}", n, 1, 0.0, percent, False)


def coverage_rows(found: Iterable[Coverage]) -> list[tuple[tuple[str, ...], dict[int, Coverage]]]:
    """(of, interval, noise, tasks, shared) as text, and the entry of each number of seeds."""
    rows: dict[tuple[str, ...], dict[int, Coverage]] = {}
    for one in found:
        suite = one.tasks > 1
        key = (
            one.of,
            one.interval,
            one.noise,
            str(one.tasks) if suite else "",
            f"{one.shared:.0%}" if suite else "",
        )
        rows.setdefault(key, {})[one.seeds] = one
    return list(rows.items())


def to_csv(found: Sequence[Coverage]) -> str:
    """One line each, with a head."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [one.name for one in fields(Coverage)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(one) for one in found)
    return text.getvalue()


def from_csv(text: str) -> tuple[Coverage, ...]:
    """What ``to_csv`` wrote."""
    return tuple(
        Coverage(
            line["of"], line["interval"], line["noise"], int(line["seeds"]), int(line["tasks"]),
            float(line["shared"]), float(line["percent"]), line["default"] == "True",
        )
        for line in csv.DictReader(io.StringIO(text))
    )  # fmt: skip
