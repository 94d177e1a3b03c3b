"""The page of a method: paper, what it minimises, configuration with provenance, all suites."""

from collections.abc import Iterator

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.pages.renderer import Page, Renderer
from dabench.leaderboard.rows import Row

__all__ = ["MethodRows", "method_pages"]

MethodRows = dict[str, list[tuple[Reading, Row]]]


def method_pages(renderer: Renderer, methods: MethodRows) -> Iterator[Page]:
    """One page a method, from its rows in all boards."""
    yield from ()
