"""Do runs of the same configuration, made elsewhere, agree with those of a results folder?

A rerun of a row on a task agrees where its value lies in the prediction interval of the row's seeds there:
with n values of mean m and standard deviation s, and k reruns of the row on all tasks together,

    m ± t(d, 1 - 0.05 / (2 k)) s sqrt(1 + 1 / n)

holds all k with probability at least 0.95 if they are drawn as the n were, d = n - 1 (Hahn & Meeker,
Statistical Intervals, 1991, sections 4.7 and 4.8; Bonferroni for k > 1). Where the row has two seeds or more
on three tasks or more, s and d are also moderated over its tasks (Smyth 2004, ``statistics.moderated``) and
the wider interval counts: three seeds that happen to agree to the last image would else accuse every honest
rerun. A rerun with the same seed and the same value agrees without any interval.
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
from dabench.leaderboard.statistics.moderated import squeeze_variances

__all__ = ["Agreement", "compare_reruns", "prediction_interval", "spreads"]

LEVEL = 0.95
Spread = tuple[float, float]
FEWEST_TASKS = 3  # fewer variances tell nothing of the usual one


@dataclass(frozen=True)
class Agreement:
    """What reruns say of one run: ``agrees`` is None where they cannot tell."""

    agrees: bool | None
    reason: str


def prediction_interval(
    values: ArrayLike, runs: int = 1, level: float = LEVEL, moderated: Spread | None = None
) -> tuple[float, float] | None:
    """The interval that holds as many further values, all of them, with probability at least ``level``.

    Args:
        values: (n,) of the runs that are known; None comes back for fewer than two.
        runs: further values, at least 1.
        level: in (0, 1).
        moderated: variance of one value and its degrees of freedom, as other tasks let expect them; the
            wider of the two intervals counts.

    >>> low, high = prediction_interval([70, 71, 74])
    >>> f"{low:.2f} to {high:.2f}"
    '61.32 to 82.01'
    """
    array = np.asarray(values, np.float64)
    n = len(array)
    if n < 2:
        return None
    own = float(array.var(ddof=1)), n - 1.0
    error = (1 - level) / (2 * runs)
    half = max(
        float(student_t.ppf(1 - error, freedom)) * (variance * (1 + 1 / n)) ** 0.5
        for variance, freedom in (own, moderated or own)
    )
    return float(array.mean()) - half, float(array.mean()) + half


def spreads(values: Mapping[str, Sequence[float]]) -> dict[str, Spread]:
    """Variance of one value and its degrees of freedom on each task, moderated over the tasks of a row.

    Args:
        values: task to the values of its seeds; tasks with fewer than two are left out, and with fewer than
            three others nothing is moderated.
    """
    several = {task: np.asarray(given, np.float64) for task, given in values.items() if len(given) > 1}
    variances = np.array([array.var(ddof=1) for array in several.values()])
    freedom = np.array([len(array) - 1.0 for array in several.values()])
    if len(several) >= FEWEST_TASKS:
        variances, freedom = squeeze_variances(variances, freedom)
    return {
        task: (float(variance), float(degrees))
        for task, variance, degrees in zip(several, variances, freedom, strict=True)
    }


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
    known, further = _by_task(used), _by_task(reruns)
    spread = spreads({task: [_value(run) for run in here] for task, here in known.items()})
    found: dict[str, Agreement] = {}
    for task, others in further.items():
        here = known.get(task, [])
        values = [_value(run) for run in here]
        interval = prediction_interval(values, len(reruns), moderated=spread.get(task))
        for run in here:
            found[run.file] = _agreement(run, others, interval, len(here))
    return found


def _by_task(runs: Sequence[Run]) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        found[run.record.task].append(run)
    return dict(found)


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
        return Agreement(None, f"run again, but {_counted(seeds)} gives no interval to compare with")
    low, high = interval
    words = f"{low:.4f} to {high:.4f}, the prediction interval of {seeds} seeds"
    outside = [other for other in reruns if not low - ROUNDING <= _value(other) <= high + ROUNDING]
    if outside:
        one = outside[0]
        more = f" and {len(outside) - 1} more" if len(outside) > 1 else ""
        return Agreement(
            False, f"run again with seed {one.record.seed}: {_value(one):.4f}{more}, outside of {words}"
        )
    shown = ", ".join(f"{_value(other):.4f}" for other in reruns[:5])
    return Agreement(True, f"run again with {_counted(len(reruns))}: {shown}, inside of {words}")


def _counted(seeds: int) -> str:
    return f"{seeds} seed{'s' if seeds != 1 else ''}"


def _value(run: Run) -> float:
    assert run.record.value is not None  # of finished runs; the record's own check says so
    return run.record.value


def _is_copy(run: Run, other: Run) -> bool:
    """Whether two records are one run: nobody trains twice in the same microsecond."""
    mine, theirs = run.record.timing, other.record.timing
    return run.record.run_id == other.record.run_id and mine is not None and mine == theirs
