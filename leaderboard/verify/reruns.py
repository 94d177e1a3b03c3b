"""Do runs of the same configuration, made elsewhere, agree with those of a results folder?

A run is judged by the rerun of its own seed: the same value agrees. Another value differs where configuration
and machine are the same and the device is a processor, which computes the same twice. Elsewhere rounding may
have sent training another way; the two values then differ at most as those of two seeds do, by

    t(d, 1 - 0.05 / (2 k)) s sqrt(2)

with s and d = n - 1 of the row's n other seeds on the task, k comparisons of the row. A self-reported run
within that stays self-reported: only its own value, made again, raises it. More than five points
are never within: two other seeds would allow anything.

Reruns of other seeds never raise a run. They tell against it where they lie outside of the prediction
interval of the row's n other seeds, of mean m,

    m ± t(d, 1 - 0.05 / (2 k)) s sqrt(1 + 1 / n)

(Hahn & Meeker, Statistical Intervals, 1991, sections 4.7 and 4.8; Bonferroni for k > 1). In both, only runs
that were recomputed count, and never the judged one: who invents a value would widen the interval that is to
find it. Where the row has two such seeds or more on three tasks or more, s and d are also moderated over its
tasks (Smyth 2004, ``statistics.moderated``) and the wider interval counts: three seeds that happen to agree
to the last image would else accuse every honest rerun. For the same reason no interval is narrower than one
test image each way.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student_t

from dabench.leaderboard.frame import newest_per_seed
from dabench.leaderboard.groups import Group, group
from dabench.leaderboard.runs import Run
from dabench.leaderboard.statistics.intervals import ROUNDING
from dabench.leaderboard.statistics.moderated import squeeze_variances

__all__ = ["Agreement", "compare_reruns", "prediction_interval", "spreads"]

LEVEL = 0.95
WIDEST = 0.05  # two values of one seed that are further apart differ, whatever few seeds would allow
Spread = tuple[float, float]
FEWEST_TASKS = 3  # fewer variances tell nothing of the usual one


@dataclass(frozen=True)
class Agreement:
    """What reruns say of one run: ``agrees`` is None where they cannot tell."""

    agrees: bool | None
    reason: str


def prediction_interval(
    values: ArrayLike,
    runs: int = 1,
    level: float = LEVEL,
    moderated: Spread | None = None,
    least: float = 0.0,
) -> tuple[float, float] | None:
    """The interval that holds as many further values, all of them, with probability at least ``level``.

    Args:
        values: (n,) of the runs that are known; None comes back for fewer than two.
        runs: further values, at least 1.
        level: in (0, 1).
        moderated: variance of one value and its degrees of freedom, as other tasks let expect them; the
            wider of the two intervals counts.
        least: half the width that it has at least.

    >>> low, high = prediction_interval([70, 71, 74])
    >>> f"{low:.2f} to {high:.2f}"
    '61.32 to 82.01'
    """
    array = np.asarray(values, np.float64)
    n = len(array)
    if n < 2:
        return None
    half = max(least, _half_width(array, runs, level, moderated, 1 + 1 / n))
    return float(array.mean()) - half, float(array.mean()) + half


def _half_width(
    array: NDArray[np.float64], runs: int, level: float, moderated: Spread | None, factor: float
) -> float:
    """Of an interval for a number whose variance is ``factor`` times that of one of (n,) values."""
    own = float(array.var(ddof=1)), len(array) - 1.0
    error = (1 - level) / (2 * runs)
    return max(
        float(student_t.ppf(1 - error, freedom)) * math.sqrt(variance * factor)
        for variance, freedom in (own, moderated or own)
    )


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


def compare_reruns(
    runs: Sequence[Run], reruns: Sequence[Run], recomputed: Collection[str]
) -> dict[str, Agreement]:
    """Compare every run that was run again, by its file.

    Args:
        runs: of the results folder.
        reruns: made elsewhere and recomputed; failed ones are passed by.
        recomputed: files of those runs whose numbers follow from their predictions.
    """
    again = _rows(reruns)
    found: dict[str, Agreement] = {}
    for board, groups in _rows(runs).items():
        others = again.get(board, [])
        for one in groups:
            matching = [run for other in others if _same(one, other) for run in newest_per_seed(other.runs)]
            if matching:
                found |= _row(newest_per_seed(one.runs), matching, recomputed)
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


@dataclass(frozen=True)
class _Judged:
    """A run and what it is compared with: recomputed values of its row's other seeds on the task.

    Attributes:
        spread: of those, moderated over the row's tasks; None for fewer than two.
        comparisons: of the whole row: with reruns of its own seed where there is one, else with any.
        image: what one test image adds to the metric, at most.
    """

    run: Run
    reruns: Sequence[Run]
    others: Sequence[float]
    spread: Spread | None
    comparisons: int
    image: float
    recomputed: bool


def _row(used: Sequence[Run], reruns: Sequence[Run], recomputed: Collection[str]) -> dict[str, Agreement]:
    known, further = _by_task(used), _by_task(reruns)
    sound = [run for run in used if run.file in recomputed]
    pairs = [(one, two) for task, others in further.items() for one in known.get(task, ()) for two in others]
    own_seeds = sum(one.record.seed == two.record.seed for one, two in pairs)
    found: dict[str, Agreement] = {}
    for task, others in further.items():
        image = _one_image(others[0])
        for run in known.get(task, ()):
            rest = _by_task([one for one in sound if one is not run])
            values = {name: [_value(one) for one in here] for name, here in rest.items()}
            spread, own = spreads(values).get(task), values.get(task, [])
            same_seed = any(two.record.seed == run.record.seed for two in others)
            comparisons = own_seeds if same_seed else len(pairs)
            found[run.file] = _agreement(
                _Judged(run, others, own, spread, comparisons, image, run.file in recomputed)
            )
    return found


def _one_image(run: Run) -> float:
    """What one test image more adds to a run's metric, at most; of a recomputed run."""
    assert run.record.metrics is not None
    counts = [sum(row) for row in run.record.metrics.confusion]
    seen = [count for count in counts if count]
    return 1 / sum(seen) if run.record.metric == "accuracy" else 1 / (len(seen) * min(seen))


