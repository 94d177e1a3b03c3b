"""``dabench leaderboard`` in the terminal: its words, and what older states, reruns and ledgers add."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dabench.cli import main

Honest = Callable[..., Path]
Output = pytest.CaptureFixture[str]


@pytest.fixture
def results(honest: Honest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "160")
    for method, wrong in (("source_only", 8), ("dann", 4)):
        for task in ("A->B", "B->A"):
            for seed in range(3):
                honest(tmp_path / "results", method, task, seed, wrong + seed % 2)
    return tmp_path / "results"


def leaderboard(results: Path, *arguments: str | Path) -> int:
    out = results.parent / "site"
    with pytest.raises(SystemExit) as caught:
        main(["leaderboard", "--results", str(results), "--out", str(out), *map(str, arguments)])
    return int(str(caught.value.code))


def test_it_says_what_the_order_is_worth_and_what_was_checked(results: Path, capsys: Output) -> None:
    assert leaderboard(results) == 0
    out = capsys.readouterr().out
    assert "± of an average is the half-width of its Student-t interval over seeds" in out
    assert "Holm's correction over all pairs of ranked rows" in out
    assert "Runs checked against their files: 12 recomputed" in out
    assert re.search(r"^ +1(–2)? [a-z]+ +dann", out, re.MULTILINE)


def test_a_record_that_contradicts_its_files_is_named(results: Path, capsys: Output) -> None:
    path = next(results.rglob("dann/seed0-*.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"value": 0.99}))
    assert leaderboard(results) == 0
    out = capsys.readouterr().out
    assert "11 recomputed, 1 wrong" in out
    assert f"wrong: {path.relative_to(results).as_posix()}: value (accuracy) is 0.990000" in out
    assert leaderboard(results, "--verify", "none") == 0
    assert "Runs checked" not in capsys.readouterr().out


def test_an_older_state_is_compared(results: Path, honest: Honest, capsys: Output) -> None:
    assert leaderboard(results, "--verify", "none") == 0
    old = (results.parent / "site" / "results.csv").rename(results.parent / "old.csv")
    for task in ("A->B", "B->A"):
        for seed in range(3):
            honest(results, "gsda", task, seed, 1 + seed)
    capsys.readouterr()
    assert leaderboard(results, "--against", old, "--verify", "none") == 0
    out = capsys.readouterr().out
    assert "1 new, 2 moved of 3 rows" in out
    page = (results.parent / "site" / "changes.html").read_text()
    assert "1 new, 2 moved of 3 rows" in page
    assert str(results.parent) not in page


def test_the_ledger_is_on_the_page(results: Path) -> None:
    with pytest.raises(SystemExit):
        main(["verify", str(results), "--ledger", str(results / "ledger.jsonl")])
    assert leaderboard(results) == 0
    assert "12 added" in (results.parent / "site" / "changes.html").read_text()


def test_reruns_give_badges(results: Path, honest: Honest, capsys: Output) -> None:
    reruns = results.parent / "reruns"
    honest(reruns, "dann", "A->B", 0, 4, started_at="2026-02-02T10:00:00+00:00")
    assert leaderboard(results, "--reruns", reruns) == 0
    assert "rerun agrees" in capsys.readouterr().out
