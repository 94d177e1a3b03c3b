"""From runs to tables: ``aggregate(runs, suites)`` is a pure function, the page and the terminal show it.

One table a suite, backbone, protocol and metric; one row a method and configuration; one column a task.
Accuracies stay in [0, 1].
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from dabench.leaderboard.bounds import absent_bounds
from dabench.leaderboard.choices import Choice, Selection
from dabench.leaderboard.frame import newest_per_seed
from dabench.leaderboard.gains import Comparer, with_moderated
from dabench.leaderboard.groups import REFERENCE, Group, group
from dabench.leaderboard.origins import looked_note, origins
from dabench.leaderboard.rows import FEWEST_SEEDS, Cell, Row, SuiteInfo, Table
from dabench.leaderboard.runs import Run
from dabench.leaderboard.seeds import (
    averages,
    by_task,
    cell_interval,
    over_seeds,
    suite_interval,
    task_mean,
)
from dabench.leaderboard.settings import Settings
from dabench.leaderboard.statistics.collapse import collapsed
from dabench.leaderboard.statistics.images import wilson_interval
from dabench.leaderboard.statistics.intervals import ROUNDING, Interval
from dabench.leaderboard.statistics.ranks import competition_ranks

__all__ = [
    "FEWEST_SEEDS",
    "REFERENCE",
    "Cell",
    "Row",
    "SuiteInfo",
    "Table",
    "aggregate",
    "columns",
    "one_table",
]


def aggregate(
    runs: Iterable[Run],
    suites: Mapping[str, SuiteInfo],
    selection: Selection | None = None,
    settings: Settings | None = None,
    common: bool = False,
) -> tuple[Table, ...]:
    """Build all tables. The order of the runs does not matter.

    Args:
        runs: all runs, failed ones included, with what rules say of them.
        suites: what is known of suites by name.
        selection: the rule that numbers are taken by; by default that of each run's protocol.
        settings: how intervals and comparisons are computed.
        common: only the tasks that every row has.
    """
    split: dict[tuple[str, str, str, str], list[Run]] = defaultdict(list)
    for run in runs:
        record = run.record
        split[record.suite, record.backbone, record.protocol, record.metric].append(run)
    order = suites, settings or Settings(), selection or Selection(), common
    return tuple(one_table(key, group(split[key]), *order) for key in sorted(split))


def _told(runs: Sequence[Run]) -> SuiteInfo | None:
    """What the newest record tells of a suite of somebody's own, if anything: all its tasks, run or not."""
    infos = [run for run in sorted(runs, key=lambda run: run.started) if _listed(run, "tasks")]
    if not infos:
        return None
    texts = {key: tuple(map(str, _listed(infos[-1], key))) for key in ("tasks", "classes")}
    title = infos[-1].record.suite_info.get("title", "")
    return SuiteInfo(str(title) or runs[0].record.suite, **texts)


def _listed(run: Run, key: str) -> Sequence[object]:
    """A list in what a record tells of its suite; empty where it tells something else."""
    found = run.record.suite_info.get(key)
    return found if isinstance(found, list | tuple) else ()


def one_table(
    key: tuple[str, str, str, str],
    groups: Sequence[Group],
    suites: Mapping[str, SuiteInfo],
    settings: Settings,
    selection: Selection,
    common: bool,
) -> Table:
    """One of the tables that ``aggregate`` builds, from runs that are split into rows already.

    Args:
        key: suite, backbone, protocol and metric of all the runs.
        groups: what ``groups.group`` makes of the runs.
        suites: as ``aggregate``, likewise all others.
        settings: of intervals and comparisons.
        selection: of the evaluation that counts.
        common: only the tasks that every row has.
    """
    runs = [run for one in groups for run in one.runs]
    info, tasks = columns(key[0], runs, suites)
    if common:
        tasks = _common(groups, tasks)
    classes = len(info.classes) if info else 0
    plain = [_row(one, tasks, classes, settings, selection) for one in groups]
    rows = {row.group.key: row for row in with_moderated(plain, tasks, settings.ci)}
    comparer = Comparer(rows, groups, tasks, settings)
    compared = [comparer.compared(rows[one.key]) for one in groups]
    shared = sorted(frozenset.intersection(*(row.origins.looked for row in compared)))
    ordered = _ranked(_looked(row, shared) for row in compared)
    absent = absent_bounds(sorted(runs, key=lambda run: run.file))
    notes = tuple(filter(None, [looked_note(shared), _nothing_ranked(ordered, tasks, groups)]))
    return Table(
        *key,
        info or SuiteInfo(key[0]),
        tasks,
        ordered,
        settings,
        info is not None,
        absent,
        notes,
        comparer.test,
    )


def _nothing_ranked(rows: Sequence[Row], tasks: Sequence[str], groups: Sequence[Group]) -> str:
    """Why nothing is ranked where no row is complete, and what to read instead; else empty."""
    done = [row.tasks_done for row in rows if row.tasks_done]
    if not done or max(done) == len(tasks):
        return ""
    if not _common(groups, tasks):
        return f"no row has all {len(tasks)} tasks, and no task is common to all rows: nothing is ranked"
    return (
        f"no row has all {len(tasks)} tasks, so nothing is ranked here; on the tasks that all rows have: "
        "“common to all rows” above, or dabench leaderboard --common"
    )


