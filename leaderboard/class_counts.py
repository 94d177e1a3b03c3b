"""How many images each class has in source and target, and how far the two differ, from the records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dabench.leaderboard.rows import Table
from dabench.leaderboard.runs import Run

__all__ = ["Counts", "TaskClasses", "class_counts", "label_shift"]


@dataclass(frozen=True)
class Counts:
    """Images of each class in one part.

    Attributes:
        images: all of them.
        imbalance: images of the largest class over those of the smallest that has any; at least 1.
        smallest, largest: a class each, by name.
        empty: number of classes without an image.
    """

    images: int
    imbalance: float
    smallest: str
    largest: str
    empty: int

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> "Counts | None":
        """Summarise class to images; None where there is no image."""
        present = {name: count for name, count in sorted(counts.items()) if count > 0}
        if not present:
            return None
        smallest, largest = min(present, key=present.__getitem__), max(present, key=present.__getitem__)
        return cls(
            sum(present.values()),
            present[largest] / present[smallest],
            smallest,
            largest,
            len(counts) - len(present),
        )


@dataclass(frozen=True)
class TaskClasses:
    """One task: what a run trained on in both domains, and the label shift between them, in [0, 1]."""

    task: str
    source: Counts
    target: Counts
    shift: float


def label_shift(source: Mapping[str, int], target: Mapping[str, int]) -> float:
    """Total variation distance of two class distributions, in [0, 1]: half the sum of |p - q|.

    It is the part of the images that would have to change their class to make the distributions equal.

    Args:
        source: class to images, at least one image in all.
        target: likewise; a class that only one side names has no image in the other.

    >>> label_shift({"cat": 50, "dog": 50}, {"cat": 80, "dog": 20})
    0.3
    """
    sums = sum(source.values()), sum(target.values())
    classes = sorted({*source, *target})
    shares = [(source.get(name, 0) / sums[0], target.get(name, 0) / sums[1]) for name in classes]
    return round(sum(abs(p - q) for p, q in shares) / 2, 12)


def class_counts(table: Table) -> tuple[TaskClasses, ...]:
    """The tasks of a table whose records hold class counts, each as its newest run saw it.

    Upper bounds come last: they do not read the source.
    """
    runs = [run for row in table.rows for run in row.group.runs]
    found = (_task(task, [run for run in runs if run.record.task == task]) for task in table.tasks)
    return tuple(one for one in found if one is not None)


def _task(task: str, runs: Sequence[Run]) -> TaskClasses | None:
    newest = sorted(runs, key=lambda run: run.started, reverse=True)
    for run in sorted(newest, key=lambda run: run.record.uses_target_labels):
        source, target = (_counts(run.record.dataset.get(name)) for name in ("source", "target"))
        parts = Counts.of(source), Counts.of(target)
        if parts[0] and parts[1]:
            return TaskClasses(task, parts[0], parts[1], label_shift(source, target))
    return None


def _counts(part: Any) -> dict[str, int]:
    """The class counts of a part of a record; a record may be anybody's, so everything is checked."""
    counts = part.get("class_counts") if isinstance(part, Mapping) else None
    if not isinstance(counts, Mapping):
        return {}
    return {str(name): count for name, count in counts.items() if isinstance(count, int) and count >= 0}
