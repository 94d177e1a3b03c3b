"""What ``dabench select`` leaves out: nothing that is all dashes, and nothing at all without runs."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from dabench.leaderboard import commands
from dabench.records import Record

Make = Callable[..., Record]
Write = Callable[[list[Record]], Path]
TITLE = "toy · resnet50.tv_in1k · transductive"


@pytest.fixture
def select() -> Callable[..., Result]:
    app = typer.Typer()
    app.callback()(lambda: None)
    commands.add_to(app)

    def run(results: Path, *words: str) -> Result:
        arguments = ["select", "--results", str(results), *words]
        outcome = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
        assert outcome.exit_code == 0, outcome.output
        return outcome

    return run


@pytest.fixture(autouse=True)
def _known_suite(monkeypatch: pytest.MonkeyPatch, suites: object) -> None:
    monkeypatch.setattr("dabench.leaderboard.selecting.known_suites", lambda: suites)


@pytest.mark.parametrize("style", ["markdown", "csv"])
@pytest.mark.parametrize("failed", [False, True])
def test_without_a_finished_run_stdout_stays_empty(
    select: Callable[..., Result], record: Make, written: Write, style: str, failed: bool
) -> None:
    outcome = select(written([record(failed=True)] if failed else []), "--format", style)
    assert outcome.stdout == ""
    assert ("No run has finished, 1 failed" if failed else "There are no runs here yet") in outcome.stderr


@pytest.mark.parametrize("style", ["markdown", "table"])
def test_grids_of_dashes_are_sentences(
    select: Callable[..., Result], record: Make, written: Write, style: str
) -> None:
    """One evaluation a run, so no order to compare; one of two tasks, so no average."""
    shown = select(written([record(seed=seed) for seed in range(3)]), "--format", style).stdout
    lines = [line.strip() for line in shown.splitlines()]
    assert f"{TITLE}: no average: 1 of 2 tasks were run" in lines
    assert f"{TITLE}: no weighted Spearman: too few evaluations with scores, or all are equal" in lines
    assert "average at the chosen steps" not in shown
    assert "weighted Spearman of score" not in shown
    assert f"{TITLE}: what the choice lacks to the oracle, points" in " ".join(lines)


@pytest.mark.parametrize("words", [(), ("--runs",), ("--format", "markdown"), ("--format", "csv", "--runs")])
@pytest.mark.parametrize("sign", ["\x1b[2J", "\x1b]0;evil\x07", "\x9b2J", "\u202e"])
def test_nothing_steers_the_terminal(
    select: Callable[..., Result], record: Make, written: Write, words: tuple[str, ...], sign: str
) -> None:
    hostile = record(
        f"dann{sign}",
        f"A->B{sign}",
        suite=f"toy{sign}",
        backbone=f"net{sign}",
        protocol=f"transductive{sign}",
    )
    results = written([hostile])
    (path,) = results.rglob("*.json")
    path.rename(path.with_name(os.fsdecode(b"seed0\xff\x1b[2J.json")))
    outcome = select(results, "--rule", "last", *words)
    assert "toy" in outcome.stdout
    assert not [one for one in outcome.output if not one.isprintable() and one != "\n"]


def test_all_tasks_without_a_common_seed(select: Callable[..., Result], record: Make, written: Write) -> None:
    shown = select(written([record("dann", "A->B", 0), record("dann", "B->A", 1)])).stdout
    assert "no average: no method has a seed that was run on all tasks" in shown
    assert "no comparison with the oracle: no seed was run on all these tasks" in shown


def test_grids_with_numbers_stay(
    select: Callable[..., Result], record: Make, trained: Callable[..., Record], written: Write
) -> None:
    records = [trained(record("dann", task, 0), 0.4, 0.6, 0.5) for task in ("A->B", "B->A")]
    shown = select(written(records), "--format", "markdown").stdout
    assert f"{TITLE}: average at the chosen steps, percent" in shown
    assert f"{TITLE}: weighted Spearman of score and true accuracy, from -1 to +1" in shown
    assert ": no " not in shown.split(TITLE, 1)[1]
