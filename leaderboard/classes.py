"""Accuracy by class: mean and worst beside every headline, all of them where the mean is the headline.

What single classes reach is stored of a run's last step, so it is shown of that step alone.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from dabench.leaderboard.rows import Row, Table
from dabench.leaderboard.runs import Run
from dabench.leaderboard.seeds import task_mean
from dabench.leaderboard.statistics.intervals import Interval, t_interval

__all__ = ["ClassTable", "by_class", "mean_class", "worst_class", "worst_of"]


@dataclass(frozen=True)
class ClassTable:
    """One task of a table, class by class, at the last step.

    Attributes:
        classes: columns, in the manifest's order where that is known.
        cells: for each row of the table, class to interval over seeds; a class without test images has none.
        mean: for each row, the mean over classes.
        overall: for each row, the overall accuracy (every image counts the same).
    """

    task: str
    classes: tuple[str, ...]
    cells: tuple[Mapping[str, Interval], ...]
    mean: tuple[Interval | None, ...]
    overall: tuple[Interval | None, ...]


def worst_of(run: Run) -> tuple[str, float] | None:
    """The class with the lowest accuracy at a run's last step, and that accuracy; of equals the first."""
    metrics = run.record.metrics
    known = (
        [(name, value) for name, value in metrics.per_class.items() if value is not None] if metrics else []
    )
    return min(known, key=lambda item: item[1]) if known else None


def worst_class(row: Row) -> Interval | None:
    """Lowest accuracy of a class in each run, mean over tasks, interval over seeds.

    A run whose rule chose another step than the last has none.
    """

    def value(run: Run) -> float | None:
        worst = worst_of(run)
        at_the_end = row.choices[run.file].step == run.record.evaluations[-1].step
        return worst[1] if worst and at_the_end else None

    return task_mean(row.used, tuple(row.cells), value, row.level)


def mean_class(row: Row) -> Interval | None:
    """Mean class accuracy at the chosen steps, mean over tasks, interval over seeds."""

    def value(run: Run) -> float | None:
        step = row.choices[run.file].step
        found = [one.mean_class_accuracy for one in run.record.evaluations if one.step == step]
        return found[-1] if found else None

    return task_mean(row.used, tuple(row.cells), value, row.level)


def by_class(table: Table) -> tuple[ClassTable, ...]:
    """Class tables of all tasks that have a finished run; none where the metric is the overall accuracy."""
    if table.metric != "mean_class_accuracy":
        return ()
    return tuple(
        _one_task(table, task) for task in table.tasks if any(row.cells[task].values for row in table.rows)
    )


def _one_task(table: Table, task: str) -> ClassTable:
    cells, means, overall, seen = [], [], [], set()
    for row in table.rows:
        metrics = [run.record.metrics for run in row.used if run.record.task == task and run.record.metrics]
        values: dict[str, list[float]] = defaultdict(list)
        for one in metrics:
            for name, value in one.per_class.items():
                if value is not None:
                    values[name].append(value)
        seen |= set(values)
        cells.append({name: t_interval(numbers, row.level) for name, numbers in values.items()})
        means.append(t_interval([one.mean_class_accuracy for one in metrics], row.level) if metrics else None)
        overall.append(t_interval([one.accuracy for one in metrics], row.level) if metrics else None)
    known = tuple(name for name in table.info.classes if name in seen)
    classes = (*known, *sorted(seen - set(known)))
    return ClassTable(task, classes, tuple(cells), tuple(means), tuple(overall))
