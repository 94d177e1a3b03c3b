"""The page in a real headless Chromium, from the disk and without network."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dabench.leaderboard.site import Order, write_site
from dabench.leaderboard.table import SuiteInfo
from dabench.records import Record

pytestmark = pytest.mark.page

HOSTILE = "</script><img src=x onerror=alert(1)>"
Suites = Mapping[str, SuiteInfo]
Open = Callable[..., Any]


@pytest.fixture
def site(
    small_sweep: list[Record], written: Callable[[list[Record]], Path], suites: Suites, tmp_path: Path
) -> Path:
    results = written(small_sweep)
    (results / "broken.json").write_text("{")
    return write_site(results, tmp_path / "site", Order(suites=suites)).index


def cells(page: Any, method: str) -> list[str]:
    """The texts of a method's row in the first table, white space collapsed."""
    name = page.locator("bdi.name").get_by_text(method, exact=True)
    row = page.locator("table.board tr[data-status]", has=name)
    return [" ".join(text.split()) for text in row.locator("td").all_inner_texts()]


def test_the_table_says_what_was_measured(site: Path, open_page: Open) -> None:
    page = open_page(site)
    heads = page.locator("table").first.locator("thead th").all_inner_texts()
    assert [" ".join(text.split()) for text in heads] == [
        "Rank", "Method", "Average", "Gain over source_only", "Gap closed", "Mean class", "A→B", "B→A",
        "Training time",
    ]  # fmt: skip
    rank, average, gain, share, classes, first, second, time = cells(page, "gsda")
    assert rank.startswith("1")
    assert share.startswith("26.1 % ")
    assert share.endswith(" · n=3")
    assert classes == "66.17 ±4.70 worst 66.17 · n=3"
    assert average == "66.17 ±4.70 n=3"
    assert gain.startswith("▲ +10.67 above source_only ±")
    assert first.startswith("71.67 ±5.17 ▲ +20.67 · n=3")
    assert second.startswith("60.67 ±7.59 ○ +0.67 · n=3")
    assert time == "3.0 s"
    assert cells(page, "cdan")[2].startswith("▼ −6.00")
    assert page.locator("tr", has_text="worse than not adapting").locator(".name").all_inner_texts() == [
        "cdan"
    ]
    chosen = page.locator(".chooser div", has_text="Selection rule").locator("[aria-current]")
    assert (chosen.inner_text(), chosen.get_attribute("title")) == ("last", "last step")


def test_ranks_are_intervals_and_ties_share_letters(site: Path, open_page: Open) -> None:
    page = open_page(site)
    assert [cells(page, name)[0] for name in ("gsda", "dann", "source_only", "cdan")] == [
        "1–2 ties a", "1–2 ties a", "3 ties b", "4 ties c",
    ]  # fmt: skip
    assert page.locator("tr[data-best] .name").all_inner_texts() == ["gsda", "dann"]
    order = page.locator("section", has=page.locator("h2#order"))
    assert order.locator("p").first.inner_text().startswith("Compared by: paired t")
    neighbours = page.get_by_role("region", name="Each ranked row and the next")
    lines = [" ".join(text.split()) for text in neighbours.locator("tbody tr").all_inner_texts()]
    assert len(lines) == 3
    assert lines[0].startswith("gsda dann +")
    assert "○ no" in lines[0]
    assert "● yes" in lines[2]


def test_what_is_missing_failed_or_an_upper_bound_is_said(site: Path, open_page: Open) -> None:
    page = open_page(site)
    rank, average, gain, share, _, first, second, _ = cells(page, "cdan+e")
    assert (rank, share) == ("1/2 tasks", "– missing")
    assert average == "– missing"
    assert gain == "– missing"
    assert first.startswith("71.67")
    assert second == "– missing ✕ 1 failed"
    assert cells(page, "target_only")[0] == "– not ranked"
    assert page.get_by_text("Upper bound: trained on target labels, never ranked").is_visible()
    assert page.get_by_text("broken.json").is_visible()
    assert "last step" in page.locator("caption").first.inner_text()


@pytest.mark.parametrize(
    ("seeds", "rank", "average"), [(1, "n<3", "50.00 n=1"), (2, "n<3", "50.00 ±0.00 n=2")]
)
def test_few_seeds_are_shown_and_not_ranked(
    record: Callable[..., Record], written: Callable[[list[Record]], Path], suites: Suites, tmp_path: Path,
    open_page: Open, seeds: int, rank: str, average: str,
) -> None:  # fmt: skip
    results = written([record("dann", task, seed) for task in ("A->B", "B->A") for seed in range(seeds)])
    page = open_page(write_site(results, tmp_path / "site", Order(suites=suites)).index)
    found = cells(page, "dann")
    assert (found[0], found[1]) == (rank, average)
    assert page.locator("td.few").count() == 3
    assert contrast(page, "td.few a") >= 4.5


