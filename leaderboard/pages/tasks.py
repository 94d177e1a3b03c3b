"""The page of a task: all methods on it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dabench.leaderboard import view
from dabench.leaderboard.addresses import task_page
from dabench.leaderboard.boards import Reading, Site
from dabench.leaderboard.drill.class_means import classes_of
from dabench.leaderboard.drill.collapses import collapsed_runs
from dabench.leaderboard.drill.data import test_images
from dabench.leaderboard.drill.paired import against_reference
from dabench.leaderboard.pages.renderer import Page, Renderer
from dabench.leaderboard.plots.strips import seed_strips
from dabench.leaderboard.rows import Row
from dabench.leaderboard.runs import Run
from dabench.leaderboard.seeds import over_seeds
from dabench.leaderboard.statistics.images import wilson_interval
from dabench.leaderboard.statistics.intervals import Interval

__all__ = ["task_pages"]

# Office-31's number: more classes than that are no table that anybody reads.
MOST_CLASSES = 31


def task_pages(renderer: Renderer, reading: Reading) -> Iterator[Page]:
    """One page a task of a board in its default way."""
    table = reading.table
    for number, task in enumerate(table.tasks, 1):
        rows = _by_mean(table.rows, task)
        classes = classes_of(table, rows, task)
        yield renderer.page(
            task_page(table, task), "task.html.j2", reading=reading, table=table, task=task, number=number,
            scripted="pictures", rows=rows, runs={row.group.key: _runs(row, task) for row in rows},
            classes=classes,
            view=view, strip=seed_strips(reading, task),
            pages=any(run.file in renderer.site.detailed for run in reading.board.runs),
            few_classes=len(classes.lines) <= MOST_CLASSES,
            intervals={row.group.key: _image_interval(row, task) for row in rows},
            seconds={row.group.key: _seconds(row, task) for row in rows},
            collapses={file for row in rows for file in collapsed_runs(table, row, task)},
            **_paired(renderer.site, reading, task),
        )  # fmt: skip


def _by_mean(rows: Sequence[Row], task: str) -> list[Row]:
    """Best first; rows without a value on the task later, upper bounds last."""

    def place(row: Row) -> tuple[bool, bool, float, str]:
        interval = row.cells[task].interval
        return row.upper_bound, interval is None, -interval.mean if interval else 0.0, row.group.key

    return sorted(rows, key=place)


def _runs(row: Row, task: str) -> list[Run]:
    """Runs that count, and failed ones; by seed."""
    used = {run.file for run in row.used}
    return [
        run
        for run in row.group.runs
        if run.record.task == task and (run.file in used or run.record.status == "failed")
    ]


def _image_interval(row: Row, task: str) -> Interval | None:
    """Wilson's interval of the mean accuracy over the test images; None for another metric."""
    cell = row.cells[task]
    images = {test_images(run.record) for run in row.used if run.record.task == task}
    number = images.pop() if len(images) == 1 else None
    accuracy = all(run.record.metric == "accuracy" for run in row.used)
    if not cell.interval or not number or not accuracy:
        return None
    return wilson_interval(cell.interval.mean, number, row.level)


def _seconds(row: Row, task: str) -> float | None:
    """Mean training time of a run."""
    times = {
        run.record.seed: run.record.timing.training_seconds
        for run in row.used
        if run.record.task == task and run.record.timing
    }
    return mean.mean if (mean := over_seeds(times, row.level)) else None


def _paired(site: Site, reading: Reading, task: str) -> Mapping[str, Any]:
    found = {
        key: {one.seed: one for one in pairs}
        for key, pairs in against_reference(reading, task, site.results, site.detailed).items()
    }
    return {"paired": found, "paired_seeds": sorted({seed for pairs in found.values() for seed in pairs})}
