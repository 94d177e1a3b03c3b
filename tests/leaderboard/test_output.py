"""CSV, JSON, LaTeX and Markdown on standard output: read back and compared with the tables."""

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dabench.cli import main
from dabench.errors import UserError
from dabench.leaderboard import latex, markdown
from dabench.leaderboard.boards import Reading
from dabench.leaderboard.output import as_text, lines
from dabench.leaderboard.reading import read_boards, read_scored
from dabench.leaderboard.rows import SuiteInfo
from dabench.leaderboard.runs import Run
from dabench.leaderboard.settings import Settings
from dabench.leaderboard.settings_file import read_settings
from dabench.records import Record

Suites = Mapping[str, SuiteInfo]
Make = Callable[..., Record]
RunsOf = Callable[[list[Record]], list[Run]]
Output = pytest.CaptureFixture[str]
HOSTILE = "</script><img src=x onerror=alert(1)> & 50% of $x_1^2 ~ {a|b} *c* \\input{/etc/passwd} \u202e`d`"


@pytest.fixture
def results(small_sweep: list[Record], written: Callable[[list[Record]], Path]) -> Path:
    return written(small_sweep)


@pytest.fixture
def readings(results: Path, suites: Suites) -> tuple[Reading, ...]:
    return read_boards(results, suites=suites).readings


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["leaderboard", *map(str, arguments)])
    return int(str(caught.value.code))


def test_csv_has_a_line_for_each_row_and_task(readings: tuple[Reading, ...]) -> None:
    found = list(csv.DictReader(io.StringIO(as_text(readings, "csv", 0.95))))
    rows = readings[0].table.rows
    assert len(found) == len(rows) * (len(readings[0].table.tasks) + 1)
    for line in found:
        row = next(row for row in rows if row.method == line["method"])
        average = line["task"] == "average"
        cell = None if average else row.cells[line["task"]]
        interval = row.average if cell is None else cell.interval
        gain = row.gain if cell is None else cell.gain
        assert line["mean"] == ("" if interval is None else repr(interval.mean))
        assert line["n"] == str(interval.n if interval else 0)
        assert line["failed"] == str(row.failed if cell is None else cell.failed)
        assert line["collapsed"] == str(row.collapsed if cell is None else cell.collapsed)
        assert (line["gain"] == "") == (gain is None)
        standing = readings[0].standings.rows.get(row.group.key)
        assert line["rank_low"] == (str(standing.low) if standing else "")
        assert line["rank_high"] == (str(standing.high) if standing else "")
    average = next(line for line in found if (line["method"], line["task"]) == ("gsda", "average"))
    assert float(average["mean"]) == pytest.approx(0.66167, abs=1e-5)
    assert (average["interval"], average["level"], average["status"]) == ("t", "0.95", "ranked")
    incomplete = next(line for line in found if (line["method"], line["task"]) == ("cdan+e", "average"))
    assert (incomplete["mean"], incomplete["status"], incomplete["failed"]) == ("", "incomplete", "1")


def test_json_says_the_same_and_names_the_test(readings: tuple[Reading, ...]) -> None:
    content = json.loads(as_text(readings, "json", 0.95))
    assert content["lines"] == lines(readings, 0.95)
    assert content["tables"][0]["test"] == readings[0].standings.test
    assert content["level"] == 0.95


def test_a_formula_in_a_name_is_harmless(record: Make, runs_of: RunsOf, suites: Suites) -> None:
    found = read_scored(runs_of([record("=1+1")]), None, None, suites)
    (line, *_) = csv.DictReader(io.StringIO(as_text(found, "csv", 0.95)))
    assert line["method"] == "'=1+1"


def cells_of(text: str) -> dict[str, list[str]]:
    """Rows of a LaTeX table by the plain name of their method."""
    rows = [line.removesuffix(r" \\").split(" & ") for line in text.splitlines() if line.endswith(r" \\")]
    return {re.sub(r"\\textbf\{(.*)\}", r"\1", cells[0]): cells for cells in rows}


def test_latex_has_the_best_group_in_bold_and_the_interval_in_its_caption(
    readings: tuple[Reading, ...],
) -> None:
    text = as_text(readings, "latex", 0.95)
    rows = cells_of(text)
    assert rows["Method"] == ["Method", "Rank", "Average", r"A$\to$B", r"B$\to$A"]
    for row in readings[0].table.rows:
        standing = readings[0].standings.rows.get(row.group.key)
        bold = any(cells[0].startswith(rf"\textbf{{{latex.escape(row.method)}") for cells in rows.values())
        assert bold == bool(standing and standing.best_group)
    incomplete = rows[r"cdan+e$^\dagger$"]
    assert incomplete[1:] == ["--", "1/2 tasks", r"71.67 $\pm$5.17", "-- (1 failed)"]
    assert rows["target\\_only (upper bound)"][2] == r"96.33 $\pm$1.43"
    assert r"95 \% Student-t interval over 3 seeds" in text
    assert "Holm's correction" in text
    assert text.index(r"cdan+e") < text.rindex(r"\midrule") < text.index(r"target\_only")
    assert all(word in text for word in (r"\toprule", r"\bottomrule", "booktabs"))


