"""What the order of a table's rows is worth: rank intervals, ties, pairwise comparisons, diagnostics.

One test serves all of it: the gain over the reference, the ranks and the matrix of pairs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dabench.leaderboard.rows import Table
from dabench.leaderboard.settings import Settings
from dabench.leaderboard.statistics.intervals import Interval, Share

__all__ = ["Comparison", "Design", "Standing", "Standings", "standings"]


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
        seeds_needed: seeds a side that would tell such a difference apart with power 0.8; None where it is 0.
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


@dataclass(frozen=True)
class Standing:
    """What the place of a ranked row is worth.

    Attributes:
        low, high: rank interval: 1 + rows that are significantly better, K - rows significantly worse.
        letters: rows that share a letter are not told apart.
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
        spread: standard deviation over seeds of a row's average, pooled over rows.
        smallest: smallest difference of two rows that is found with power 0.8, one comparison.
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
        pairs: by (left, right) in the order of the table's rows, for all rows with averages but bounds.
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
    """Compare the rows of a table with each other."""
    return Standings("no comparison yet")
