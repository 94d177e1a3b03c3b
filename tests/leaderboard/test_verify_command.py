"""``dabench verify`` from the command line to its exit code."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dabench.cli import main

Honest = Callable[..., Path]
Output = pytest.CaptureFixture[str]


@pytest.fixture
def results(honest: Honest, tmp_path: Path) -> Path:
    for seed in range(3):
        honest(tmp_path / "results", seed=seed, wrong=4 + seed)
    return tmp_path / "results"


def verify(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["verify", *map(str, arguments)])
    return int(str(caught.value.code))


def test_a_sound_folder_ends_with_zero(results: Path, capsys: Output) -> None:
    assert verify(results) == 0
    assert capsys.readouterr().out == "3 runs: 3 recomputed\n"


def test_a_changed_record_ends_with_one(results: Path, capsys: Output) -> None:
    path = next(results.rglob("seed1-*.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"value": 0.99}))
    assert verify(results) == 1
    out = capsys.readouterr().out
    assert f"wrong: {path.relative_to(results).as_posix()}\n  value (accuracy) is 0.990000" in out
    assert "3 runs: 2 recomputed, 1 wrong" in out


def test_a_broken_record_ends_with_one_and_other_json_does_not(results: Path, capsys: Output) -> None:
    (results / "package.json").write_text("{}")
    assert verify(results) == 0
    assert "JSON files that are no records, passed by:\n  package.json" in capsys.readouterr().out
    (results / "cut.json").write_text("{")
    assert verify(results) == 1
    assert "no record: cut.json" in capsys.readouterr().out


def test_json_holds_everything(results: Path, capsys: Output) -> None:
    path = next(results.rglob("seed0-*.json"))
    path.with_name(json.loads(path.read_text())["predictions_file"]).unlink()
    assert verify(results, "--format", "json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content["fine"] is True
    assert content["counts"] == {"self-reported": 1, "recomputed": 2}
    statuses = {Path(file).name[:5]: one["status"] for file, one in content["verdicts"].items()}
    assert statuses == {"seed0": "self-reported", "seed1": "recomputed", "seed2": "recomputed"}
    assert (content["broken"], content["foreign"], content["ledger"]) == ([], [], None)


def test_reruns_are_compared(results: Path, honest: Honest, tmp_path: Path, capsys: Output) -> None:
    honest(tmp_path / "reruns", seed=1, wrong=20, started_at="2026-02-02T10:00:00+00:00")
    assert verify(results, "--reruns", tmp_path / "reruns") == 1
    out = capsys.readouterr().out
    assert "rerun differs: " in out
    assert "3 runs: 2 recomputed, 1 rerun differs" in out


def test_the_ledger_is_written_only_when_it_is_named(results: Path, capsys: Output) -> None:
    ledger = results / "ledger.jsonl"
    assert verify(results) == 0
    assert not ledger.exists()
    assert verify(results, "--ledger", ledger) == 0
    assert "Ledger: 3 lines, 3 of them new" in capsys.readouterr().out
    gone = next(results.rglob("seed1-*.json"))
    gone.unlink()
    assert verify(results) == 0
    out = capsys.readouterr().out
    assert f"Not in the ledger yet (--ledger FILE adds it):\n  removed {gone.relative_to(results)}" in out
    before = ledger.read_bytes()
    assert verify(results, "--ledger", ledger) == 2
    assert f"removed {gone.relative_to(results).as_posix()}" in capsys.readouterr().err
    assert ledger.read_bytes() == before
    assert verify(results, "--ledger", ledger, "--reason", "run on the wrong images") == 0
    assert "Ledger: 4 lines, 1 of them new" in capsys.readouterr().out


def test_a_broken_ledger_ends_with_one(results: Path, capsys: Output) -> None:
    ledger = results / "ledger.jsonl"
    verify(results, "--ledger", ledger)
    ledger.write_bytes(ledger.read_bytes()[10:])
    assert verify(results) == 1
    assert "The ledger is broken: ledger.jsonl" in capsys.readouterr().out
    assert verify(results, "--ledger", ledger) == 2


def test_control_characters_do_not_reach_the_terminal(honest: Honest, tmp_path: Path, capsys: Output) -> None:
    path = honest(tmp_path / "results", "a\x1b[2J\u202eb")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"value": 0.99}))
    assert verify(tmp_path / "results") == 1
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()
    assert r"a\x1b[2J\u202eb" in out


def test_an_empty_folder_is_fine(tmp_path: Path, capsys: Output) -> None:
    assert verify(tmp_path) == 0
    assert "There are no records here." in capsys.readouterr().out
