"""What is saved is what is shown: rows, columns and order of every format, parsed again."""

import csv
import html
import io
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from dabench.leaderboard.site import Order, write_site
from dabench.leaderboard.table import SuiteInfo
from dabench.records import Record

pytestmark = pytest.mark.page
HOSTILE = "</script><img src=x onerror=alert(1)>"
FORMULA = "=cmd|' /C calc'!A0"
HEBREW = "שיטה חדשה"
SPECIAL = r"a_b & 50% #1 {x} $y$ ~z^2 \input{/etc/passwd} | c"
STRANGE = {HOSTILE: 0.90, FORMULA: 0.80, HEBREW: 0.79, SPECIAL: 0.78, "x" * 300: 0.4}
Open = Callable[..., Any]


@pytest.fixture
def page(
    small_sweep: list[Record], record: Callable[..., Record], tmp_path: Path, open_page: Open,
    suites: Mapping[str, SuiteInfo],
) -> Any:  # fmt: skip
    odd = [
        record(name, task, seed, value, method_info={"title": f"{name} title", "paper": f"Me, {name}, 2026"})
        for name, value in STRANGE.items()
        for task in ("A->B", "B->A")
        for seed in range(3)
    ]  # fmt: skip
    results = tmp_path / "results"
    results.mkdir()
    for number, one in enumerate([*small_sweep, *odd]):
        (results / f"{number}.json").write_text(one.model_dump_json())
    return open_page(write_site(results, tmp_path / "site", Order(suites=suites)).index)


def saved(page: Any, kind: str) -> str:
    """The text of the file that a button saves."""
    page.locator("summary", has_text="Save").click()
    with page.expect_download() as download:
        page.locator(f"[data-export={kind}]").click()
    assert download.value.suggested_filename.endswith(f".{kind}")
    return Path(download.value.path()).read_text(encoding="utf-8")


def names(page: Any) -> list[str]:
    return list(page.locator("table.board tr[data-status]:visible .name").all_inner_texts())


def narrow(page: Any) -> None:
    """Show something else than the whole: other order, fewer rows, fewer columns."""
    page.locator('th[data-key="average"] button').click()
    page.locator('th[data-key="average"] button').click()
    page.locator("#show").select_option("ranked")
    page.locator("summary", has_text="Columns").click()
    for key in ("gap", "class", "task:B->A", "time"):
        page.locator(f'.column[value="{key}"]').uncheck()
    page.keyboard.press("Escape")


def test_csv(page: Any) -> None:
    whole = list(csv.DictReader(io.StringIO(saved(page, "csv"))))
    assert len(whole) == 11
    narrow(page)
    lines = list(csv.DictReader(io.StringIO(saved(page, "csv"))))
    shown = names(page)
    assert [line["method"].removeprefix("'") for line in lines] == shown
    assert len(shown) == 9
    assert list(lines[0]) == [
        "rank low", "rank high", "ties", "method", "configuration", "status", "not ranked",
        "chosen on target labels", "tuned", "failed", "collapsed", "without rule", "wrong", "rerun differs",
        "recomputed", "rerun agrees", "self-reported", "not checked", "notes",
        "Average", "Average half-width", "Average n",
        "Gain over source_only", "Gain over source_only half-width", "Gain over source_only n",
        "task:A->B", "task:A->B half-width", "task:A->B n", "task:A->B gain", "task:A->B failed",
        "task:A->B collapsed", "task:A->B without rule",
        "suite", "suite title", "backbone", "protocol", "metric", "rule", "tasks", "only tasks of all rows",
        "unit", "interval", "level", "test",
    ]  # fmt: skip
    by_method = {line["method"]: line for line in lines}
    gsda = by_method["gsda"]
    assert [gsda[key] for key in ("Average", "Average half-width", "Average n")] == ["66.17", "4.7", "3"]
    assert [gsda[f"task:A->B{key}"] for key in ("", " half-width", " n", " gain")] == [
        "71.67",
        "5.17",
        "3",
        "20.67",
    ]
    assert by_method["cdan"]["Gain over source_only"] == "-6"
    assert f"'{FORMULA}" in by_method
    assert (gsda["level"], gsda["rule"], gsda["backbone"]) == ("0.95", "last", "resnet50.tv_in1k")
    page.get_by_label("Search").fill("no such method")
    assert saved(page, "csv").splitlines()[0].startswith("rank low,")


