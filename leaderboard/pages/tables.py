"""The page of a board: its table, what the order is worth, pictures, and what selection rules cost."""

from collections.abc import Iterator

from dabench.leaderboard.addresses import INDEX
from dabench.leaderboard.boards import Board, Reading
from dabench.leaderboard.pages.renderer import Page, Renderer

__all__ = ["board_pages", "empty_index"]


def board_pages(renderer: Renderer, board: Board, default: Reading) -> Iterator[Page]:
    """One page for each way to read a board; ``default`` is the first way, read already."""
    for way in board.ways:
        reading = default if way == default.way else renderer.site.read(board, way)
        yield _page(renderer, renderer.table_page(board, way), reading)


def empty_index(renderer: Renderer) -> Page:
    """The index of a folder without runs: how to make some."""
    return _page(renderer, INDEX, None)


def _page(renderer: Renderer, path: str, reading: Reading | None) -> Page:
    runs = renderer.site.runs
    done = sum(run.record.status == "done" for run in runs)
    return renderer.page(
        path, "table.html.j2", scripted=True, reading=reading, runs_done=done, runs_failed=len(runs) - done
    )
