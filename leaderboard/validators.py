"""What each selection rule costs: pure functions from a table's runs and their scores to a report.

For each rule and each row (a method in one configuration): the suite's average at the steps that it chooses,
what that lacks to the oracle and adds to the last step, and how well its scores order evaluations by their
true accuracy. Upper bounds are left out: rules that look for the best adaptation do not apply to them.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dabench.leaderboard.choices import LAST, Choice, Selection
from dabench.leaderboard.rank_correlation import weighted_spearman
from dabench.leaderboard.rows import Row, Table
from dabench.leaderboard.runs import Run
from dabench.leaderboard.seeds import averages, by_task, over_seeds, task_mean
from dabench.leaderboard.statistics.intervals import Interval
from dabench.selection import RuleEntry

__all__ = ["Correlation", "Report", "RuleCell", "RuleReport", "correlation", "validator_report"]


@dataclass(frozen=True)
class Correlation:
    """How well scores order evaluations by true accuracy: +1 is best, for every rule.

    Attributes:
        value: weighted Spearman correlation, the mean over tasks; None where no task has one.
        tasks: tasks that have one; a task where scores or accuracies are all equal has none.
        points: evaluations that it was computed from.
        undefined: evaluations without a score, left out.
    """

    value: float | None = None
    tasks: int = 0
    points: int = 0
    undefined: int = 0


@dataclass(frozen=True)
class RuleCell:
    """One rule on one row.

    Attributes:
        runs: finished runs of the row.
        applied: those that the rule is available for.
        average: of the values at the chosen steps: over all tasks, then an interval over seeds.
        regret: oracle minus chosen, at least 0: over the tasks of the table that were run, then over seeds.
        gain: chosen minus last, likewise.
        correlation: of scores and true accuracies; the evaluations of all seeds of a task are pooled.
        reasons: why runs are missing, and how many.
    """

    runs: int
    applied: int
    average: Interval | None
    regret: Interval | None
    gain: Interval | None
    correlation: Correlation
    reasons: Mapping[str, int]


@dataclass(frozen=True)
class RuleReport:
    """One rule on all rows of a table.

    Attributes:
        name: of the rule.
        entry: the registered rule.
        cells: one for each row of the report.
        regret: oracle minus chosen, the mean over rows and tasks for each seed, then over seeds.
        gain: chosen minus last, likewise.
        pooled: correlation over the evaluations of all rows together, by task; None for a rule whose scores
            do not compare runs.
    """

    name: str
    entry: RuleEntry
    cells: tuple[RuleCell, ...]
    regret: Interval | None
    gain: Interval | None
    pooled: Correlation | None

    @property
    def applied(self) -> int:
        """Number of runs that the rule is available for."""
        return sum(cell.applied for cell in self.cells)

    @property
    def reasons(self) -> dict[str, int]:
        """Why runs are missing, and how many."""
        found: Counter[str] = Counter()
        for cell in self.cells:
            found.update(cell.reasons)
        return dict(sorted(found.items()))


@dataclass(frozen=True)
class Report:
    """All rules on the rows of one table.

    Attributes:
        rows: the table's rows without upper bounds, by their names.
        rules: ``last`` first, those that read target labels at the end.
        level: of all intervals.
    """

    rows: tuple[Row, ...]
    rules: tuple[RuleReport, ...]
    level: float


def validator_report(table: Table, rules: Mapping[str, RuleEntry]) -> Report:
    """Apply every rule to the runs behind a table; the rule that the table itself shows does not matter."""
    adapted = (row for row in table.rows if not row.upper_bound)
    rows = tuple(sorted(adapted, key=lambda row: (row.method, row.group.key)))

    def place(name: str) -> tuple[bool, bool, str]:
        return rules[name].cls.uses_target_labels, name != LAST, name

    found = tuple(_rule(table, rows, rules[name]) for name in sorted(rules, key=place))
    return Report(rows, found, table.settings.ci.level)


def _rule(table: Table, rows: Sequence[Row], entry: RuleEntry) -> RuleReport:
    everything, level = [run for row in rows for run in row.used], table.settings.ci.level
    present = {run.record.task for run in everything}
    tried = [task for task in table.tasks if task in present]
    selection = Selection(entry.name)
    choices = {run.file: selection.choose(run) for run in everything}
    if entry.name != LAST and not any(_scores(run, entry.name) for run in everything):
        nothing = Correlation() if entry.cls.compares_runs else None
        cells = tuple(_absent(row, choices) for row in rows)
        return RuleReport(entry.name, entry, cells, None, None, nothing)
    pooled = correlation(everything, tried, entry) if entry.cls.compares_runs else None
    cells = tuple(_cell(row, table.tasks, tried, entry, choices) for row in rows)
    regret, gain = (
        over_seeds(averages({row.group.key: averages(by_task(row.used, tried, cost)) for row in rows}), level)
        for cost in _costs(choices)
    )
    return RuleReport(entry.name, entry, cells, regret, gain, pooled)


def _costs(
    choices: Mapping[str, Choice],
) -> tuple[Callable[[Run], float | None], Callable[[Run], float | None]]:
    """What a rule loses against the oracle in a run, and what it wins over the last step."""

    def regret(run: Run) -> float | None:
        return _minus(run.record.oracle, choices[run.file].value)

    def gain(run: Run) -> float | None:
        return _minus(choices[run.file].value, run.record.value)

    return regret, gain


def _cell(
    row: Row, tasks: Sequence[str], tried: Sequence[str], entry: RuleEntry, choices: Mapping[str, Choice]
) -> RuleCell:
    missing = [choices[run.file].reason for run in row.used if choices[run.file].value is None]
    regret, gain = (task_mean(row.used, tried, cost, row.level) for cost in _costs(choices))
    return RuleCell(
        len(row.used),
        len(row.used) - len(missing),
        task_mean(row.used, tasks, lambda run: choices[run.file].value, row.level),
        regret,
        gain,
        correlation(row.used, tried, entry),
        dict(sorted(Counter(missing).items())),
    )


def _scores(run: Run, rule: str) -> Sequence[float | None]:
    return run.scores[rule].scores if rule in run.scores else []


def _absent(row: Row, choices: Mapping[str, Choice]) -> RuleCell:
    """A rule that is available for no run, in thousands of which it should cost nothing."""
    missing = Counter(choices[run.file].reason for run in row.used)
    return RuleCell(len(row.used), 0, None, None, None, Correlation(), dict(sorted(missing.items())))


def _minus(left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else left - right


def correlation(runs: Iterable[Run], tasks: Sequence[str], entry: RuleEntry) -> Correlation:
    """Weighted Spearman correlation of a rule's scores with the headline metric, the mean over tasks.

    All evaluations of a task's runs are pooled. Where lower scores are better their sign is turned.
    """
    sign = 1 if entry.cls.higher_is_better else -1
    points: dict[str, list[tuple[float, float]]] = {task: [] for task in tasks}
    undefined = 0
    for run in runs:
        for score, evaluation in zip(_scores(run, entry.name), run.record.evaluations, strict=False):
            if score is None:
                undefined += 1
            else:
                points[run.record.task].append((sign * score, getattr(evaluation, run.record.metric)))
    found = [weighted_spearman(*np.array(task).T) for task in points.values() if task]
    numbers = [value for value in found if not math.isnan(value)]
    return Correlation(
        float(np.mean(numbers)) if numbers else None,
        len(numbers),
        sum(map(len, points.values())),
        undefined,
    )