@pytest.mark.parametrize("style", ["latex", "markdown"])
def test_hostile_names_stay_text(record: Make, runs_of: RunsOf, suites: Suites, style: str) -> None:
    found = read_scored(runs_of([record(HOSTILE)]), None, None, suites)
    text = as_text(found, style, 0.95)
    assert text.replace("\n", "").isprintable()
    if style == "latex":
        left = re.sub(r"\\textbackslash\{\}|\\text[a-z]+\{\}|\\[{}&%$#_]|\$[^$]*\$", "", text)
        line = next(line for line in left.splitlines() if "script" in line and "caption" not in line)
        assert not set(line.replace(" & ", "").removesuffix(r"\\")) & set("\\{}$#_^~%<>|")
        assert r"\input" not in text
    else:
        line = next(line for line in text.splitlines() if "script" in line)
        assert len(re.findall(r"(?<!\\)\|", line)) == 6
        assert not re.search(r"(?<!\\)[<>*`]", line)


def test_markdown_reads_back(readings: tuple[Reading, ...]) -> None:
    text = as_text(readings, "markdown", 0.95)
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    assert rows[0] == ["Method", "Rank", "Average", "A→B", "B→A"]
    assert len(rows) == 2 + len(readings[0].table.rows)
    assert ["cdan+e†", "–", "1/2 tasks", "71.67 ±5.17", "– (1 failed)"] in rows
    gsda = next(row for row in rows if "gsda" in row[0])
    assert gsda[0] == "**gsda**"
    assert gsda[2] == "**66.17 ±4.70**"


def test_escapes() -> None:
    assert latex.escape("a_b & 5%") == r"a\_b \& 5\%"
    assert markdown.escape("a|b\n*c*") == r"a\|b\\n\*c\*"


@pytest.mark.parametrize("style", ["csv", "json", "latex", "markdown"])
def test_the_command_prints_only_the_tables_and_writes_no_page(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output, style: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (results / "broken.json").write_text("{")
    assert run("--results", results, "--format", style) == 0
    captured = capsys.readouterr()
    assert "gsda" in captured.out
    assert "Leaderboard:" not in captured.out
    assert "skipped broken.json" in captured.err
    assert not (tmp_path / "site").exists()
    if style == "json":
        json.loads(captured.out)


def test_a_page_is_written_where_a_folder_is_named(results: Path, tmp_path: Path, capsys: Output) -> None:
    assert run("--results", results, "--format", "csv", "--out", tmp_path / "page", "--verify", "none") == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("suite,backbone,")
    assert "index.html" in captured.err
    assert (tmp_path / "page" / "index.html").is_file()


def test_an_empty_folder_prints_an_empty_table(tmp_path: Path, capsys: Output) -> None:
    for style in ("csv", "json", "latex", "markdown"):
        assert run("--results", tmp_path, "--format", style) == 0
    assert "no runs here yet" in capsys.readouterr().err


def test_settings_reach_the_numbers(results: Path, tmp_path: Path, capsys: Output) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text("ci: {level: 0.9}\nmin_seeds: 4\n")
    assert run("--results", results, "--format", "csv", "--config", config, "--set", "ci.level=0.8") == 0
    found = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {line["level"] for line in found} == {"0.8"}
    assert {line["rank"] for line in found} == {""}  # three seeds are too few now
    gsda = next(line for line in found if (line["method"], line["task"]) == ("gsda", "A->B"))
    # s of (0.70, 0.71, 0.74) is 0.020817, t(2, 0.9) is 1.885618
    assert float(gsda["half_width"]) == pytest.approx(1.885618 * 0.0208167 / 3**0.5, abs=1e-6)


def test_settings_of_a_file_and_of_flags(tmp_path: Path) -> None:
    assert read_settings(None) == Settings()
    (tmp_path / "empty.yaml").write_text("")
    assert read_settings(tmp_path / "empty.yaml") == Settings()
    found = read_settings(None, ["compare.test=welch", "ci.suite=welch_satterthwaite"])
    assert (found.compare.test, found.ci.suite) == ("welch", "welch_satterthwaite")


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        ("ci: {lvel: 0.9}", "unknown setting 'ci.lvel'", "did you mean 'ci.level'?"),
        ("ci: 0.9", "unknown setting 'ci'", "set ci.cell, ci.suite, ci.level"),
        ("ci: {level: 2}", "ci.level: Input should be less than 1", ""),
        ("compare: {test: welsh}", "compare.test: Input should be", ""),
        ("[1, 2]", "settings are a mapping", "such as"),
        ("a: [", "cannot be read as YAML", ""),
    ],
)
def test_settings_that_cannot_be_are_the_users(tmp_path: Path, content: str, message: str, hint: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(content)
    with pytest.raises(UserError) as caught:
        read_settings(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert hint in caught.value.hint


def test_equal_input_gives_equal_text(results: Path, suites: Suites) -> None:
    def texts() -> list[Any]:
        found = read_boards(results, suites=suites).readings
        return [as_text(found, style, 0.95) for style in ("csv", "json", "latex", "markdown")]

    assert texts() == texts()
