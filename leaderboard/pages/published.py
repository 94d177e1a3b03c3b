"""Figures of papers, table by table, apart from what was measured here."""

from collections.abc import Iterator

from dabench.leaderboard.addresses import PUBLISHED
from dabench.leaderboard.agreement import origin
from dabench.leaderboard.pages.renderer import Page, Renderer

__all__ = ["published_pages"]


def published_pages(renderer: Renderer) -> Iterator[Page]:
    """The page of published figures; none where there are none."""
    if renderer.site.published:
        yield renderer.page(PUBLISHED, "published.html.j2", origin=origin)
