"""What the order of a table's rows is worth: rank intervals, ties, pairwise comparisons, diagnostics.

One test serves all of it: the gain over the reference, the ranks and the matrix of pairs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from dabench.leaderboard.rows import Row, Table
from dabench.leaderboard.settings import Settings
from dabench.leaderboard.standing_notes import standing_notes
from dabench.leaderboard.statistics.holm import holm
from dabench.leaderboard.statistics.improvement import FEWEST_SEEDS as FEWEST_FOR_IMPROVEMENT
from dabench.leaderboard.statistics.improvement import probability_of_improvement
from dabench.leaderboard.statistics.intervals import ROUNDING, Difference, Interval, Share
from dabench.leaderboard.statistics.pairs import compare, pair_variances, usual_freedom
from dabench.leaderboard.statistics.planning import seeds_needed, smallest_difference
from dabench.leaderboard.statistics.ranks import best_group, letters, rank_intervals
from dabench.leaderboard.statistics.seed_effect import shared_seed_effect
from dabench.leaderboard.statistics.stability import leave_one_task_out

__all__ = ["Comparison", "Design", "Standing", "Standings", "standings"]

POINT = 0.01
MOST_SEEDS_ADVISED = 100  # rows that need more may well be equal
MOST_LETTERED = 40  # rows; more would need more letters than anybody reads


@dataclass(frozen=True)
class Comparison:
    """Two rows compared by their per-seed averages: left minus right.

    Attributes:
        left, right: keys of the rows (``row.group.key``).
        interval: of the difference, at the table's level, not corrected.
        test: in words, such as "paired t, 5 shared seeds".
        p: two-sided; None where there is no test.
        adjusted: p after Holm's correction over all pairs of ranked rows; None for other pairs.
        resolved: whether adjusted lies below 1 - level.
        improvement: probability that a run of left beats a run of right on the same task, from five seeds on.
        seeds_needed: seeds of each row that would settle the pair as the table judges it, with power 0.8 if
            the true difference is the observed one. Planned at the level that Holm's correction gives a pair
            at worst, error / m for the m pairs of ranked rows (m = 1 for a pair that is not corrected).
            None where the pair is settled, the rows are equal, or more than ``MOST_SEEDS_ADVISED`` further
            seeds are needed.
    """

    left: str
    right: str
    interval: Interval
    test: str
    p: float | None = None
    adjusted: float | None = None
    resolved: bool = False
    improvement: Share | None = None
    seeds_needed: int | None = None

    @property
    def more_seeds(self) -> int | None:
        """Further seeds, the same of both rows, that would settle the pair; None as ``seeds_needed``."""
        return None if self.seeds_needed is None else self.seeds_needed - self.interval.n


@dataclass(frozen=True)
class Standing:
    """What the place of a ranked row is worth.

    Attributes:
        low, high: rank interval: 1 + rows that are significantly better, K - rows significantly worse.
        letters: rows that share a letter are not told apart; empty in tables of more than 40 ranked rows.
        best_group: no row is significantly better.
        without_a_task: best and worst rank when any one task is left out; None for a single task.
    """

    low: int
    high: int
    letters: str = ""
    best_group: bool = False
    without_a_task: tuple[int, int] | None = None


@dataclass(frozen=True)
class Design:
    """What the table can resolve, accuracies in [0, 1].

    Attributes:
        seeds: fewest seeds of a ranked row.
        spread: standard deviation over seeds of a row's average; its variance is the median over rows, so
            that one row that collapses does not rule what the table can tell.
        smallest: smallest difference of two rows that is found with power 0.8, one comparison; by the median
            over pairs of the variances of their differences.
        seeds_for_a_point: seeds a row for 0.01; None where the spread is unknown.
    """

    seeds: int
    spread: float | None
    smallest: float | None
    seeds_for_a_point: int | None


@dataclass(frozen=True)
class Standings:
    """Of one table.

    Attributes:
        test: the test that gains, ranks and pairs use, in words.
        rows: ranked rows by key.
        pairs: by (left, right) in the order of the table's rows, for all rows with averages; those of rows
            that are not ranked (bounds, few seeds, chosen on target labels) have no adjusted p.
        design: None without a ranked row.
        shared_seed: part of the variance over seeds that all tasks of a row share, in [0, 1]; None where it
            cannot be estimated.
        notes: sentences for the table's foot.
    """

    test: str
    rows: Mapping[str, Standing] = field(default_factory=dict)
    pairs: Mapping[tuple[str, str], Comparison] = field(default_factory=dict)
    design: Design | None = None
    shared_seed: float | None = None
    notes: tuple[str, ...] = ()


def standings(table: Table, settings: Settings) -> Standings:
    """Compare the rows of a table with each other.

    Ranked rows form one family: their pairs are corrected together, and rank intervals, letters and the best
    group follow from the corrected claims. Other rows with an average have pairs without correction.
    """
    rows = [row for row in table.rows if row.averages]
    ranked = [row for row in rows if row.rank is not None]
    pairs = _pairs(rows, table, settings)
    places = _places(ranked, pairs, table)
    design = _design(ranked, table, settings)
    shared = shared_seed_effect(_task_values(row, table.tasks) for row in ranked)
    words = f"{table.test.words}, Holm's correction over all pairs of ranked rows"
    made = Standings(words, places, pairs, design, shared)
    return replace(made, notes=standing_notes(table, ranked, made))


def _pairs(rows: Sequence[Row], table: Table, settings: Settings) -> dict[tuple[str, str], Comparison]:
    level = settings.ci.level
    plain: dict[tuple[str, str], Comparison] = {}
    family: dict[tuple[str, str], float] = {}
    differences: dict[tuple[str, str], Difference] = {}
    for left, right in combinations(rows, 2):
        found = compare(left.averages, right.averages, table.test, level)
        if found is None:
            continue
        key = left.group.key, right.group.key
        differences[key] = found
        plain[key] = _comparison(key, found, left, right, table.tasks, level)
        if left.rank is not None and right.rank is not None and found.p is not None:
            family[key] = found.p
    adjusted = holm(list(family.values())).tolist()
    for key, p in zip(family, adjusted, strict=True):
        plain[key] = replace(plain[key], adjusted=p, resolved=p < 1 - level)
    for key, one in plain.items():
        pairs = len(family) if key in family else 1
        settled = one.resolved or (key not in family and one.p is not None and one.p < 1 - level)
        needed = None if settled else _settling(differences[key], 1 - (1 - level) / pairs)
        plain[key] = replace(one, seeds_needed=needed)
    return plain


def _settling(found: Difference, level: float) -> int | None:
    """Seeds a side at which the test, at that level, finds a true difference as large as the observed one."""
    n = found.interval.n
    if found.error is None or found.freedom is None or abs(found.interval.mean) <= ROUNDING:
        return None
    needed = seeds_needed(found.interval.mean, found.error * n**0.5, found.freedom / (n - 1), level)
    return needed if needed is not None and 0 < needed - n <= MOST_SEEDS_ADVISED else None


def _comparison(
    key: tuple[str, str], found: Difference, left: Row, right: Row, tasks: Sequence[str], level: float
) -> Comparison:
    improvement = None
    if min(len(left.averages), len(right.averages)) >= FEWEST_FOR_IMPROVEMENT:
        improvement = probability_of_improvement(_task_values(left, tasks), _task_values(right, tasks), level)
    return Comparison(*key, found.interval, found.test, found.p, improvement=improvement)


def _task_values(row: Row, tasks: Sequence[str]) -> NDArray[np.float64]:
    """(T, n) values of the seeds that every task has, in ascending order."""
    return np.array([[row.cells[task].values[seed] for seed in sorted(row.averages)] for task in tasks])


def _places(
    ranked: Sequence[Row], pairs: Mapping[tuple[str, str], Comparison], table: Table
) -> dict[str, Standing]:
    if not ranked:
        return {}
    count = len(ranked)
    place = {row.group.key: index for index, row in enumerate(ranked)}
    better = np.zeros((count, count), dtype=bool)
    for (left, right), one in pairs.items():
        if one.resolved:
            i, j = place[left], place[right]
            better[(i, j) if one.interval.mean > 0 else (j, i)] = True
    ends = rank_intervals(better)
    groups = letters(better | better.T) if count <= MOST_LETTERED else [""] * count
    best = best_group(better)
    means = [_task_values(row, table.tasks).mean(axis=1) for row in ranked]
    without = leave_one_task_out(np.array(means))
    found = {}
    for index, row in enumerate(ranked):
        low, high = ends[index]
        rank = row.rank or 1
        # Rows of other seeds are compared over those that they share, so a claim may go against the order.
        ends_with_rank = min(low, rank), max(high, rank)
        found[row.group.key] = Standing(
            *ends_with_rank, groups[index], best[index], without[index] if without else None
        )
    return found


def _design(ranked: Sequence[Row], table: Table, settings: Settings) -> Design | None:
    """What a comparison of two usual rows can tell; spreads are medians over rows and over pairs."""
    if not ranked:
        return None
    n = min(len(row.averages) for row in ranked)
    level = settings.ci.level
    usual = float(np.median([np.var(list(row.averages.values()), ddof=1) for row in ranked]))
    spread = usual**0.5
    variances, _ = pair_variances([row.averages for row in ranked])
    per_seed, of_pair = 2.0, 2 * usual
    if table.test.kind != "Welch's t" and len(variances):
        per_seed, of_pair = 1.0, float(np.median(variances))
        if table.test.prior is not None:
            per_seed = usual_freedom(table.test, n) / (n - 1)
    difference = of_pair**0.5
    smallest = smallest_difference(difference / n**0.5, per_seed * (n - 1), level)
    return Design(n, spread, smallest, seeds_needed(POINT, difference, per_seed, level))