def test_json(page: Any) -> None:
    content = json.loads(saved(page, "json"))
    assert content["suite title"] == "Toy suite"
    assert [row["method"] for row in content["rows"]] == names(page)
    narrow(page)
    rows = json.loads(saved(page, "json"))["rows"]
    assert [row["method"] for row in rows] == names(page)
    (gsda,) = (row for row in rows if row["method"] == "gsda")
    assert (gsda["tasks"]["A->B"]["mean"], gsda["tasks"]["A->B"]["gain"], gsda["status"]) == (
        71.67,
        20.67,
        "ranked",
    )
    assert list(gsda["tasks"]) == ["A->B"]
    seen = page.locator("tr", has=page.locator("a", has_text="gsda")).locator(".rank").first.inner_text()
    assert re.match(r"(\d+)(?:–(\d+))?", seen).group(1) == str(gsda["rank low"])


def unescaped(text: str) -> str:
    """LaTeX of the exporter back to text."""
    words = {
        r"\textbackslash{}": "\\", r"\textbar{}": "|",
        r"\textasciicircum{}": "^", r"\textasciitilde{}": "~", r"\textless{}": "<",
        r"\textgreater{}": ">", **{f"\\{sign}": sign for sign in "{}$&#%_"},
    }  # fmt: skip
    return re.sub("|".join(map(re.escape, words)), lambda found: words[found.group()], text)


def method(cell: str) -> str:
    """The name in a cell, without bold and marks."""
    bare = re.sub(r"\\textsuperscript\{[a-z,]+\}|\$\^\\dagger\$", "", cell.strip())
    found = re.fullmatch(r"\\textbf\{(.*)\}", bare)
    return unescaped(found.group(1) if found else bare)


def test_latex(page: Any) -> None:
    narrow(page)
    text = saved(page, "tex")
    for name in ("toprule", "midrule", "bottomrule"):
        assert text.count(f"\\{name}\n") == 1
    caption = re.search(r"\\caption\{(.*)\}\n", text).group(1)
    assert "Student-t" in caption
    assert r"95 \%" in caption
    assert "over 3 seeds" in caption
    body = text.split("\\midrule\n")[1].split("\\bottomrule")[0]
    lines = [re.split(r"(?<!\\)&", line.removesuffix(" \\\\")) for line in body.splitlines()]
    assert {len(line) for line in lines} == {5}
    assert [method(line[1]) for line in lines] == names(page)
    assert re.search(r"\\begin\{tabular\}\{(\w+)\}", text).group(1) == "rlrrr"
    (gsda,) = (line for line in lines if method(line[1]) == "gsda")
    assert gsda[2].strip() == r"$66.17 \pm 4.70$"
    # Bold is the group that nobody is significantly better than, and nothing else.
    best = page.locator("tr[data-best]:visible .name").all_inner_texts()
    bold = [method(line[1]) for line in lines if "mathbf" in line[2]]
    assert sorted(bold) == sorted(best)
    assert HOSTILE in bold
    assert text.replace("\\$", "").count("$") % 2 == 0
    bare = text.replace("\\{", "").replace("\\}", "")
    assert bare.count("{") == bare.count("}")