def _by_task(runs: Sequence[Run]) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        found[run.record.task].append(run)
    return dict(found)


def _agreement(judged: _Judged) -> Agreement:
    run = judged.run
    copies = [other for other in judged.reruns if _is_copy(run, other)]
    if copies:
        return Agreement(None, f"{copies[0].file!r} among the reruns is a copy of this very run")
    own = [other for other in judged.reruns if other.record.seed == run.record.seed]
    return _own_seed(judged, own) if own else _other_seeds(judged)


def _own_seed(judged: _Judged, reruns: Sequence[Run]) -> Agreement:
    """By the rerun of the same seed that comes closest; there is one."""
    run = judged.run
    one = min(reruns, key=lambda other: (abs(_value(other) - _value(run)), other.file))
    apart = abs(_value(one) - _value(run))
    again = f"run again with seed {run.record.seed}"
    if apart <= ROUNDING:
        return Agreement(True, f"{again}: the same value, {_value(run):.4f}")
    again += f": {_value(one):.4f}, not {_value(run):.4f}"
    if any(_repeats_exactly(run, other) for other in reruns):
        return Agreement(False, f"{again}, on an equal machine, where the same run gives the same value")
    most, words = judged.image, "one test image"
    if len(judged.others) > 1:
        array = np.asarray(judged.others, np.float64)
        seeds = _half_width(array, judged.comparisons, LEVEL, judged.spread, 2.0)
        allowed = min(seeds, WIDEST), f"what {_counted(len(array))} of its row let expect"
        most, words = max((most, words), allowed)
    inside = apart <= most + ROUNDING
    reason = f"{again}, {'within' if inside else 'more than'} {most:.4f}, {words}"
    return Agreement((True if judged.recomputed else None) if inside else False, reason)


def _repeats_exactly(run: Run, other: Run) -> bool:
    """Whether two runs of one configuration should be equal to the bit: one processor and software."""
    mine, theirs = run.record, other.record
    same = mine.run_id == theirs.run_id and mine.environment == theirs.environment
    return same and mine.environment.get("device") == "cpu"


def _other_seeds(judged: _Judged) -> Agreement:
    """By reruns of other seeds, which can tell against a run and not for it."""
    interval = prediction_interval(
        judged.others, judged.comparisons, moderated=judged.spread, least=judged.image
    )
    without = f"not run again with its seed {judged.run.record.seed}"
    others = f"{_counted(len(judged.others))} besides it"
    if interval is None or (interval[0] <= 0 and interval[1] >= 1):
        return Agreement(
            None, f"{without}; {others} that could be recomputed give no interval to compare with"
        )
    low, high = interval
    words = f"{max(low, 0):.4f} to {min(high, 1):.4f}, the prediction interval of {others}"
    outside = [run for run in judged.reruns if not low - ROUNDING <= _value(run) <= high + ROUNDING]
    if outside:
        one = outside[0]
        more = f" and {len(outside) - 1} more" if len(outside) > 1 else ""
        return Agreement(
            False, f"run again with seed {one.record.seed}: {_value(one):.4f}{more}, outside of {words}"
        )
    return Agreement(None, f"{without}; its row with {_counted(len(judged.reruns))}, inside of {words}")


def _counted(seeds: int) -> str:
    return f"{seeds} seed{'s' if seeds != 1 else ''}"


def _value(run: Run) -> float:
    assert run.record.value is not None  # of finished runs; the record's own check says so
    return run.record.value


def _is_copy(run: Run, other: Run) -> bool:
    """Whether two records are one run: nobody trains twice in the same microsecond."""
    mine, theirs = run.record.timing, other.record.timing
    return run.record.run_id == other.record.run_id and mine is not None and mine == theirs
