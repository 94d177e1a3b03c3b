"""How the numbers are made: formulas, the test that each figure uses, what was simulated."""

from collections.abc import Iterator

from dabench.leaderboard.pages.renderer import Page, Renderer

__all__ = ["about_pages"]


def about_pages(renderer: Renderer) -> Iterator[Page]:
    """The page on method, and that of published numbers."""
    yield from ()
