"""Two rows of a table against each other: by suite, by task, and image by image from stored predictions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dabench.errors import UserError, unknown
from dabench.leaderboard.boards import Reading
from dabench.leaderboard.gains import cell_families
from dabench.leaderboard.rows import Row
from dabench.leaderboard.settings import Settings
from dabench.leaderboard.standings import Comparison
from dabench.leaderboard.statistics.images import image_bootstrap, mcnemar, mcnemar_counts
from dabench.leaderboard.statistics.intervals import Difference, Interval
from dabench.leaderboard.statistics.pairs import Family, compare
from dabench.leaderboard.stored_predictions import stored_predictions

__all__ = ["ImageTest", "TaskVersus", "Versus", "names", "pick", "versus"]

LARGEST_ARRAYS = 2**28
Array = NDArray[np.float64]


@dataclass(frozen=True)
class ImageTest:
    """One seed of both rows on the same test images: exact McNemar.

    Attributes:
        only_left, only_right: images that one alone gets right.
        p: two-sided.
    """

    seed: int
    only_left: int
    only_right: int
    p: float


@dataclass(frozen=True)
class TaskVersus:
    """Both rows on one task.

    Attributes:
        left, right: intervals over seeds; None without a run.
        difference: left minus right.
        images: McNemar's test of each seed that both have predictions of.
        over_images: left minus right, images drawn anew, these very seeds; None without predictions.
        missing: why image by image there is nothing, or not every seed.
    """

    task: str
    left: Interval | None
    right: Interval | None
    difference: Difference | None
    images: tuple[ImageTest, ...] = ()
    over_images: Interval | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Versus:
    """Two rows of one reading.

    Attributes:
        comparison: of the averages, left minus right; None where a row has none.
        family: number of pairs that were corrected together.
        alone: the same difference without what other rows tell of the variance; None where no test is
            moderated.
    """

    reading: Reading
    left: Row
    right: Row
    comparison: Comparison | None
    tasks: tuple[TaskVersus, ...]
    family: int
    alone: Difference | None = None


def names(rows: Sequence[Row]) -> dict[str, Row]:
    """How a row is named on the command line: its method, or method:label where a method has several rows."""
    methods = [row.method for row in rows]
    return {
        row.method if methods.count(row.method) == 1 else f"{row.method}:{row.group.label}": row
        for row in rows
    }


def pick(rows: Sequence[Row], word: str) -> Row:
    """The row that a word names.

    Raises:
        UserError: there is none; or several, which are listed.
    """
    known = names(rows)
    if word in known:
        return known[word]
    several = sorted(name for name, row in known.items() if row.method == word)
    if several:
        quoted = ", ".join(f"'{name}'" for name in several)
        raise UserError(f"'{word}' has {len(several)} rows in this table", f"name one of them: {quoted}")
    raise unknown("row", word, known)


def versus(results: Path, reading: Reading, left: Row, right: Row, settings: Settings) -> Versus:
    """Compare two rows of a reading; their predictions are read from the results folder."""
    pairs = reading.standings.pairs
    keys = left.group.key, right.group.key
    found = pairs.get(keys)
    if found is None and keys[::-1] in pairs:
        found = _turned(pairs[keys[::-1]])
    table = reading.table
    families = cell_families([row for row in table.rows if row.may_rank], table.tasks, settings)
    tasks = []
    for task in table.tasks:
        one, other = left.cells[task], right.cells[task]
        difference = compare(one.values, other.values, families[task], settings.ci.level)
        images = _image_tests(results, task, left, right, settings.ci.level) if difference else ((), None, ())
        tasks.append(TaskVersus(task, one.interval, other.interval, difference, *images))
    family = sum(pair.adjusted is not None for pair in pairs.values())
    alone = None
    if found is not None and table.test.moderates(left.averages, right.averages):
        alone = compare(left.averages, right.averages, Family(), settings.ci.level)
    return Versus(reading, left, right, found, tuple(tasks), family, alone)


def _turned(one: Comparison) -> Comparison:
    """The same comparison with its sides changed."""
    interval, share = one.interval, one.improvement
    ends = None if interval.ends is None else (-interval.ends[1], -interval.ends[0])
    if share is not None and share.value is not None:
        low = None if share.high is None else 1 - share.high
        high = None if share.low is None else 1 - share.low
        share = replace(share, value=1 - share.value, low=low, high=high)
    return replace(
        one,
        left=one.right,
        right=one.left,
        interval=replace(interval, mean=-interval.mean, ends=ends),
        improvement=share,
    )


def _image_tests(
    results: Path, task: str, left: Row, right: Row, level: float
) -> tuple[tuple[ImageTest, ...], Interval | None, tuple[str, ...]]:
    """What stored predictions say: tests by seed, the interval over images, and what is missing."""
    sides = [{run.record.seed: run for run in row.used if run.record.task == task} for row in (left, right)]
    tests: list[ImageTest] = []
    correct: tuple[list[Array], list[Array]] = ([], [])
    missing: dict[str, None] = {}
    truth = None
    for seed in sorted(set(sides[0]) & set(sides[1])):
        try:
            (one, labels), (other, same) = (
                stored_predictions(results, side[seed], row.choices[side[seed].file].step, LARGEST_ARRAYS)
                for side, row in zip(sides, (left, right), strict=True)
            )
        except UserError as error:
            missing[str(error)] = None
            continue
        truth = labels if truth is None else truth
        if not np.array_equal(labels, same) or not np.array_equal(labels, truth):
            missing["tested on other images"] = None
            continue
        counts = mcnemar_counts(one, other, labels)
        tests.append(ImageTest(seed, *counts, mcnemar(*counts)))
        for kept, predicted in zip(correct, (one, other), strict=True):
            kept.append((predicted == labels).astype(np.float64))
    over = image_bootstrap(np.array(correct[0]), np.array(correct[1]), level) if tests else None
    return tuple(tests), over, tuple(missing)