def test_a_suite_with_one_task_and_one_run(
    record: Callable[..., Record], written: Callable[[list[Record]], Path], suites: Suites, tmp_path: Path,
    open_page: Open, violations: Callable[[Any], list[str]],
) -> None:  # fmt: skip
    one = record(
        "dann", "T->V", 0, 0.5, suite="visda2017", metric="mean_class_accuracy", config={"suite": "visda2017"}
    )
    page = open_page(write_site(written([one]), tmp_path / "site", Order(suites=suites)).index)
    heads = page.locator("table.board thead th").all_inner_texts()
    assert heads[2:] == ["T→V", "Gain over source_only", "Gap closed", "Worst class", "Training time"]
    assert cells(page, "dann")[:2] == ["n<3", "50.00 n=1"]
    assert violations(page) == []


def test_an_empty_folder_says_how_to_begin(
    written: Callable[[list[Record]], Path], tmp_path: Path, open_page: Open,
    violations: Callable[[Any], list[str]],
) -> None:  # fmt: skip
    page = open_page(write_site(written([]), tmp_path / "site").index)
    assert page.get_by_text("There are no runs here yet").is_visible()
    assert page.locator("table, .controls").count() == 0
    assert violations(page) == []


def test_what_each_rule_costs_is_shown(site: Path, open_page: Open) -> None:
    page = open_page(site)
    rules = page.get_by_role("region", name="at the steps that each rule chooses")
    assert rules.locator("tbody th").all_inner_texts() == [
        "last\nlast step", "oracle\noracle (target labels)\nchosen on target labels, never ranked",
    ]  # fmt: skip
    assert rules.locator("thead th").all_inner_texts()[1:] == [
        "All methods",
        "cdan",
        "cdan+e",
        "dann",
        "gsda",
        "source_only",
    ]
    gsda = " ".join(rules.locator("tbody tr").first.locator("td").nth(4).inner_text().split())
    assert gsda == "66.17 ±4.70 · n=3 lacks 1.00 ±0.00 adds 0.00 ±0.00"
    assert page.get_by_text("snd is not available").count() == 1


def test_bounds_that_were_not_run_stand_in_the_table(
    record: Callable[..., Record], written: Callable[[list[Record]], Path], suites: Suites,
    tmp_path: Path, open_page: Open,
) -> None:  # fmt: skip
    results = written([record("dann", task, seed) for task in ("A->B", "B->A") for seed in range(3)])
    page = open_page(write_site(results, tmp_path / "site", Order(suites=suites)).index)
    absent = page.locator("tr.absent")
    assert [" ".join(text.split()) for text in absent.all_inner_texts()] == [
        "not run source_only dabench run --method source_only --suite toy",
        "not run target_only dabench run --method target_only --suite toy",
    ]


def test_a_rule_that_is_not_available_leaves_a_hole_that_says_so(
    small_sweep: list[Record], written: Callable[[list[Record]], Path], suites: Suites, tmp_path: Path,
    open_page: Open,
) -> None:  # fmt: skip
    page = open_page(write_site(written(small_sweep), tmp_path / "site", Order("snd", suites=suites)).index)
    rank, average, *_, first, _, _ = cells(page, "gsda")
    assert (rank, average) == ("no snd", "– missing")
    assert first == "– missing 3 without snd"
    assert cells(page, "target_only")[1].startswith("96.33")
    assert page.get_by_text("at the last step: snd does not apply to an upper bound").is_visible()
    assert page.get_by_text("snd is not available for 6 runs: the run stored nothing").first.is_visible()


def test_classes_of_source_and_target(
    record: Callable[..., Record], written: Callable[[list[Record]], Path], suites: Suites,
    tmp_path: Path, open_page: Open,
) -> None:  # fmt: skip
    one = record()
    counts = {"source": {"cat": 30, "dog": 10}, "target": {"cat": 20, "dog": 20}}
    dataset = {name: {**one.dataset[name], "images": 40, "class_counts": of} for name, of in counts.items()}
    results = written([one.model_copy(update={"dataset": dataset})])
    page = open_page(write_site(results, tmp_path / "site", Order(suites=suites)).index)
    page.locator("summary", has_text="Images, imbalance and label shift").click()
    row = page.get_by_role("region", name="Images, imbalance and label shift").locator("tbody tr")
    assert [" ".join(text.split()) for text in row.locator("td").all_inner_texts()] == [
        "40", "3.00 cat : dog", "40", "1.00", "0.250",
    ]  # fmt: skip


def test_a_cell_leads_to_its_runs(site: Path, open_page: Open) -> None:
    page = open_page(site)
    page.get_by_role("link", name="71.67").first.click()
    assert page.url.endswith("#task-1")
    text = page.locator("section").first.inner_text()
    assert "66.50 to 76.84" in text
    assert page.locator("section").first.locator("tbody th").all_inner_texts() == ["0", "1", "2"]
    page.get_by_role("navigation", name="Site").get_by_role("link", name="dabench leaderboard").click()
    assert page.url.split("#")[0] == site.as_uri()


