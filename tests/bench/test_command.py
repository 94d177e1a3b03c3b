"""dabench bench as people call it."""

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dabench.backbones import build_backbone
from dabench.bench.memory import MemoryWatch
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


def test_bench_prints_a_table_and_stores_everything(
    dab: Dab, tiny_suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryWatch, "added", lambda _, build: (build(), 5_000_000))
    monkeypatch.setattr(MemoryWatch, "highest", lambda _: 77_000_000)
    flags = "-m dann -m gsda --rounds 3 --steps-per-round 2 --classes 7 --set batch.source=4 --device cpu"
    code, out, err = dab(f"-s {tiny_suite} {flags} --profile dann --data {tmp_path} --out speed.json")
    assert (code, err) == (0, "")
    for text in (
        "built dann: 2 a block",
        "loader alone",
        "written: speed.json",
        "among 7 classes",
        "Self CPU",
        "77 MB at the highest",
        "times dann",
        "ms of the whole",
    ):
        assert text in out
    stored = json.loads(Path("speed.json").read_text())
    assert stored["command"] == (
        "dabench bench --suite tiny.yaml --method dann --method gsda --classes 7 --steps-per-round 2 "
        "--set batch.source=4 --device cpu --rounds 3"
    )
    assert (stored["suite"], stored["task"], stored["classes"]) == ("tiny", "A->B", 7)
    assert stored["environment"]["device"] == "cpu"
    assert set(stored["configurations"]) == {"source_only", "dann", "gsda"}
    assert stored["configurations"]["dann"]["config"]["batch"]["source"] == 4
    assert stored["configurations"]["dann"]["config"]["steps"] == 4  # what a run would have
    assert set(stored["first_step"]["seconds"]) == set(STAGES)
    figures = {one["name"]: one for one in stored["contenders"]}
    assert len(figures) == 9
    assert {name: one["calls"] for name, one in figures.items() if one["calls"] != 2} == {
        "gsda, between epochs": 1,
        "evaluation": 1,
        "bare forward pass": 1,
    }
    for one in figures.values():
        assert len(one["seconds_an_image"]) == 3
        assert min(one["seconds_an_image"]) > 0
        assert one["memory_bytes"] == 5_000_000
    assert figures["dann"]["images"] == 10
    assert figures["gsda, between epochs"]["images"] == 9 * 10  # 36 source images, 4 a step
    assert figures["gsda"]["includes"] == "gsda, between epochs"
    assert set(figures["gsda"]["times"]) == {"source_only", "dann"}
    assert stored["peak_memory_bytes"] == 77_000_000
    assert stored["profile"]["method"] == "dann"
    assert "Self CPU" in stored["profile"]["table"]
    assert set(stored["dataset"]) == {"source", "target", "target_test"}
    assert all(set(part) == {"fingerprint", "images"} for part in stored["dataset"].values())


def test_the_file_names_no_folder_and_is_written_before_anything_is_printed(
    dab: Dab, tiny_suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("dabench.bench.command._print", stop)
    weights = tmp_path / "deep" / "w.pt"
    weights.parent.mkdir()
    torch.save(build_backbone("dann_mnist", {}, "none", 16).module.state_dict(), weights)
    with pytest.raises(MemoryError):
        main(f"bench -s {tiny_suite} -m source_only --weights {weights} --rounds 1 --data {tmp_path}".split())
    text = Path("bench.json").read_text()
    assert json.loads(text)["command"].startswith("dabench bench --suite tiny.yaml --method source_only ")
    assert "--weights w.pt" in text
    for folder in (tmp_path, tiny_suite.parent, Path.cwd(), Path.home()):
        assert str(folder) not in text
    assert json.loads(text)["dataset"]["source"]["class_counts"] == {"red": 12, "green": 12, "blue": 12}


def test_relative_paths_are_stored_as_typed(dab: Dab, tiny_suite: Path) -> None:
    suite = os.path.relpath(tiny_suite)
    assert dab(f"-s {suite} -m source_only --rounds 1")[0] == 0
    assert f"--suite {suite} " in json.loads(Path("bench.json").read_text())["command"]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("-m gdsa", "unknown method 'gdsa'"),
        ("-t A2Z", "'A2Z' is no task"),
        ("-m dann --profile gsda", "--profile gsda: not among the methods timed"),
        ("-m dann --set gsda.params.groups=2", "gsda is not part of this sweep"),
        ("--rounds 0", "Invalid value for '--rounds'"),
        ("--device tpu", "unknown device 'tpu'"),
        ("-m target_only", "target_only trains on the target's labels"),
        ("--out nowhere/b.json", "--out nowhere/b.json: no such folder nowhere"),
        ("--out .", "--out . is a folder"),
    ],
)
def test_mistakes_end_with_two(dab: Dab, tiny_suite: Path, line: str, error: str) -> None:
    code, _, err = dab(f"-s {tiny_suite} {line}")
    assert code == 2
    assert error in err
    assert not Path("bench.json").exists()


def test_a_folder_that_takes_no_file_is_said_before_anything_is_opened(
    dab: Dab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(dir: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("dabench.bench.stored.tempfile.TemporaryFile", refuse)
    code, _, err = dab("-s no-such-suite --out b.json")
    assert code == 2
    assert "--out b.json: cannot write into .: Permission denied" in err


def test_no_memory_is_said(dab: Dab, tiny_suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError("all gone")

    monkeypatch.setattr("dabench.bench.contenders.Field.prepare", full)
    code, _, err = dab(f"-s {tiny_suite} -m dann --device cpu")
    assert code == 2
    assert "no memory for all contenders: all gone" in err
