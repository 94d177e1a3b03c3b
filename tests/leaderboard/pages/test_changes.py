"""The page of changes: what is compared, the ledger, hostile text, and that anybody can read it."""

import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dabench.leaderboard.addresses import CHANGES
from dabench.leaderboard.against import Changes, compare
from dabench.leaderboard.boards import Reading, Site, boards
from dabench.leaderboard.pages.changes import changes_pages
from dabench.leaderboard.pages.renderer import Renderer
from dabench.leaderboard.reading import read_scored
from dabench.leaderboard.runs import Run
from dabench.leaderboard.settings import Settings
from dabench.leaderboard.summary import show_changes
from dabench.leaderboard.table import SuiteInfo
from dabench.leaderboard.verdicts import Entry, Ledger
from dabench.records import Record

HOSTILE = "</script><img src=x onerror=alert(1)>"
LEDGER = Ledger(
    (
        Entry("2026-03-01", "added", "toy/A2B/dann/seed0-0.json", "", 0.5),
        Entry("2026-04-01", "rescored", f"toy/{HOSTILE}.json", f"wrong resize {HOSTILE}", 0.6, 0.5),
        Entry("2026-05-01", "removed", "toy/A2B/dann/seed0-0.json", "run on the wrong images", None, 0.5),
    ),
    "ab" * 32,
)
Values = Mapping[str, tuple[float, ...]]


@pytest.fixture
def read(
    record: Callable[..., Record],
    runs_of: Callable[[list[Record]], list[Run]],
    suites: Mapping[str, SuiteInfo],
) -> Callable[[Values], tuple[Reading, ...]]:
    def make(values: Values) -> tuple[Reading, ...]:
        records = [
            record(method, task, seed, value)
            for method, given in values.items()
            for seed, value in enumerate(given)
            for task in ("A->B", "B->A")
        ]
        return read_scored(runs_of(records), None, None, suites)

    return make


@pytest.fixture
def changes(read: Callable[[Values], tuple[Reading, ...]]) -> Changes:
    base = {"source_only": (0.50, 0.52, 0.51), "dann": (0.60, 0.63, 0.61)}
    old = base | {"cdan": (0.55, 0.56, 0.57), "\u202ervv": (0.3, 0.31, 0.32)}
    new = base | {
        "dann": (0.60, 0.63, 0.71),
        HOSTILE: (0.7, 0.71, 0.72),
        "cdan": (0.55, 0.56, 0.57, 0.9, 0.91),
    }
    return compare(read(old), read(new), "results of May")


@pytest.fixture
def site(small_sweep: list[Record], runs_of: Any, suites: Mapping[str, SuiteInfo]) -> Site:
    return Site(boards(runs_of(small_sweep)), suites, Settings(), ledger=LEDGER)


@pytest.fixture
def page(site: Site, changes: Changes, tmp_path: Path) -> Path:
    ((name, content),) = changes_pages(Renderer(site), changes)
    assert name == CHANGES
    (tmp_path / name).write_bytes(content)
    return tmp_path / name


def test_nothing_to_show_makes_no_page(site: Site) -> None:
    assert list(changes_pages(Renderer(replace(site, ledger=Ledger())))) == []


def test_equal_input_gives_equal_bytes(site: Site, changes: Changes) -> None:
    first, second = (list(changes_pages(Renderer(site), changes)) for _ in range(2))
    assert first == second


@pytest.mark.page
def test_it_shows_what_has_changed_and_why(page: Path, open_page: Callable[..., Any]) -> None:
    shown = open_page(page)
    text = shown.inner_text("body")
    assert "Against results of May: 1 new, 2 changed" in text  # one by its value, one by its seeds
    assert "rescored: 61.00 → 71.00" in text
    assert "seeds 3, 4 added" in text
    assert "more than noise" in text
    assert "wrong resize" in text
    dates = shown.locator("section[aria-labelledby=ledger] tbody th").all_inner_texts()
    assert dates == ["2026-05-01", "2026-04-01", "2026-03-01"]
    assert "ab" * 32 in text
    assert HOSTILE in text


@pytest.mark.page
@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark"}, {"width": 360}])
def test_anybody_can_read_it(
    page: Path, open_page: Callable[..., Any], violations: Callable[[Any], list[str]], options: dict[str, Any]
) -> None:
    shown = open_page(page, **options)
    assert violations(shown) == []
    assert shown.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.page
def test_a_broken_ledger_is_said(site: Site, tmp_path: Path, open_page: Callable[..., Any]) -> None:
    broken = replace(LEDGER, broken="ledger.jsonl: line 4 does not follow", entries=LEDGER.entries[:1])
    ((name, content),) = changes_pages(Renderer(replace(site, ledger=broken)))
    (tmp_path / name).write_bytes(content)
    assert "The ledger is broken: ledger.jsonl: line 4" in open_page(tmp_path / name).inner_text("body")


def test_the_terminal_says_it_too(changes: Changes) -> None:
    file = io.StringIO()
    show_changes(Console(width=160, file=file), changes)
    text = file.getvalue()
    assert "Changes against results of May: 1 new, 2 changed" in text
    assert "2 runs rescored" in text
    assert "seeds 3, 4 added" in text
    assert "\u202e" not in text
