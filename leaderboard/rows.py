"""What a table is made of: cells, rows, and what is known of a suite. Accuracies are in [0, 1]."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dabench.leaderboard.choices import LAST, Choice
from dabench.leaderboard.groups import REFERENCE, Group
from dabench.leaderboard.origins import HYPERPARAMETERS, Origins
from dabench.leaderboard.runs import Run
from dabench.leaderboard.settings import Settings
from dabench.leaderboard.statistics.intervals import Difference, Interval, Share
from dabench.leaderboard.statistics.pairs import Family
from dabench.recipe import ON_TARGET_LABELS

__all__ = ["FEWEST_SEEDS", "Cell", "NotRun", "Row", "SuiteInfo", "Table"]

NOTHING_TOLD = Origins()
PAIRED = Family()

# Below three seeds an interval is so wide (n = 2: 12.7 times the standard error) that an order means nothing.
FEWEST_SEEDS = 3


@dataclass(frozen=True)
class SuiteInfo:
    """What the leaderboard needs of a suite's manifest: title, tasks and classes in their order."""

    title: str
    tasks: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cell:
    """One method on one task.

    Attributes:
        values: seed to headline metric at the step that the row's rule chose.
        interval: over seeds; None where no run has a value.
        oracle: the best over evaluations, chosen on target labels; no result, shown apart.
        gain: difference to the reference row on this task.
        failed: number of failed runs.
        unavailable: finished runs that the rule is not available for.
        collapsed: finished runs near chance, or at most half of the row's median here.
        image_interval: Wilson's interval of the mean, for the test images' own noise; None unless the metric
            is accuracy and the number of images is known.
    """

    values: Mapping[int, float] = field(default_factory=dict)
    interval: Interval | None = None
    oracle: Interval | None = None
    gain: Difference | None = None
    failed: int = 0
    unavailable: int = 0
    collapsed: int = 0
    image_interval: Interval | None = None


@dataclass(frozen=True)
class Row:
    """One method in one configuration on all tasks of a table.

    Attributes:
        rank: place by average among complete rows with enough seeds; None for all others.
        averages: seed to mean over all tasks, for seeds that every task has.
        average: interval over ``averages``; None where the grid is incomplete.
        oracle_average: the same of the oracle values.
        inflation: oracle minus last step, seed by seed: what reporting the best evaluation would add.
        gain: difference of the averages to the reference row's.
        share: part of the gap between the reference and the bound that the row closes.
        tasks_done: tasks with at least one value.
        used: the finished runs that count, one a task and seed.
        level: of all its intervals.
        choices: of each run in ``used``, by its file, what the rule chose.
        rule: the selection rule that the values are taken by.
        peeking: whether that rule reads target labels.
        origins: how its hyperparameters were chosen.
        notes: sentences a reader of the row needs.
        min_seeds: fewest seeds of a place.
    """

    group: Group
    cells: Mapping[str, Cell]
    averages: Mapping[int, float]
    average: Interval | None
    oracle_average: Interval | None
    inflation: Interval | None
    used: tuple[Run, ...]
    tasks_done: int
    level: float
    choices: Mapping[str, Choice]
    rule: str = LAST
    peeking: bool = False
    origins: Origins = NOTHING_TOLD
    notes: tuple[str, ...] = ()
    gain: Difference | None = None
    share: Share | None = None
    reference: Group | None = None
    rank: int | None = None
    min_seeds: int = FEWEST_SEEDS

    @property
    def method(self) -> str:
        """The method's name."""
        return self.group.method

    @property
    def upper_bound(self) -> bool:
        """Trained on target labels: never ranked."""
        return self.group.upper_bound

    @property
    def on_target_labels(self) -> bool:
        """Target labels chose the step or hyperparameters: never ranked."""
        return self.peeking or self.origins.on_target_labels

    @property
    def chosen(self) -> str:
        """What target labels chose, in words; empty where they chose nothing."""
        if not self.origins.on_target_labels:
            return ON_TARGET_LABELS if self.peeking else ""
        return f"step and {HYPERPARAMETERS}" if self.peeking else HYPERPARAMETERS

    @property
    def tuned(self) -> str:
        """The search that hyperparameters come from, in words; empty where there was none."""
        if self.origins.trial:
            return "a trial of a search, never ranked"
        return f"tuned: {'; '.join(self.origins.tuned)}" if self.origins.tuned else ""

    @property
    def failed(self) -> int:
        """Number of failed runs."""
        return sum(cell.failed for cell in self.cells.values())

    @property
    def unavailable(self) -> int:
        """Number of finished runs that the selection rule is not available for."""
        return sum(cell.unavailable for cell in self.cells.values())

    @property
    def collapsed(self) -> int:
        """Number of finished runs that learned next to nothing."""
        return sum(cell.collapsed for cell in self.cells.values())

    @property
    def may_rank(self) -> bool:
        """Whether the row takes a place: complete, enough seeds, no target labels, no run left out.

        A rule that is undefined just where models are bad would otherwise flatter a row.
        """
        if self.upper_bound or self.on_target_labels or self.origins.trial or self.unavailable:
            return False
        return self.average is not None and self.average.n >= self.min_seeds

    @property
    def harmful(self) -> bool:
        """Worse than not adapting: the whole interval of the gain lies below zero."""
        against = self.reference is not None and self.reference.method == REFERENCE
        return against and self.gain is not None and self.gain.verdict == "below"


@dataclass(frozen=True)
class NotRun:
    """A bound that belongs into the table and was not run, the command that runs it, and what that lacks."""

    method: str
    command: str
    note: str = ""


@dataclass(frozen=True)
class Table:
    """One suite with one backbone under one protocol.

    Attributes:
        tasks: columns in the manifest's order (sorted where the suite is unknown).
        rows: ranked ones by average, then incomplete ones, then upper bounds.
        settings: what its intervals and comparisons were computed by.
        suite_known: False where the columns are only those that some run has.
        absent: bounds that were not run.
        notes: sentences that hold for all rows.
        test: what gains, ranks and pairs are computed by.
    """

    suite: str
    backbone: str
    protocol: str
    metric: str
    info: SuiteInfo
    tasks: tuple[str, ...]
    rows: tuple[Row, ...]
    settings: Settings
    suite_known: bool
    absent: tuple[NotRun, ...] = ()
    notes: tuple[str, ...] = ()
    test: Family = PAIRED

    @property
    def rules(self) -> tuple[str, ...]:
        """The selection rules of its rows; one, but where runs of one protocol were set to different ones."""
        return tuple(sorted({row.rule for row in self.rows}))
