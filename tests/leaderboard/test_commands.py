"""The command: what it prints where, and what it costs to have it on the command line."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from dabench.discovery import command_modules
from dabench.errors import UserError
from dabench.leaderboard import board_command, commands
from dabench.records import Record


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.callback()(lambda: None)
    commands.add_to(app)
    return app


def test_it_writes_the_page_and_prints_the_averages(
    app: typer.Typer, small_sweep: list[Record], written: Callable[[list[Record]], Path], tmp_path: Path
) -> None:
    results = written(small_sweep)
    (results / "broken.json").write_text("{")
    site = tmp_path / "site"
    arguments = ["leaderboard", "--results", str(results), "--out", str(site)]
    outcome = CliRunner().invoke(app, arguments, env={"COLUMNS": "150"})
    assert outcome.exit_code == 0, outcome.output
    assert str(site / "index.html") in outcome.stdout
    assert (site / "index.html").is_file()
    rows = [re.split(r" {2,}", line.strip()) for line in outcome.stdout.splitlines()]
    # Gaps of gsda (9, 11, 12) and of target_only (41, 40.5, 41): 10.67 / 40.83 = 26.1 %.
    gsda = next(row for row in rows if row[1:2] == ["gsda"])
    assert re.fullmatch(r"1(–\d)? [a-z]+", gsda[0])
    assert gsda[2:5] == ["2/2", "66.17 ±4.70 n=3", "+10.67 ±3.79"]
    assert gsda[5].startswith("26.1 % (")
    assert ["–", "cdan+e", "1/2", "–", "–", "–", "1, 0"] in rows
    assert ["–", "target_only (upper bound)", "2/2", "96.33 ±1.43 n=3", "+40.83 ±0.72", "–"] in rows
    assert "cdan (worse than not adapting)" in [row[1] for row in rows if len(row) > 1]
    assert "at the last step" in outcome.stdout
    assert "± of an average is the half-width of its Student-t interval over seeds" in outcome.stdout
    assert "Holm's correction" in outcome.stdout
    assert "1 of 34 runs failed" in outcome.stdout
    assert "skipped broken.json" in outcome.stderr
    assert "broken" not in outcome.stdout


def test_a_rule_and_missing_bounds_are_named(
    app: typer.Typer, record: Callable[..., Record], written: Callable[[list[Record]], Path], tmp_path: Path
) -> None:
    results = written([record("dann", task, seed) for task in ("A->B", "B->A") for seed in range(3)])
    arguments = ["leaderboard", "--results", str(results), "--out", str(tmp_path / "s"), "--select", "oracle"]
    outcome = CliRunner().invoke(app, arguments, env={"COLUMNS": "160"})
    assert outcome.exit_code == 0, outcome.output
    assert "at the step that oracle chose" in outcome.stdout
    assert "dann (chosen on target labels)" in outcome.stdout
    assert "target_only was not run: dabench run --method target_only --suite toy" in outcome.stdout


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["leaderboard", "--select", "orakle"], "unknown selection rule 'orakle'", "did you mean 'oracle'?"),
        (["leaderboard", "--format", "latx"], "unknown format 'latx'", "did you mean 'latex'?"),
        (["leaderboard", "--pages", "al"], "unknown --pages 'al'", "did you mean 'all'?"),
        (["leaderboard", "--verify", "yes"], "unknown --verify 'yes'", "all, auto, none"),
        (["leaderboard", "--format", "csv", "--open"], "--open is for the page", "--out"),
        (["leaderboard", "--format", "csv", "--against", "x"], "--against is for the page", "--out"),
        (
            ["leaderboard", "--format", "csv", "--results", "nowhere"],
            "no results folder at 'nowhere'",
            "--results",
        ),
        (["leaderboard", "--set", "ci.lvel=0.9"], "unknown setting 'ci.lvel'", "did you mean 'ci.level'?"),
        (["leaderboard", "--config", "none.yaml"], "settings file none.yaml does not exist", "--config"),
        (["verify", "nowhere"], "no results folder at 'nowhere'", "dabench verify RESULTS"),
        (["verify", "--format", "tabel"], "unknown format 'tabel'", "did you mean 'table'?"),
        (["verify", "--reason", "why"], "--reason is for the ledger", "--ledger"),
        (["select", "--rule", "orakle"], "unknown selection rule 'orakle'", "did you mean 'oracle'?"),
        (["select", "--format", "marckdown"], "unknown format 'marckdown'", "did you mean 'markdown'?"),
        (["select", "--runs"], "--runs lists the runs of one rule", "--rule snd --runs"),
        (["select", "--results", "nowhere"], "no results folder at 'nowhere'", "--results"),
    ],
)
def test_mistakes_reach_main_as_user_errors(
    app: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    arguments: list[str], message: str, hint: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    outcome = CliRunner().invoke(app, arguments)
    assert isinstance(outcome.exception, UserError)
    assert message in str(outcome.exception)
    assert hint in outcome.exception.hint


def test_folders_by_default_and_by_environment(
    app: typer.Typer, record: Callable[..., Record], written: Callable[[list[Record]], Path],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    results = written([record()])
    monkeypatch.chdir(tmp_path)
    assert results == tmp_path / "results"
    assert CliRunner().invoke(app, ["leaderboard"]).exit_code == 0
    assert (tmp_path / "site" / "index.html").is_file()
    results.rename(tmp_path / "other")
    outcome = CliRunner().invoke(app, ["leaderboard"], env={"DABENCH_RESULTS": "other"})
    assert outcome.exit_code == 0


def test_open_shows_the_page(
    app: typer.Typer, record: Callable[..., Record], written: Callable[[list[Record]], Path],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    opened: list[str] = []
    monkeypatch.setattr(board_command.webbrowser, "open", opened.append)
    arguments = [
        "leaderboard",
        "--results",
        str(written([record()])),
        "--out",
        str(tmp_path / "a b"),
        "--open",
    ]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert opened == [(tmp_path / "a b" / "index.html").as_uri()]


def test_a_missing_folder_reaches_main_as_a_user_error(app: typer.Typer, tmp_path: Path) -> None:
    outcome = CliRunner().invoke(app, ["leaderboard", "--results", str(tmp_path / "none")])
    assert isinstance(outcome.exception, UserError)


def test_an_empty_folder_is_no_error(app: typer.Typer, tmp_path: Path) -> None:
    outcome = CliRunner().invoke(
        app, ["leaderboard", "--results", str(tmp_path), "--out", str(tmp_path / "s")]
    )
    assert outcome.exit_code == 0
    assert "no runs here yet" in outcome.stdout


def test_markup_in_a_name_is_printed_as_it_is(
    app: typer.Typer, record: Callable[..., Record], written: Callable[[list[Record]], Path], tmp_path: Path
) -> None:
    results = written([record("[red]x[/red]")])
    outcome = CliRunner().invoke(
        app, ["leaderboard", "--results", str(results), "--out", str(tmp_path / "s")]
    )
    assert outcome.exit_code == 0
    assert "[red]x[/red]" in outcome.stdout


def test_the_command_is_found_and_loads_nothing_heavy() -> None:
    assert "dabench.leaderboard.commands" in {module.__name__ for module in command_modules()}
    heavy = ("pandas", "jinja2")
    code = f"import sys, dabench.leaderboard.commands; sys.exit(any(m in sys.modules for m in {heavy}))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_where_no_row_is_complete_common_tasks_are_ranked(
    app: typer.Typer, record: Callable[..., Record], written: Callable[[list[Record]], Path], tmp_path: Path
) -> None:
    ran = {"dann": ("A->B", "B->A"), "cdan": ("A->B", "C->D")}
    records = [
        record(method, task, seed, 0.6 + 0.01 * seed + 0.1 * (method == "dann"))
        for method, tasks in ran.items()
        for task in tasks
        for seed in range(3)
    ]
    arguments = ["leaderboard", "--results", str(written(records)), "--out", str(tmp_path / "site")]
    usual = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert "no row has all 3 tasks, so nothing is ranked here" in usual.stdout
    assert "leaderboard --common" in usual.stdout
    assert "71.00" not in usual.stdout
    page = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert "No row has all 3 tasks, so nothing is ranked here" in page
    common = CliRunner().invoke(app, [*arguments, "--common"], env={"COLUMNS": "200"})
    assert "Not the whole suite, only what every row has run: A->B" in common.stdout
    assert "71.00" in common.stdout
    assert "nothing is ranked" not in common.stdout
    assert (tmp_path / "site" / "index.html").read_text("utf-8") == page, "the pages are the same"
    printed = CliRunner().invoke(app, [*arguments[:3], "--format", "markdown", "--common"])
    assert "Only the tasks that every row has" in printed.stdout
    assert "71.00" in printed.stdout
