"""The page of a row: its runs by task and seed, their curves, and what is known of each."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dabench.leaderboard.boards import Site, Way, boards
from dabench.leaderboard.pages.renderer import Renderer
from dabench.leaderboard.pages.rows import row_pages
from dabench.leaderboard.runs import Run
from dabench.leaderboard.settings import Settings
from dabench.leaderboard.table import SuiteInfo
from dabench.leaderboard.verdicts import Verdict
from dabench.records import Record

pytestmark = pytest.mark.page

HOSTILE = "</script><img src=x onerror=alert(1)>"
Open = Callable[..., Any]
Words = Callable[[Any], str]


def pages_of(site: Site) -> dict[str, str]:
    """Path and text of the rows' pages of the first board."""
    renderer, reading = Renderer(site), site.read(site.boards[0], Way())
    return {path: content.decode() for path, content in row_pages(renderer, reading)}


@pytest.fixture
def site(
    small_sweep: list[Record], runs_of: Callable[[list[Record]], list[Run]], suites: dict[str, SuiteInfo]
) -> Site:
    return Site(boards(runs_of(small_sweep)), suites, Settings())


def test_each_task_lists_its_runs(
    small_sweep: list[Record], written: Callable[[list[Record]], Path], suites: Any, tmp_path: Path,
    open_page: Open, words: Words,
) -> None:  # fmt: skip
    from dabench.leaderboard.site import Order, write_site

    index = write_site(written(small_sweep), tmp_path / "site", Order(suites=suites)).index
    page = open_page(next((index.parent / "rows").glob("toy-gsda-*")))
    first = page.locator("section").first
    assert first.locator("h2").inner_text() == "A→B"
    assert "Mean 71.67, 95 % Student-t interval 66.50 to 76.84, n=3." in words(first)
    assert "+20.67 percentage points to source_only" in words(first)
    assert first.locator("tbody th").all_inner_texts() == ["0", "1", "2"]
    first.locator("summary", has_text="Records and commands").click()
    assert "toy/A2B/gsda/seed2-" in first.inner_text()
    assert "dabench run --method gsda --suite toy --task A->B --seed 2" in first.inner_text()
    first.get_by_role("link", name="2", exact=True).click()
    assert page.locator("h1").inner_text() == "gsda on A→B, seed 2"
    page.get_by_role("navigation", name="Breadcrumb").get_by_role("link", name="gsda").click()
    assert page.locator("h1").inner_text() == "gsda on Toy suite"
    page.get_by_role("navigation", name="Breadcrumb").get_by_role("link", name="Leaderboard").click()
    assert page.url.split("#")[0] == index.as_uri()


def test_a_row_sums_its_runs_up(folder: Any, open_page: Open, words: Words) -> None:
    folder.fill(source_only=0.5, dann=0.9)
    page = open_page(folder.page("rows", "dann"))
    figures = page.locator("dl").first.locator("div")
    told = {words(one.locator("dt")): words(one.locator("dd")) for one in figures.all()}
    assert told["Runs"] == "6 counted"
    assert told["Training"] == "1 min 1 s a run, on average"
    assert told["Memory"] == "1.03 GB at most"
    assert page.locator("figure").count() == 3  # seeds, and curves of two tasks


def test_failed_and_collapsed_runs_are_marked(folder: Any, open_page: Open, words: Words) -> None:
    for seed, right in enumerate((0.95, 0.97, 0.0)):
        folder.add("dann", seed=seed, right=right)
    folder.write(folder.record(seed=9, failed=True))
    page = open_page(folder.page("rows", "dann"))
    states = [
        words(row.locator("td").first)
        for row in page.locator("section").first.locator("tbody").first.locator("tr").all()
    ]
    assert [state.split(" not checked")[0].split(" ✓")[0] for state in states][:2] == ["done", "done"]
    assert states[2].startswith("done ✕ collapsed")
    assert states[3].startswith("✕ failed: FloatingPointError: loss is not finite at step 120")
    told = words(page.locator("dl").first)
    assert "1 failed" in told
    assert "1 collapsed" in told


def test_verdicts_stand_beside_the_runs(site: Site) -> None:
    run = next(run for run in site.runs if run.record.method == "gsda")
    wrong = Verdict("wrong", ("accuracy is 0.1 by its predictions",))
    (text,) = [
        text for path, text in pages_of(replace(site, verdicts={run.file: wrong})).items() if "gsda" in path
    ]
    assert text.count("not checked") == 5
    assert "✕ </span>wrong</span><small>accuracy is 0.1 by its predictions</small>" in text


def test_without_pages_of_runs_it_says_how_to_make_them(site: Site) -> None:
    texts = pages_of(site).values()
    assert all("dabench leaderboard --pages all" in text for text in texts)
    assert not any('href="../runs/' in text for text in texts)
    one = next(run.file for run in site.runs if run.record.method == "dann")
    linked = pages_of(replace(site, detailed=frozenset({one})))
    assert sum(text.count('href="../runs/') for text in linked.values()) == 1


def test_a_run_by_a_rule_says_its_step(
    record: Callable[..., Record],
    trained: Callable[..., Record],
    judged: Callable[..., Run],
    runs_of: Callable[[list[Record]], list[Run]],
) -> None:
    records = [trained(record(seed=seed), 0.4, 0.6, 0.5) for seed in (0, 1)]
    runs = [judged(run, snd=[0.9, 0.1, 0.2]) for run in runs_of(records)]
    detailed = frozenset(run.file for run in runs)
    (text,) = pages_of(Site(boards(runs), {}, Settings(), select="snd", detailed=detailed)).values()
    assert text.count("40.00<small>step 100</small>") == 2
    assert "seed 0, chosen step 100: 40.00" in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_is_accessible(
    folder: Any, open_page: Open, violations: Callable[[Any], list[str]], scheme: str, width: int
) -> None:
    folder.fill(source_only=0.5, dann=0.9)
    folder.write(folder.record(seed=9, failed=True))
    for path in sorted((folder.site() / "rows").glob("*.html")):
        page = open_page(path, width, color_scheme=scheme)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_hostile_text_stays_text(folder: Any, open_page: Open) -> None:
    folder.write(
        folder.record(
            method_info={"title": HOSTILE, "paper": HOSTILE}, command=HOSTILE, per_class={HOSTILE: 0.5}
        )
    )
    page = open_page(next((folder.site() / "rows").glob("*.html")))
    assert page.locator("img").count() == 0
    assert page.get_by_text(HOSTILE).count() == 2


def test_its_pictures_are_saved(
    small_sweep: list[Record], written: Callable[[list[Record]], Path], suites: Any, tmp_path: Path,
    open_page: Open,
) -> None:  # fmt: skip
    from dabench.leaderboard.site import Order, write_site

    index = write_site(written(small_sweep), tmp_path / "site", Order(suites=suites)).index
    page = open_page(next((index.parent / "rows").glob("toy-gsda-*")))
    with page.expect_download() as download:
        page.locator(".save-svg").first.click()
    assert Path(download.value.path()).read_text(encoding="utf-8").startswith("<svg")
