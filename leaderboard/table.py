"""From runs to tables: ``aggregate(runs, suites)`` is a pure function, the page and the terminal show it.

One table a suite, backbone, protocol and metric; one row a method and configuration; one column a task.
Accuracies stay in [0, 1].
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dabench.leaderboard.frame import newest_per_seed
from dabench.leaderboard.groups import REFERENCE, Group, group, reference_for, unlike
from dabench.leaderboard.runs import Run
from dabench.leaderboard.statistics import ROUNDING, Difference, Interval, difference, t_interval

__all__ = ["FEWEST_SEEDS", "REFERENCE", "Cell", "Row", "SuiteInfo", "Table", "aggregate"]

# Below three seeds an interval is so wide (n = 2: 12.7 times the standard error) that an order means nothing.
FEWEST_SEEDS = 3


@dataclass(frozen=True)
class SuiteInfo:
    """What the leaderboard needs of a suite's manifest: title, tasks and classes in their order."""

    title: str
    tasks: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cell:
    """One method on one task.

    Attributes:
        values: seed to headline metric at the last step.
        interval: over seeds; None where no run finished.
        oracle: the best over evaluations, chosen on target labels; no result, shown apart.
        gain: difference to the reference row on this task.
        failed: number of failed runs.
    """

    values: Mapping[int, float] = field(default_factory=dict)
    interval: Interval | None = None
    oracle: Interval | None = None
    gain: Difference | None = None
    failed: int = 0


@dataclass(frozen=True)
class Row:
    """One method in one configuration on all tasks of a table.

    Attributes:
        rank: place by average among complete rows with enough seeds; None for all others.
        averages: seed to mean over all tasks, for seeds that every task has.
        average: interval over ``averages``; None where the grid is incomplete.
        oracle_average: the same of the oracle values.
        gain: difference of the averages to the reference row's.
        tasks_done: tasks with at least one finished run.
        used: the runs behind the values.
        notes: sentences a reader of the row needs.
    """

    group: Group
    cells: Mapping[str, Cell]
    averages: Mapping[int, float]
    average: Interval | None
    oracle_average: Interval | None
    used: tuple[Run, ...]
    tasks_done: int
    notes: tuple[str, ...] = ()
    gain: Difference | None = None
    reference: Group | None = None
    rank: int | None = None

    @property
    def method(self) -> str:
        """The method's name."""
        return self.group.method

    @property
    def upper_bound(self) -> bool:
        """Trained on target labels: never ranked."""
        return self.group.upper_bound

    @property
    def failed(self) -> int:
        """Number of failed runs."""
        return sum(cell.failed for cell in self.cells.values())


@dataclass(frozen=True)
class Table:
    """One suite with one backbone under one protocol.

    Attributes:
        tasks: columns in the manifest's order (sorted where the suite is unknown).
        rows: ranked ones by average, then incomplete ones, then upper bounds.
        suite_known: False where the columns are only those that some run has.
    """

    suite: str
    backbone: str
    protocol: str
    metric: str
    info: SuiteInfo
    tasks: tuple[str, ...]
    rows: tuple[Row, ...]
    suite_known: bool


def aggregate(runs: Iterable[Run], suites: Mapping[str, SuiteInfo]) -> tuple[Table, ...]:
    """Build all tables. The order of the runs does not matter.

    Args:
        runs: all runs, failed ones included.
        suites: what is known of suites by name.
    """
    split: dict[tuple[str, str, str, str], list[Run]] = defaultdict(list)
    for run in runs:
        record = run.record
        split[record.suite, record.backbone, record.protocol, record.metric].append(run)
    return tuple(_table(key, split[key], suites.get(key[0]) or _told(split[key])) for key in sorted(split))


def _told(runs: Sequence[Run]) -> SuiteInfo | None:
    """What the newest record tells of a suite of somebody's own, if anything: all its tasks, run or not."""
    infos = [
        run.record.suite_info
        for run in sorted(runs, key=lambda run: run.started)
        if run.record.suite_info.get("tasks")
    ]
    if not infos:
        return None
    texts = {key: tuple(map(str, infos[-1].get(key, ()))) for key in ("tasks", "classes")}
    return SuiteInfo(str(infos[-1].get("title", "")) or runs[0].record.suite, **texts)


