"""From runs to one number a seed: values by task and seed, their means over all tasks, their intervals."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from dabench.leaderboard.runs import Run
from dabench.leaderboard.settings import Ci
from dabench.leaderboard.statistics.bootstrap import (
    FEWEST,
    bootstrap_t_interval,
    stratified_bootstrap_interval,
)
from dabench.leaderboard.statistics.intervals import Interval, t_interval
from dabench.leaderboard.statistics.moderated import moderated_intervals
from dabench.leaderboard.statistics.suite_average import welch_satterthwaite_interval

__all__ = ["averages", "by_task", "cell_interval", "moderated", "over_seeds", "suite_interval", "task_mean"]

USUAL = Ci()


def by_task(
    runs: Iterable[Run], tasks: Sequence[str], value: Callable[[Run], float | None]
) -> dict[str, dict[int, float]]:
    """Task to seed to a run's value; runs without one are left out, tasks without runs stay empty."""
    found: dict[str, dict[int, float]] = {task: {} for task in tasks}
    for run in runs:
        number = value(run)
        if number is not None:
            found[run.record.task][run.record.seed] = number
    return found


def averages(values: Mapping[str, Mapping[int, float]]) -> dict[int, float]:
    """Mean over all tasks for each seed that every task has. A task without runs leaves none."""
    if not values:
        return {}
    common = set.intersection(*(set(by_seed) for by_seed in values.values()))
    return {seed: sum(by_seed[seed] for by_seed in values.values()) / len(values) for seed in sorted(common)}


def over_seeds(values: Mapping[int, float], level: float) -> Interval | None:
    """Student-t interval of one value a seed; None where there is none."""
    return t_interval([values[seed] for seed in sorted(values)], level) if values else None


def cell_interval(values: Mapping[int, float], ci: Ci = USUAL) -> Interval | None:
    """Interval of one cell as the settings want it; bootstrap from ten seeds on, t below.

    A moderated interval needs all rows, see ``moderated``; here it is a t.
    """
    if ci.cell == "bootstrap_t" and len(values) >= FEWEST:
        return bootstrap_t_interval([values[seed] for seed in sorted(values)], ci.level)
    return over_seeds(values, ci.level)


def suite_interval(values: Mapping[str, Mapping[int, float]], ci: Ci = USUAL) -> Interval | None:
    """Interval of a row's average over tasks, over the seeds that every task has.

    Args:
        values: task to seed to value.
        ci: which interval; bootstrap from ten seeds on, t below. A moderated one needs all rows, see
            ``moderated``; here it is a t.
    """
    means = averages(values)
    if not means or ci.suite in ("t", "moderated_t"):
        return over_seeds(means, ci.level)
    tasks = [[by_seed[seed] for seed in means] for by_seed in values.values()]
    if ci.suite == "welch_satterthwaite":
        return welch_satterthwaite_interval(tasks, ci.level)
    if len(means) >= FEWEST:
        return stratified_bootstrap_interval(tasks, ci.level)
    return over_seeds(means, ci.level)


def moderated(rows: Sequence[Mapping[int, float]], level: float) -> list[Interval | None]:
    """Moderated intervals of rows of one task, or of their averages, each seed to value; in their order."""
    present = [index for index, row in enumerate(rows) if row]
    arrays = [np.array([rows[index][seed] for seed in sorted(rows[index])]) for index in present]
    made = dict(zip(present, moderated_intervals(arrays, level), strict=True))
    return [made.get(index) for index in range(len(rows))]


def task_mean(
    runs: Iterable[Run], tasks: Sequence[str], value: Callable[[Run], float | None], level: float
) -> Interval | None:
    """Interval over seeds of the mean over all tasks; None where no seed has a value on every task."""
    return over_seeds(averages(by_task(runs, tasks, value)), level)
