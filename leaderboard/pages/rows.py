"""The page of a row: its runs by task and seed, and its configuration."""

from collections.abc import Iterator

from dabench.leaderboard.addresses import row_page
from dabench.leaderboard.boards import Reading
from dabench.leaderboard.pages.renderer import Page, Renderer
from dabench.leaderboard.rows import Row
from dabench.leaderboard.runs import Run

__all__ = ["row_pages"]


def row_pages(renderer: Renderer, reading: Reading) -> Iterator[Page]:
    """One page a row of a board in its default way."""
    for row in reading.table.rows:
        used = {run.file for run in row.used}
        path = row_page(reading.table, row)
        yield renderer.page(
            path, "row.html.j2", reading=reading, table=reading.table, row=row, used=used,
            oldest_first=_by_task(row),
        )  # fmt: skip


def _by_task(row: Row) -> dict[str, list[Run]]:
    """All runs of a row, those that are not counted too, by task and seed."""
    runs: dict[str, list[Run]] = {task: [] for task in row.cells}
    for run in row.group.runs:
        runs[run.record.task].append(run)
    return runs
