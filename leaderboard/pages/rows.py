"""The page of a row: its runs by task and seed, and its configuration."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from dabench.leaderboard import view
from dabench.leaderboard.addresses import row_page
from dabench.leaderboard.boards import Reading
from dabench.leaderboard.drill.collapses import collapsed_runs
from dabench.leaderboard.drill.words import memory
from dabench.leaderboard.pages.renderer import Page, Renderer
from dabench.leaderboard.plots.curves import learning_curves
from dabench.leaderboard.plots.picture import Picture
from dabench.leaderboard.plots.strips import seed_strips
from dabench.leaderboard.rows import Row
from dabench.leaderboard.runs import Run

__all__ = ["row_pages"]


def row_pages(renderer: Renderer, reading: Reading) -> Iterator[Page]:
    """One page a row of a board in its default way."""
    table = reading.table
    for row in table.rows:
        pages = any(run.file in renderer.site.detailed for run in row.group.runs)
        yield renderer.page(
            row_page(table, row), "row.html.j2", reading=reading, table=table, row=row, view=view,
            scripted="pictures", used=set(row.choices), oldest_first=_by_task(row),
            curves=_curves(row) if pages else {},
            standing=reading.standings.rows.get(row.group.key), ranked=len(reading.standings.rows),
            collapses={file for task in table.tasks for file in collapsed_runs(table, row, task)},
            pages=pages,
            strip=_strip(reading, row), memory=memory, **_costs(row),
        )  # fmt: skip


def _by_task(row: Row) -> dict[str, list[Run]]:
    """All runs of a row, those that are not counted too, by task and seed."""
    runs: dict[str, list[Run]] = {task: [] for task in row.cells}
    for run in row.group.runs:
        runs[run.record.task].append(run)
    return runs


def _curves(row: Row) -> dict[str, Picture]:
    """Learning curves of all counted seeds by task, the chosen steps marked."""
    chosen = {file: one.step for file, one in row.choices.items() if one.step is not None}
    found = {}
    for number, task in enumerate(row.cells, 1):
        runs = [run for run in row.used if run.record.task == task]
        picture = learning_curves(runs, runs[0].record.metric, f"curves-{number}", chosen) if runs else None
        if picture is not None:
            found[task] = picture
    return found


def _strip(reading: Reading, row: Row) -> Picture | None:
    """Every seed's average; nothing for a single one."""
    alone = replace(reading, table=replace(reading.table, rows=(row,)))
    return seed_strips(alone) if len(row.averages) > 1 else None


def _costs(row: Row) -> dict[str, Any]:
    """Mean training time of a run and the most memory that one needed; None where no record says it."""
    timings = [run.record.timing for run in row.used if run.record.timing]
    peaks = [one.peak_memory_bytes for one in timings if one.peak_memory_bytes is not None]
    seconds = sum(one.training_seconds for one in timings) / len(timings) if timings else None
    return {"seconds": seconds, "peak": max(peaks, default=None)}
