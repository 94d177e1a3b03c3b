"""Do runs of the same configuration, made elsewhere, agree with those of a results folder?

A rerun of a row on a task agrees where its value lies in the prediction interval of the row's seeds there:
with n values of mean m and standard deviation s, and k reruns,

    m ± t(n - 1, 1 - 0.05 / (2 k)) s sqrt(1 + 1 / n)

holds all k with probability at least 0.95 if they are drawn as the n were (Hahn & Meeker, Statistical
Intervals, 1991, sections 4.7 and 4.8; Bonferroni for k > 1). A rerun with the same seed and the same value
agrees without any interval.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student_t

from dabench.leaderboard.frame import newest_per_seed
from dabench.leaderboard.groups import Group, group
from dabench.leaderboard.runs import Run
from dabench.leaderboard.statistics.intervals import ROUNDING

__all__ = ["Agreement", "compare_reruns", "prediction_interval"]

LEVEL = 0.95


@dataclass(frozen=True)
class Agreement:
    """What reruns say of one run: ``agrees`` is None where they cannot tell."""

    agrees: bool | None
    reason: str


def prediction_interval(values: ArrayLike, runs: int = 1, level: float = LEVEL) -> tuple[float, float] | None:
    """The interval that holds as many further values, all of them, with probability at least ``level``.

    Args:
        values: (n,) of the runs that are known; None comes back for fewer than two.
        runs: further values, at least 1.
        level: in (0, 1).

    >>> low, high = prediction_interval([70, 71, 74])
    >>> f"{low:.2f} to {high:.2f}"
    '61.32 to 82.01'
    """
    array = np.asarray(values, np.float64)
    n = len(array)
    if n < 2:
        return None
    quantile = float(student_t.ppf(1 - (1 - level) / (2 * runs), n - 1))
    half = quantile * float(array.std(ddof=1)) * (1 + 1 / n) ** 0.5
    return float(array.mean()) - half, float(array.mean()) + half


def compare_reruns(runs: Sequence[Run], reruns: Sequence[Run]) -> dict[str, Agreement]:
    """Compare every run that was run again, by its file.

    Args:
        runs: of the results folder.
        reruns: made elsewhere and recomputed; failed ones are passed by.
    """
    again = _rows(reruns)
    found: dict[str, Agreement] = {}
    for board, groups in _rows(runs).items():
        others = again.get(board, [])
        for one in groups:
            matching = [run for other in others if _same(one, other) for run in newest_per_seed(other.runs)]
            if matching:
                found |= _row(newest_per_seed(one.runs), matching)
    return found


Board = tuple[str, str, str, str]


def _rows(runs: Sequence[Run]) -> dict[Board, list[Group]]:
    boards: dict[Board, list[Run]] = defaultdict(list)
    for run in runs:
        record = run.record
        boards[record.suite, record.backbone, record.protocol, record.metric].append(run)
    return {board: group(members) for board, members in boards.items()}


def _same(one: Group, other: Group) -> bool:
    """Whether two rows are of one method and configuration on the same images."""
    mine = (one.method, one.upper_bound, one.configuration)
    images = all(one.images.get(name, value) == value for name, value in other.images.items())
    return images and mine == (other.method, other.upper_bound, other.configuration)


def _row(used: Sequence[Run], reruns: Sequence[Run]) -> dict[str, Agreement]:
    by_task: Mapping[str, list[Run]] = defaultdict(list)
    for run in reruns:
        by_task[run.record.task].append(run)
    found: dict[str, Agreement] = {}
    for task, further in by_task.items():
        here = [run for run in used if run.record.task == task]
        interval = prediction_interval([_value(run) for run in here], len(further))
        for run in here:
            found[run.file] = _agreement(run, further, interval, len(here))
    return found


def _agreement(
    run: Run, reruns: Sequence[Run], interval: tuple[float, float] | None, seeds: int
) -> Agreement:
    copies = [other for other in reruns if _is_copy(run, other)]
    if copies:
        return Agreement(None, f"{copies[0].file!r} among the reruns is a copy of this very run")
    equal = [
        other
        for other in reruns
        if other.record.seed == run.record.seed and abs(_value(other) - _value(run)) <= ROUNDING
    ]
    if equal:
        return Agreement(True, f"run again with seed {run.record.seed}: the same value, {_value(run):.4f}")
    if interval is None:
        return Agreement(None, f"run again, but {seeds} seed gives no interval to compare with")
    low, high = interval
    words = f"{low:.4f} to {high:.4f}, where {seeds} seeds let expect {len(reruns)} more"
    outside = [other for other in reruns if not low - ROUNDING <= _value(other) <= high + ROUNDING]
    if outside:
        one = outside[0]
        more = f" and {len(outside) - 1} more" if len(outside) > 1 else ""
        return Agreement(
            False, f"run again with seed {one.record.seed}: {_value(one):.4f}{more}, outside of {words}"
        )
    shown = ", ".join(f"{_value(other):.4f}" for other in reruns[:5])
    return Agreement(True, f"run again with {len(reruns)} seeds: {shown}, inside of {words}")


def _value(run: Run) -> float:
    assert run.record.value is not None  # of finished runs; the record's own check says so
    return run.record.value


def _is_copy(run: Run, other: Run) -> bool:
    """Whether two records are one run: nobody trains twice in the same microsecond."""
    mine, theirs = run.record.timing, other.record.timing
    return run.record.run_id == other.record.run_id and mine is not None and mine == theirs