def columns(
    suite: str, runs: Sequence[Run], suites: Mapping[str, SuiteInfo]
) -> tuple[SuiteInfo | None, tuple[str, ...]]:
    """What is known of a suite, and its tasks: those of the manifest, run or not, then others of runs."""
    info = suites.get(suite) or _told(runs)
    seen = sorted({run.record.task for run in runs})
    known = info.tasks if info else ()
    return info, (*known, *(task for task in seen if task not in known))


def _common(groups: Sequence[Group], tasks: Sequence[str]) -> tuple[str, ...]:
    """The tasks on which every row has a finished run."""
    done = [{run.record.task for run in one.runs if run.record.status == "done"} for one in groups]
    return tuple(task for task in tasks if all(task in found for found in done if found))


def _row(one: Group, tasks: Sequence[str], classes: int, settings: Settings, selection: Selection) -> Row:
    used = [run for run in newest_per_seed(one.runs) if run.record.task in tasks]
    choices = {run.file: selection.choose(run) for run in used}
    values = by_task(used, tasks, lambda run: choices[run.file].value)
    oracles = by_task(used, tasks, lambda run: run.record.oracle)
    cells = {}
    for task in tasks:
        here = [run for run in used if run.record.task == task]
        interval = cell_interval(values[task], settings.ci)
        cells[task] = Cell(
            values[task],
            interval,
            over_seeds(oracles[task], settings.ci.level),
            failed=sum(run.record.task == task and run.record.status == "failed" for run in one.runs),
            unavailable=sum(choices[run.file].value is None for run in here),
            collapsed=sum(collapsed(list(values[task].values()), classes or _classes(here))),
            image_interval=_image_interval(interval, here, settings.ci.level),
        )
    means = averages(values)
    rule = selection.rule_of(one.runs[0])
    return Row(
        one,
        cells,
        means,
        suite_interval(values, settings.ci),
        over_seeds(averages(oracles), settings.ci.level),
        task_mean(used, tasks, _inflation, settings.ci.level),
        tuple(used),
        sum(bool(cell.values) for cell in cells.values()),
        settings.ci.level,
        choices,
        rule,
        rule in selection.peeking,
        origins(one.runs),
        (*_notes(one, used, cells, means), *_rule_notes(rule, list(choices.values()))),
        min_seeds=settings.min_seeds,
    )


def _classes(runs: Sequence[Run]) -> int:
    """Number of classes that finished runs know of; 0 where they tell nothing."""
    return max((len(run.record.metrics.confusion) for run in runs if run.record.metrics), default=0)


def _image_interval(interval: Interval | None, runs: Sequence[Run], level: float) -> Interval | None:
    """Wilson's interval of a cell's mean on the fewest test images that its runs had."""
    if interval is None or any(run.record.metric != "accuracy" for run in runs):
        return None
    images = min(map(_test_images, runs))
    return wilson_interval(min(max(interval.mean, 0.0), 1.0), images, level) if images else None


def _test_images(run: Run) -> int:
    """Number of test images, as the record's data say, else its confusion; 0 where unknown."""
    part = run.record.dataset.get("target_test")
    count = part.get("images") if isinstance(part, Mapping) else None
    if isinstance(count, int) and count > 0:
        return count
    metrics = run.record.metrics
    return sum(map(sum, metrics.confusion)) if metrics else 0


def _looked(row: Row, shared: Sequence[str]) -> Row:
    """Add what of a row's recipe was chosen by looking at target accuracy, beyond what all rows share."""
    note = looked_note(row.origins.looked, shared)
    return replace(row, notes=(*row.notes, note)) if note else row


def _inflation(run: Run) -> float | None:
    """What reporting the best evaluation would add to the last step's value."""
    record = run.record
    return None if record.oracle is None or record.value is None else record.oracle - record.value


def _rule_notes(rule: str, choices: Sequence[Choice]) -> list[str]:
    """Runs that the rule is not available for, by reason, and an upper bound that keeps its last step."""
    reasons = Counter(choice.reason for choice in choices if choice.value is None)
    notes = [
        f"{rule} is not available for {count} runs: {reason}" for reason, count in sorted(reasons.items())
    ]
    if any(choice.kept_last for choice in choices):
        notes.append(f"at the last step: {rule} does not apply to an upper bound")
    return notes


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


def _ranked(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Sort by average, incomplete rows later, those chosen on target labels then, bounds last; then rank."""

    def place(row: Row) -> tuple[bool, bool, bool, float, int, str]:
        mean = row.average.mean if row.average else 0.0
        return (
            row.upper_bound, row.on_target_labels, row.average is None, -mean, -row.tasks_done, row.group.key,
        )  # fmt: skip

    ordered = sorted(rows, key=place)
    placed = [row for row in ordered if row.may_rank]
    means = [row.average.mean for row in placed if row.average]
    ranks = {
        row.group.key: rank for row, rank in zip(placed, competition_ranks(means, ROUNDING), strict=True)
    }
    return tuple(replace(row, rank=ranks.get(row.group.key)) for row in ordered)