def test_a_failed_run_says_why(site: Path, open_page: Open) -> None:
    page = open_page(site)
    page.get_by_role("link", name="cdan+e", exact=True).first.click()
    assert page.get_by_text("FloatingPointError: loss is not finite at step 120").is_visible()


def test_names_cannot_break_out(record: Callable[..., Record], tmp_path: Path, open_page: Open) -> None:
    results = tmp_path / "results"
    results.mkdir()
    odd = 'A->"><b onmouseover=alert(2)>{{7*7}}<!--'
    records = [
        record(HOSTILE, odd, seed, 0.5, suite=HOSTILE, backbone="../../x' onload='y", command=HOSTILE,
               protocol="javascript:alert(3)", method_info={"title": HOSTILE, "paper": HOSTILE})
        for seed in range(3)
    ]  # fmt: skip
    records.append(record(HOSTILE, odd, 9, failed=True, suite=HOSTILE, config={HOSTILE: HOSTILE}))
    for number, one in enumerate(records):
        (results / f"{number}.json").write_text(one.model_dump_json())
    (results / "<img src=x onerror=alert(4)>.json").write_text("{")
    report = write_site(results, tmp_path / "site", Order(suites={}))
    written = sorted(
        path.relative_to(tmp_path / "site").as_posix() for path in report.index.parent.rglob("*")
    )
    assert all(name.count("/") <= 1 for name in written)
    page = open_page(report.index)
    assert page.locator("img, b[onmouseover]").count() == 0
    assert page.locator("script").count() == 3
    assert cells(page, HOSTILE)[1].startswith("50.00")
    assert page.get_by_text("{{7*7}}").count() > 0
    page.locator("tbody th a").first.click()
    assert page.locator("img, b[onmouseover]").count() == 0
    assert HOSTILE in page.locator("h1").inner_text()


@pytest.mark.parametrize("width", [360, 800, 1280])
def test_only_the_tables_scroll_sideways(site: Path, open_page: Open, width: int) -> None:
    for path in [site, *sorted(site.parent.glob("rows/*.html"))[:2]]:
        page = open_page(path, width)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page = open_page(site, width)
    scroller = page.locator(".scroll").first
    assert scroller.get_attribute("tabindex") == "0"
    assert scroller.evaluate("one => getComputedStyle(one).overflowX") == "auto"


def test_tables_are_made_for_screen_readers(site: Path, open_page: Open) -> None:
    for path in [site, next(site.parent.glob("rows/*.html"))]:
        page = open_page(path)
        tables = page.locator("table")
        assert tables.count() == page.locator("table > caption").count() > 0
        assert page.locator("th:not([scope])").count() == 0
        names = page.eval_on_selector_all(
            "[role=region]", "all => all.map(one => document.getElementById(one.ariaLabelledBy ?? "
            "one.getAttribute('aria-labelledby'))?.textContent.trim())",
        )  # fmt: skip
        assert len(names) == tables.count()
        assert all(names)
        assert page.locator("html").get_attribute("lang") == "en"
        assert page.locator("h1").count() == 1


def contrast(page: Any, selector: str) -> float:
    """Contrast of an element's text to the first opaque ground behind it, after WCAG 2."""
    return float(
        page.locator(selector).first.evaluate(
            """one => {
              const parse = text => {
                const n = text.match(/[\\d.]+/g).map(Number);
                return text.startsWith('color(srgb') ? n.map((v, i) => i < 3 ? v * 255 : v) : n;
              };
              const light = c => { const [r, g, b] = c.map(v => v / 255).map(
                v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
                return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
              let ground = one, colour;
              do { colour = parse(getComputedStyle(ground).backgroundColor); ground = ground.parentElement; }
              while (ground && colour.length === 4 && colour[3] < 1);
              const pair = [light(parse(getComputedStyle(one).color).slice(0, 3)), light(colour.slice(0, 3))];
              return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
            }"""
        )
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible_in_both_schemes(site: Path, open_page: Open, scheme: str) -> None:
    page = open_page(site, color_scheme=scheme)
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
    assert dark == (scheme == "dark")
    selectors = ["td small", ".gain.above", ".gain.below", ".gain.unclear", ".failed", ".missing", "caption",
                 "thead th", "tbody th a", ".lead", ".section-row th", ".harm", "small.flag",
                 ".p4 small", ".p1 b", ".m3 a", ".swatch.m4", ".chooser [aria-current]"]  # fmt: skip
    for selector in selectors:
        assert contrast(page, selector) >= 4.5, selector


def test_it_prints(site: Path, open_page: Open) -> None:
    page = open_page(site)
    page.emulate_media(media="print")
    assert page.locator(".scroll").first.evaluate("one => getComputedStyle(one).overflow") == "visible"
    assert page.pdf().startswith(b"%PDF")
