"""The main table under the hand: sorting, filters, columns, the address; and all of it without a script."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from dabench.leaderboard.addresses import PUBLISHED
from dabench.leaderboard.boards import Site
from dabench.leaderboard.pages.published import published_pages
from dabench.leaderboard.pages.renderer import Renderer
from dabench.leaderboard.published import published_tables
from dabench.leaderboard.settings import Settings
from dabench.leaderboard.site import Order, write_site
from dabench.leaderboard.table import SuiteInfo
from dabench.records import Record

pytestmark = pytest.mark.page
Open = Callable[..., Any]
Make = Callable[..., Record]
Write = Callable[[list[Record]], Path]
Suites = Mapping[str, SuiteInfo]


@pytest.fixture
def site(small_sweep: list[Record], written: Write, suites: Suites, tmp_path: Path) -> Path:
    return write_site(written(small_sweep), tmp_path / "site", Order(suites=suites)).index


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """The page of published figures, which needs no run."""
    for path, content in published_pages(Renderer(Site((), {}, Settings(), published=published_tables()))):
        (tmp_path / path).write_bytes(content)
    return tmp_path / PUBLISHED


def names(page: Any) -> list[str]:
    """The methods that are seen, from top to bottom."""
    return list(page.locator("table.board tr[data-status]:visible .name").all_inner_texts())


def head(page: Any, key: str) -> Any:
    return page.locator(f'table.board thead th[data-key="{key}"]')


def heads(page: Any) -> list[str]:
    return list(page.locator("table.board thead th:visible").all_inner_texts())


ORDER = ["gsda", "dann", "source_only", "cdan", "cdan+e", "target_only"]


def test_a_click_on_a_head_sorts_and_says_so(site: Path, open_page: Open) -> None:
    page = open_page(site)
    assert names(page) == ORDER
    assert head(page, "rank").get_attribute("aria-sort") == "ascending"
    head(page, "task:B->A").get_by_role("button").click()
    assert head(page, "task:B->A").get_attribute("aria-sort") == "descending"
    assert page.locator("[aria-sort]").count() == 1
    assert names(page) == ["dann", "gsda", "source_only", "cdan", "cdan+e", "target_only"]
    head(page, "task:B->A").get_by_role("button").click()
    assert head(page, "task:B->A").get_attribute("aria-sort") == "ascending"
    # Rows without a value stay last, and the upper bound stays apart.
    assert names(page) == ["cdan", "source_only", "gsda", "dann", "cdan+e", "target_only"]
    head(page, "method").get_by_role("button").press("Enter")
    assert names(page) == ["cdan", "cdan+e", "dann", "gsda", "source_only", "target_only"]


def test_rows_are_searched_and_filtered(site: Path, open_page: Open) -> None:
    page = open_page(site)
    page.get_by_label("Search").fill("CDAN")
    assert names(page) == ["cdan", "cdan+e"]
    assert page.locator("#shown").inner_text() == "2 of 6 rows"
    page.get_by_label("Search").fill("")
    for choice, expected in {
        "ranked": ["gsda", "dann", "source_only", "cdan"],
        "incomplete": ["cdan+e"],
        "trouble": ["source_only", "cdan", "cdan+e"],  # near chance of two classes counts as collapsed
        "": ORDER,
    }.items():
        page.get_by_label("Show", exact=True).select_option(choice)
        assert names(page) == expected
    page.get_by_label("Search").fill("no such method")
    assert names(page) == []
    assert page.get_by_role("status").get_by_text("No row is shown (search “no such method”)").is_visible()
    page.get_by_label("Search").fill("about")  # said of every row, but no name of any
    assert names(page) == []


def test_rows_without_a_place_are_last_in_both_directions(
    small_sweep: list[Record], record: Make, written: Write, suites: Suites, tmp_path: Path, open_page: Open
) -> None:
    best = [record("one_seed", task, 0, 0.93) for task in ("A->B", "B->A")]
    index = write_site(written([*small_sweep, *best]), tmp_path / "site", Order(suites=suites)).index
    page = open_page(index)
    places = [*ORDER[:4], "one_seed", "cdan+e", "target_only"]
    assert names(page) == places
    head(page, "rank").get_by_role("button").click()
    assert names(page) == [*reversed(ORDER[:4]), *places[4:]]
    few = page.locator("tr", has=page.locator("bdi.name:text-is('one_seed')")).locator("td.few")
    assert few.count() == 3
    assert page.locator("td.few:is(.p1, .p2, .p3, .p4, .m1, .m2, .m3, .m4)").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_rows_of_few_seeds_and_wrong_rows_are_accessible_and_marked(
    small_sweep: list[Record], record: Make, written: Write, suites: Suites, tmp_path: Path, open_page: Open,
    violations: Callable[[Any], list[str]], width: int, scheme: str,
) -> None:  # fmt: skip
    few = [
        record(f"few{n}", task, seed, 0.93) for n in (1, 2) for task in ("A->B", "B->A") for seed in range(n)
    ]
    wrong = record("dann", "A->B", 7, 0.6)
    wrong = wrong.model_copy(update={"oracle": 0.1})
    index = write_site(written([*small_sweep, *few, wrong]), tmp_path / "site", Order(suites=suites)).index
    page = open_page(index, width, color_scheme=scheme)
    assert page.locator("tr[data-wrong] .wrong").first.inner_text().startswith("✕ ")
    assert page.get_by_text("their numbers are still counted and ranked here").is_visible()
    page.get_by_label("Show", exact=True).select_option("wrong")
    assert "dann" in names(page)
    page.get_by_label("Show", exact=True).select_option("")
    assert violations(page) == []


def test_nothing_ranked_says_so(
    record: Make, written: Write, suites: Suites, tmp_path: Path, open_page: Open
) -> None:
    index = write_site(written([record("dann")]), tmp_path / "site", Order(suites=suites)).index
    page = open_page(index, java_script_enabled=False)
    assert page.get_by_role("heading", name="Nothing is ranked here").is_visible()
    assert page.get_by_text("Compared by").count() == 0


def test_columns_are_chosen(site: Path, open_page: Open) -> None:
    page = open_page(site)
    assert heads(page)[2:] == [
        "Average", "Gain over source_only", "Gap closed", "Mean class", "A→B", "B→A", "Training time",
    ]  # fmt: skip
    page.locator("summary", has_text="Columns").click()
    for name in ("Gap closed", "A→B"):
        page.get_by_role("checkbox", name=name).uncheck()
    assert heads(page)[2:] == ["Average", "Gain over source_only", "Mean class", "B→A", "Training time"]
    row = page.locator("tr[data-status]").first
    assert row.locator("td:visible").count() == 6
    assert page.locator(".section-row th").evaluate("one => one.colSpan") == 7
    page.keyboard.press("Escape")
    assert page.locator("details.menu[open]").count() == 0
    page.get_by_role("button", name="Reset").click()
    assert len(heads(page)) == 9


def test_the_state_is_in_the_address(site: Path, open_page: Open) -> None:
    page = open_page(site)
    head(page, "average").get_by_role("button").click()
    head(page, "average").get_by_role("button").click()
    page.get_by_label("Show", exact=True).select_option("ranked")
    page.locator("summary", has_text="Columns").click()
    page.get_by_role("checkbox", name="B→A").uncheck()
    page.get_by_label("Search").fill("n")
    shown = names(page), heads(page)
    assert shown[0] == ["cdan", "source_only", "dann"]
    assert page.url.split("#")[1] == "sort=average&q=n&show=ranked&hide=task%3AB-%3EA"
    page.reload()
    assert (names(page), heads(page)) == shown
    page.go_back()
    assert "B→A" in heads(page)
    page.go_forward()
    assert (names(page), heads(page)) == shown
    other = open_page(site)
    other.goto(page.url)
    other.reload()
    assert (names(other), heads(other)) == shown


@pytest.mark.parametrize(
    "address",
    ["#table-caption", "#sort=no-such&show=x&hide=y", "#sort=%3Cimg%20src=x%3E&q=%3C/script%3E", "#=&&=&"],
)
def test_a_foreign_address_does_no_harm(site: Path, open_page: Open, address: str) -> None:
    page = open_page(site)
    page.goto(site.as_uri() + address)
    page.reload()
    assert head(page, "rank").get_attribute("aria-sort") == "ascending"
    assert page.locator("img").count() == 0


def test_rows_by_target_labels_are_hidden_until_asked_for(
    small_sweep: list[Record], record: Make, written: Write, suites: Suites, tmp_path: Path, open_page: Open
) -> None:
    chosen = {"steps": "dabench tune: best of 20 trials x 2 tasks by rule oracle, chosen on target labels"}
    looked = [
        record("mcd", task, seed, 0.9, provenance=chosen) for task in ("A->B", "B->A") for seed in range(3)
    ]
    index = write_site(written([*small_sweep, *looked]), tmp_path / "site", Order(suites=suites)).index
    page = open_page(index)
    assert "mcd" not in names(page)
    assert page.locator("#shown").inner_text() == "6 of 7 rows"
    page.get_by_role("checkbox", name="chosen on target labels").check()
    assert names(page) == [*ORDER[:-1], "mcd", "target_only"]
    assert page.url.endswith("#target=1")
    bare = open_page(index, java_script_enabled=False)
    assert bare.get_by_text("Chosen on target labels: nobody who adapts has them, never ranked").is_visible()
    assert "mcd" in names(bare)


def test_the_oracle_has_a_page_that_ranks_nothing(site: Path, open_page: Open) -> None:
    page = open_page(site)
    link = page.get_by_role("navigation", name="Choose a table").get_by_role("link", name="oracle")
    assert "reads target labels" in " ".join(link.inner_text().split())
    link.click()
    current = page.locator(".chooser [aria-current]").all_inner_texts()
    assert [" ".join(text.split()).split(" ")[0] for text in current] == [
        "toy", "resnet50.tv_in1k", "transductive", "oracle", "all",
    ]  # fmt: skip
    assert len(names(page)) == 6
    assert page.locator("tr[data-status=ranked]").count() == 0
    assert page.get_by_text("so nothing is ranked").is_visible()
    page.get_by_role("link", name="last", exact=True).click()
    assert page.url == site.as_uri()


def test_common_tasks_have_a_page(site: Path, open_page: Open) -> None:
    page = open_page(site)
    page.get_by_role("link", name="common to all rows").click()
    assert page.get_by_text("Only the 1 task of 2 that every row has").is_visible()
    assert names(page)[:2] == ["cdan+e", "gsda"]
    assert page.locator("tr[data-status=incomplete]").count() == 0


def test_the_address_is_copied(site: Path, open_page: Open) -> None:
    page = open_page(site, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_label("Search").fill("gsda")
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#shown")).to_have_text("link copied")  # the clipboard answers later
    assert page.evaluate("navigator.clipboard.readText()") == f"{site.as_uri()}#q=gsda"


def test_cells_are_small(site: Path) -> None:
    cells = re.findall(r'<td[^>]*><a href="[^"]*#task-\d.*?</td>', site.read_text(encoding="utf-8"))
    assert len(cells) == 11
    assert max(map(len, cells)) <= 250


def test_without_a_script_nothing_is_dead_and_nothing_lacks(site: Path, open_page: Open) -> None:
    page = open_page(site, java_script_enabled=False)
    assert names(page) == ORDER
    assert page.locator("button:visible, select:visible, input:visible").count() == 0
    assert len(heads(page)) == 9
    page.get_by_role("navigation", name="Choose a table").get_by_role("link", name="oracle").click()
    assert page.locator("h1").inner_text() == "Toy suite"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("kind", ["index", "oracle", "common", "published"])
def test_every_kind_of_page_is_accessible(
    site: Path, published: Path, open_page: Open, violations: Callable[[Any], list[str]], kind: str,
    width: int, scheme: str,
) -> None:  # fmt: skip
    paths = {"index": site, "published": published}
    path = paths.get(kind) or next(site.parent.glob(f"tables/*-{kind}-*"))
    page = open_page(path, width, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page) == []
    folder = Path(os.environ.get("DABENCH_ARTEFACTS") or site.parent.parent)
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / f"table-{kind}-{width}-{scheme}.png"
    page.screenshot(path=picture, full_page=True)
    assert picture.stat().st_size > 10_000


def test_it_prints_without_controls(site: Path, open_page: Open) -> None:
    page = open_page(site, color_scheme="dark")
    page.emulate_media(media="print")
    assert page.locator(".controls, nav.site, .save-svg").locator("visible=true").count() == 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator(".scroll").first.evaluate("one => getComputedStyle(one).overflow") == "visible"
    assert page.locator(".chooser a:visible").all_inner_texts()[:2] == ["toy", "resnet50.tv_in1k"]
    page.set_viewport_size({"width": 1032, "height": 700})  # what an A4 sheet across has between its margins
    assert page.locator("table.board").evaluate("one => one.offsetWidth") <= 1032
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