def test_markdown(page: Any) -> None:
    narrow(page)
    text = saved(page, "md")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rows = [
        [re.sub(r"\\(.)", r"\1", cell.strip()) for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in lines
    ]
    assert rows[0] == ["Rank", "Method", "Average", "Gain over source_only", "A→B"]
    assert rows[1] == ["--:", ":--", "--:", "--:", "--:"]
    shown = [re.sub(r"^\*\*|\*\*$", "", re.sub(r"†?(<sup>[a-z,]+</sup>)?$", "", row[1])) for row in rows[2:]]
    assert [html.unescape(re.sub(r"\*\*$", "", name)) for name in shown] == names(page)
    (gsda,) = (row for row in rows if re.match(r"\W*gsda\W*(<|$)", row[1]))
    seen = page.locator("tr", has=page.locator("bdi.name:text-is('gsda')")).locator(".over small").first
    assert [cell.strip("*") for cell in gsda[2:]] == [
        "66.17 ±4.70",
        f"+10.67 {seen.inner_text()}",
        "71.67 ±5.17",
    ]
    assert "<img" not in text


def test_bibtex(page: Any) -> None:
    text = saved(page, "bib")
    entries = re.findall(r"^@(\w+)\{([^,]*),", text, re.MULTILINE)
    assert ("misc", "script-img-src-x-onerror-alert-1") in entries
    assert sum("long2018conditional" in key for _, key in entries) == 1  # cdan and cdan+e have one paper
    assert text.replace("\\{", "").count("{") == text.replace("\\}", "").count("}")
    assert "Me, source" not in text
    page.get_by_label("Search").fill("gsda")
    assert re.findall(r"^@\w+\{([^,]*),", saved(page, "bib"), re.MULTILINE) == ["hu2020unsupervised"]


def test_a_picture_is_saved_with_its_looks(page: Any) -> None:
    figure = page.locator("figure:has(.save-svg)").first
    colour = figure.locator("svg text").first.evaluate("one => getComputedStyle(one).fill")
    with page.expect_download() as download:
        figure.locator(".save-svg").click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert float(root.get("width")) > 100
    assert colour in {one.get("fill") for one in root.iter()}
    page.emulate_media(color_scheme="dark")
    with page.expect_download() as download:
        figure.locator(".save-svg").click()
    assert Path(download.value.path()).read_text(encoding="utf-8") == text  # papers are white
    assert not [one for one in root.iter() if one.get("class")]
    assert "var(" not in text


def test_names_from_strangers_are_text(page: Any) -> None:
    assert names(page)[:4] == [HOSTILE, FORMULA, HEBREW, SPECIAL]
    assert page.locator("table img, table script").count() == 0
    name = page.locator("bdi.name", has_text=HEBREW)
    assert name.evaluate("one => getComputedStyle(one).unicodeBidi") == "isolate"
    long = page.locator("bdi.name", has_text="xxxx")
    assert long.evaluate(
        "one => one.getBoundingClientRect().right <= one.closest('th').getBoundingClientRect().right"
    )
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_what_makes_a_row_honest_is_saved(
    small_sweep: list[Record], record: Callable[..., Record], tmp_path: Path, open_page: Open,
    written: Callable[[list[Record]], Path],
) -> None:  # fmt: skip
    looked = {"steps": "dabench tune: best of 20 trials x 2 tasks by rule oracle, chosen on target labels"}
    tuned = {"steps": "dabench tune: best of 20 trials x 2 tasks by rule infomax"}
    tasks = ("A->B", "B->A")
    more = [
        *(record("mcd", task, seed, 0.9, provenance=looked) for task in tasks for seed in range(3)),
        *(record("afn", task, seed, 0.7, provenance=tuned) for task in tasks for seed in range(3)),
        *(record("method", task, seed, 0.8) for task in tasks for seed in range(2)),
    ]
    odd = {"toy": SuiteInfo("Toy", tasks, ("cat", "dog"))}
    page = open_page(write_site(written([*small_sweep, *more]), tmp_path / "site", Order(suites=odd)).index)
    page.get_by_role("checkbox", name="chosen on target labels").check()
    rows = {row["method"]: row for row in json.loads(saved(page, "json"))["rows"]}
    assert rows["mcd"]["chosen on target labels"]
    assert rows["mcd"]["status"] == "target"
    assert rows["afn"]["tuned"] == "tuned: best of 20 trials by infomax"
    assert (rows["cdan+e"]["failed"], rows["cdan+e"]["tasks"]["B->A"]["failed"]) == (1, 1)
    assert rows["method"]["not ranked"] == "n<3"
    assert rows["target_only"]["status"] == "bound"
    for kind in ("tex", "md"):
        text = saved(page, kind)
        for words in (
            "chosen on target labels, never ranked", "Tuned: best of 20 trials by infomax", "(1 failed)",
            "1 run failed, in no mean", "Upper bound: trained on target labels, never ranked", "(n=2)",
        ):  # fmt: skip
            assert words in text.replace("\\", "")
