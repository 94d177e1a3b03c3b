"""dabench bench as people call it."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from dabench.bench.startup import STAGES
from dabench.cli import main

Dab = Callable[[str], tuple[object, str, str]]


@pytest.fixture
def dab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Dab:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr("dabench.bench.command.BLOCK_SECONDS", 0.001)

    def run(line: str) -> tuple[object, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main(["bench", *shlex.split(line)])
        return (caught.value.code, *capsys.readouterr())

    return run


def test_bench_prints_a_table_and_stores_everything(dab: Dab, tiny_suite: Path, tmp_path: Path) -> None:
    flags = "-m dann --rounds 3 --steps-per-round 2 --classes 7 --set batch.source=4 --device cpu"
    code, out, err = dab(f"-s {tiny_suite} {flags} --profile dann --data {tmp_path} --out speed.json")
    assert (code, err) == (0, "")
    for text in (
        "built dann: 2 a block",
        "loader alone",
        "written: speed.json",
        "among 7 classes",
        "Self CPU",
    ):
        assert text in out
    stored = json.loads(Path("speed.json").read_text())
    assert stored["command"] == (
        f"dabench bench --suite {tiny_suite} --method dann --classes 7 --steps-per-round 2 "
        "--set batch.source=4 --device cpu --rounds 3"
    )
    assert (stored["suite"], stored["task"], stored["classes"]) == ("tiny", "A->B", 7)
    assert stored["environment"]["device"] == "cpu"
    assert set(stored["configurations"]) == {"source_only", "dann"}
    assert stored["configurations"]["dann"]["config"]["batch"]["source"] == 4
    assert stored["configurations"]["dann"]["config"]["steps"] == 4  # what a run would have
    assert set(stored["first_step"]["seconds"]) == set(STAGES)
    figures = {one["name"]: one for one in stored["contenders"]}
    assert len(figures) == 7
    assert {name: one["calls"] for name, one in figures.items() if one["calls"] != 2} == {
        "evaluation": 1,
        "bare forward pass": 1,
    }
    for one in figures.values():
        assert len(one["seconds_an_image"]) == 3
        assert min(one["seconds_an_image"]) > 0
        assert one["memory_bytes"] >= 0
    assert figures["dann"]["images"] == 10


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("-m gdsa", "unknown method 'gdsa'"),
        ("-t A2Z", "'A2Z' is no task"),
        ("-m dann --profile gsda", "--profile gsda: not among the methods timed"),
        ("-m dann --set gsda.params.groups=2", "gsda is not part of this sweep"),
        ("--rounds 0", "Invalid value for '--rounds'"),
        ("--device tpu", "unknown device 'tpu'"),
    ],
)
def test_mistakes_end_with_two(dab: Dab, tiny_suite: Path, line: str, error: str) -> None:
    code, _, err = dab(f"-s {tiny_suite} {line}")
    assert code == 2
    assert error in err
    assert not Path("bench.json").exists()


def test_no_memory_is_said(dab: Dab, tiny_suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError("all gone")

    monkeypatch.setattr("dabench.bench.contenders.Field.prepare", full)
    code, _, err = dab(f"-s {tiny_suite} -m dann --device cpu")
    assert code == 2
    assert "no memory for all contenders: all gone" in err
