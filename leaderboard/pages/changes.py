"""The page of changes: against an older state of the results, and the ledger."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from dabench.leaderboard import change_words as words
from dabench.leaderboard.addresses import CHANGES
from dabench.leaderboard.against import Changes
from dabench.leaderboard.pages.renderer import Page, Renderer
from dabench.leaderboard.verdicts import Entry

__all__ = ["changes_pages"]

MOST_LEDGER_LINES = 1000  # the newest; the file has them all


def changes_pages(renderer: Renderer, changes: Changes | None = None) -> Iterator[Page]:
    """The page, where there is something to show.

    Args:
        renderer: of the site, whose ledger is shown.
        changes: against an older state; None where none was named.
    """
    ledger = renderer.site.ledger
    if not renderer.site.has_changes:
        return
    newest = list(reversed(ledger.entries))[:MOST_LEDGER_LINES]
    yield renderer.page(
        CHANGES, "changes.html.j2", changes=changes, entries=_together(newest), shown=len(newest), words=words
    )


@dataclass(frozen=True)
class _Entries:
    """Lines of the ledger that stand together and say the same of their records."""

    date: str
    action: str
    reason: str
    lines: tuple[Entry, ...]


def _together(entries: Iterable[Entry]) -> list[_Entries]:
    groups = groupby(entries, lambda entry: (entry.date, entry.action, entry.reason))
    return [_Entries(*said, tuple(lines)) for said, lines in groups]