def _table(key: tuple[str, str, str, str], runs: Sequence[Run], info: SuiteInfo | None) -> Table:
    seen = sorted({run.record.task for run in runs})
    known = info.tasks if info else ()
    tasks = (*known, *(task for task in seen if task not in known))
    groups = group(runs)
    rows = {one.key: _row(one, tasks) for one in groups}
    compared = [_compare(rows[one.key], reference_for(one, groups), rows) for one in groups]
    return Table(*key, info or SuiteInfo(key[0]), tasks, _ranked(compared), info is not None)


def _row(one: Group, tasks: Sequence[str]) -> Row:
    used = newest_per_seed(one.runs)
    values: dict[str, dict[int, float]] = {task: {} for task in tasks}
    oracles: dict[str, dict[int, float]] = {task: {} for task in tasks}
    for run in used:
        record = run.record
        if record.value is not None:
            values[record.task][record.seed] = record.value
        if record.oracle is not None:
            oracles[record.task][record.seed] = record.oracle
    cells = {}
    for task in tasks:
        failed = sum(run.record.task == task and run.record.status == "failed" for run in one.runs)
        cells[task] = Cell(values[task], _interval(values[task]), _interval(oracles[task]), None, failed)
    averages = _averages(values)
    done = sum(bool(cell.values) for cell in cells.values())
    notes = _notes(one, used, cells, averages)
    oracle = _interval(_averages(oracles)) if done == len(tasks) else None
    return Row(one, cells, averages, _interval(averages), oracle, tuple(used), done, notes)


def _interval(values: Mapping[int, float]) -> Interval | None:
    return t_interval([values[seed] for seed in sorted(values)]) if values else None


def _averages(values: Mapping[str, Mapping[int, float]]) -> dict[int, float]:
    """Mean over all tasks for each seed that every task has. A task without runs leaves none."""
    if not values:
        return {}
    common = set.intersection(*(set(by_seed) for by_seed in values.values()))
    return {seed: sum(by_seed[seed] for by_seed in values.values()) / len(values) for seed in sorted(common)}


def _notes(
    one: Group, used: Sequence[Run], cells: Mapping[str, Cell], averages: Mapping[int, float]
) -> tuple[str, ...]:
    notes = one.notes()
    done = sum(run.record.status == "done" for run in one.runs)
    if done > len(used):
        notes.append(f"{done - len(used)} earlier runs of a task and seed that ran again are not counted")
    done_tasks = sum(bool(cell.values) for cell in cells.values())
    seeds = {seed for cell in cells.values() for seed in cell.values}
    if done_tasks < len(cells):
        notes.append(f"{done_tasks}/{len(cells)} tasks, so no average")
    elif not averages:
        notes.append("no seed was run on all tasks, so no average")
    elif len(averages) < len(seeds):
        left = ", ".join(str(seed) for seed in sorted(seeds - set(averages)))
        notes.append(f"average without seed {left}, which some tasks lack")
    return tuple(notes)


def _compare(row: Row, reference: Group | None, rows: Mapping[str, Row]) -> Row:
    """Add the differences to source_only. A source_only row is compared with nothing."""
    if row.method == REFERENCE:
        return row
    if reference is None:
        if any(other.method == REFERENCE for other in rows.values()):
            return replace(row, notes=(*row.notes, "no single source_only row fits, so no gain"))
        return row
    base = rows[reference.key]
    cells = {
        task: replace(cell, gain=difference(cell.values, base.cells[task].values))
        for task, cell in row.cells.items()
    }
    differs = unlike(row.group, reference)
    note = (f"unlike its source_only: {', '.join(differs)}",) if differs else ()
    gain = difference(row.averages, base.averages)
    return replace(row, cells=cells, gain=gain, reference=reference, notes=(*row.notes, *note))


def _ranked(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Sort: complete rows by average, incomplete rows by tasks done, upper bounds last; then rank."""

    def place(row: Row) -> tuple[bool, bool, float, int, str]:
        mean = row.average.mean if row.average else 0.0
        return row.upper_bound, row.average is None, -mean, -row.tasks_done, row.group.key

    ordered: list[Row] = []
    rank, ranked, previous = 0, 0, float("inf")
    for row in sorted(rows, key=place):
        if row.upper_bound or row.average is None or row.average.n < FEWEST_SEEDS:
            ordered.append(row)
            continue
        ranked += 1
        if previous - row.average.mean > ROUNDING:  # equal averages share a rank
            rank, previous = ranked, row.average.mean
        ordered.append(replace(row, rank=rank))
    return tuple(ordered)
