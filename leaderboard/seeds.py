"""From runs to one number a seed: values by task and seed, their means over all tasks, their intervals."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from dabench.leaderboard.runs import Run
from dabench.leaderboard.statistics.intervals import Interval, t_interval

__all__ = ["averages", "by_task", "over_seeds", "task_mean"]


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


def over_seeds(values: Mapping[int, float]) -> Interval | None:
    """Student-t interval of one value a seed; None where there is none."""
    return t_interval([values[seed] for seed in sorted(values)]) if values else None


def task_mean(
    runs: Iterable[Run], tasks: Sequence[str], value: Callable[[Run], float | None]
) -> Interval | None:
    """Interval over seeds of the mean over all tasks; None where no seed has a value on every task."""
    return over_seeds(averages(by_task(runs, tasks, value)))
