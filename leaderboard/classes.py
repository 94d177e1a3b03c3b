"""Accuracy by class, for suites whose headline metric is the mean over classes (VisDA-2017)."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from dabench.leaderboard.statistics import Interval, t_interval
from dabench.leaderboard.table import Row, Table

__all__ = ["ClassTable", "by_class"]


@dataclass(frozen=True)
class ClassTable:
    """One task of a table, class by class.

    Attributes:
        classes: columns, in the manifest's order where that is known.
        cells: for each row of the table, class to interval over seeds; a class without test images has none.
        overall: for each row, the overall accuracy (every image counts the same).
    """

    task: str
    classes: tuple[str, ...]
    cells: tuple[Mapping[str, Interval], ...]
    overall: tuple[Interval | None, ...]


def by_class(table: Table) -> tuple[ClassTable, ...]:
    """Class tables of all tasks that have a finished run; none where the metric is the overall accuracy."""
    if table.metric != "mean_class_accuracy":
        return ()
    return tuple(
        _one_task(table, task) for task in table.tasks if any(row.cells[task].values for row in table.rows)
    )


def _one_task(table: Table, task: str) -> ClassTable:
    cells, overall, seen = [], [], set()
    for row in table.rows:
        values, totals = _values(row, task)
        seen |= set(values)
        cells.append({name: t_interval(numbers) for name, numbers in values.items()})
        overall.append(t_interval(totals) if totals else None)
    known = tuple(name for name in table.info.classes if name in seen)
    classes = (*known, *sorted(seen - set(known)))
    return ClassTable(task, classes, tuple(cells), tuple(overall))


def _values(row: Row, task: str) -> tuple[dict[str, list[float]], list[float]]:
    """Class to one accuracy a seed, and the overall accuracies; both in the order of seeds."""
    values: dict[str, list[float]] = defaultdict(list)
    totals: list[float] = []
    for run in row.used:
        metrics = run.record.metrics
        if run.record.task != task or metrics is None:
            continue
        totals.append(metrics.accuracy)
        for name, value in metrics.per_class.items():
            if value is not None:
                values[name].append(value)
    return values, totals
