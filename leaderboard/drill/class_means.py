"""Accuracy by class of all methods on one task, at the last step: what single classes gain and lose."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dabench.leaderboard.class_counts import label_shift
from dabench.leaderboard.drill.data import parts
from dabench.leaderboard.rows import Row, Table
from dabench.leaderboard.runs import Run

__all__ = ["ClassLine", "Classes", "classes_of"]


@dataclass(frozen=True)
class ClassLine:
    """One class on one task.

    Attributes:
        source, target: images that runs train on; None where no record says it.
        values: for each row, the mean over its seeds in [0, 1]; None where it has none.
        gains: for each row, the mean minus its reference's; None where a side is missing.
    """

    name: str
    source: int | None
    target: int | None
    values: tuple[float | None, ...]
    gains: tuple[float | None, ...]


@dataclass(frozen=True)
class Classes:
    """All classes of a task.

    Attributes:
        lines: in the manifest's order where it is known.
        shift: total variation distance of the class distributions of source and target; None if unknown.
    """

    lines: tuple[ClassLine, ...]
    shift: float | None

    @property
    def measured(self) -> bool:
        """Whether any row has an accuracy by class."""
        return any(value is not None for line in self.lines for value in line.values)


def classes_of(table: Table, rows: Sequence[Row], task: str) -> Classes:
    """Classes of a task with their images and the rows' accuracies.

    Args:
        table: that the rows belong to.
        rows: in the order of the columns.
        task: of the table.
    """
    means = {row.group.key: _means(row, task) for row in table.rows}
    source, target = _images(table, task)
    seen = {*source, *target, *(name for mean in means.values() for name in mean)}
    known = [name for name in table.info.classes if name in seen]
    lines = []
    for name in (*known, *sorted(seen - set(known))):
        values = tuple(means[row.group.key].get(name) for row in rows)
        bases = [means.get(row.reference.key, {}).get(name) if row.reference else None for row in rows]
        gains = tuple(
            None if value is None or base is None else value - base
            for value, base in zip(values, bases, strict=True)
        )
        lines.append(ClassLine(name, source.get(name), target.get(name), values, gains))
    shift = label_shift(source, target) if sum(source.values()) and sum(target.values()) else None
    return Classes(tuple(lines), shift)


def _means(row: Row, task: str) -> Mapping[str, float]:
    found: dict[str, list[float]] = defaultdict(list)
    for run in row.used:
        if run.record.task == task and run.record.metrics:
            for name, value in run.record.metrics.per_class.items():
                if value is not None:
                    found[name].append(value)
    return {name: sum(values) / len(values) for name, values in found.items()}


def _images(table: Table, task: str) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """Class to images of source and target, as the newest run that adapts says; else as a bound saw them."""
    runs = [run for row in table.rows for run in row.group.runs if run.record.task == task]
    for run in sorted(runs, key=_adapting_and_new, reverse=True):
        by_name = {part.key: part.class_counts for part in parts(run.record)}
        if by_name.get("source") and by_name.get("target"):
            return by_name["source"], by_name["target"]
    return {}, {}


def _adapting_and_new(run: Run) -> tuple[bool, tuple[float, str, str]]:
    return not run.record.uses_target_labels, run.started
