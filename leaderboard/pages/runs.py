"""The page of a run: curves, classes, confusion, configuration, and how to repeat it."""

from collections.abc import Iterator

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.pages.renderer import Page, Renderer

__all__ = ["run_pages"]


def run_pages(renderer: Renderer, reading: Reading) -> Iterator[Page]:
    """One page for each run of a board that has one (``site.detailed``)."""
    yield from ()
