"""The page of a method: paper, what it minimises, configuration with provenance, all suites."""

from collections.abc import Iterator, Mapping

from dabench.leaderboard.addresses import method_page
from dabench.leaderboard.boards import Reading
from dabench.leaderboard.drill.method_facts import MethodFacts, known_methods
from dabench.leaderboard.drill.variants import names_of, settings_of
from dabench.leaderboard.pages.renderer import Page, Renderer
from dabench.leaderboard.rows import Row

__all__ = ["MethodRows", "method_pages"]

MethodRows = dict[str, list[tuple[Reading, Row]]]


def method_pages(renderer: Renderer, methods: MethodRows) -> Iterator[Page]:
    """One page a method, from its rows in all boards."""
    if not methods:
        return
    known = known_methods({name: [row for _, row in rows] for name, rows in methods.items()})
    for name in sorted(methods):
        rows = methods[name]
        settings = settings_of(rows)
        yield renderer.page(
            method_page(name), "method.html.j2", name=name, facts=known[name], rows=rows,
            names=names_of(rows), relatives=_relatives(name, known), has_page=methods,
            chosen=[one for one in settings if not one.usual], usual=[one for one in settings if one.usual],
            versions=_told(rows, "version"), digests=_told(rows, "source_sha256"),
        )  # fmt: skip


def _relatives(name: str, known: Mapping[str, MethodFacts]) -> list[str]:
    """Other methods of the same paper: parts of it, and variants."""
    mine = known[name]
    return [
        other
        for other, facts in sorted(known.items())
        if other != name and mine.has_paper and facts.paper == mine.paper
    ]


def _told(rows: list[tuple[Reading, Row]], key: str) -> list[str]:
    """What the runs' records say of the method's file, each once."""
    told = (run.record.method_info.get(key) for _, row in rows for run in row.group.runs)
    return sorted({str(one) for one in told if one is not None})
