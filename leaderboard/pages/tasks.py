"""The page of a task: all methods on it."""

from collections.abc import Iterator

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.pages.renderer import Page, Renderer

__all__ = ["task_pages"]


def task_pages(renderer: Renderer, reading: Reading) -> Iterator[Page]:
    """One page a task of a board in its default way."""
    yield from ()
