"""dabench status: what is done, running, failed and missing, from the folder alone, whatever lies in it."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from dabench.claims import claim, claim_file
from dabench.errors import UserError
from dabench.expected import FOLDER, read_expected, write_expected
from dabench.holder import Holder, myself
from dabench.plan import PlannedRun
from dabench.records import RecordStore
from dabench.status import read_status
from dabench.status_view import print_status
from dabench.sweep import Place, work

MakePlan = Callable[..., list[PlannedRun]]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def runs(make_plan: MakePlan, results: Path) -> list[PlannedRun]:
    """Four runs of which the first is done; all are listed."""
    planned = make_plan(methods=["dann", "source_only"])
    write_expected(RecordStore(results), planned)
    assert work(planned[0], Place(None, results, torch.device("cpu")), lambda *_: None) is not None
    return planned


def held(run: PlannedRun, **changes: Any) -> Holder:
    assert run.path is not None
    holder = replace(myself(60.0, 0, 0), **{"boot": "another", "host": "node7", "pid": 4711, **changes})
    run.path.parent.mkdir(parents=True, exist_ok=True)
    claim_file(run.path).write_bytes(holder.content())
    return holder


def shown(results: Path, as_json: bool = False) -> str:
    console = Console(width=140, record=True)
    print_status(console, results, as_json)
    return console.export_text()


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in folder.rglob("*")}


def test_states(runs: list[PlannedRun], results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held(runs[1])
    held(runs[2])
    assert runs[2].path is not None
    os.utime(claim_file(runs[2].path), (time.time() - 1000,) * 2)
    before = snapshot(results)
    status = read_status(results)
    assert {state: len(status.of(state)) for state in ("done", "running", "failed", "missing", "stale")} == {
        "done": 1, "running": 1, "failed": 0, "missing": 1, "stale": 1,
    }  # fmt: skip
    (sweep,) = status.sweeps.values()
    assert (sweep.done, sweep.runs) == (1, 4)
    text = shown(results)
    assert f"sweep {next(iter(status.sweeps))} ({sweep.about}): 1 of 4 runs are done" in text
    assert "4 runs: 1 done, 1 running, 0 failed, 1 missing, 1 stale" in text
    assert "by process 4711 of node7" in text
    assert "no sign of life for about 17 min" in text
    assert "time left: about" in text
    capsys.readouterr()
    shown(results, as_json=True)
    whole = json.loads(capsys.readouterr().out)
    assert (whole["runs"], whole["done"], len(whole["not_done"]), len(whole["held"])) == (4, 1, 1, 2)
    assert snapshot(results) == before, "looking changes nothing"


def test_a_process_of_this_machine_that_is_gone_is_stale_at_once(
    runs: list[PlannedRun], results: Path
) -> None:
    mine = myself(60.0, 0, 0)
    assert runs[1].path is not None
    runs[1].path.parent.mkdir(parents=True, exist_ok=True)
    claim_file(runs[1].path).write_bytes(replace(mine, born=mine.born - 1).content())
    assert len(read_status(results).of("stale")) == 1


def test_time_left_is_shared_by_those_at_work(runs: list[PlannedRun], results: Path) -> None:
    store = RecordStore(results)
    assert runs[0].path is not None
    record = json.loads(runs[0].path.read_text(encoding="utf-8"))
    record["timing"]["total_seconds"] = 1000.0
    runs[0].path.write_text(json.dumps(record), encoding="utf-8")
    assert read_status(store.root).seconds_left == pytest.approx(3000)
    held(runs[1], beat=10)  # 10 beats of a third of a minute: 200 seconds are over
    assert read_status(store.root).seconds_left == pytest.approx(2800)
    held(runs[2], born=1)
    assert read_status(store.root).seconds_left == pytest.approx(3000 - 200), "one process is one process"
    assert runs[2].path is not None
    claim_file(runs[2].path).write_bytes(replace(myself(60.0, 0, 0), boot="x", host="node8").content())
    assert read_status(store.root).seconds_left == pytest.approx((3000 - 200) / 2)


def test_without_a_finished_run_no_time_is_known(make_plan: MakePlan, results: Path) -> None:
    write_expected(RecordStore(results), make_plan())
    assert read_status(results).seconds_left is None
    assert "not known before a run has ended" in shown(results)


def test_failures_are_named(make_plan: MakePlan, results: Path) -> None:
    (run,) = make_plan(["optimiser.lr=1e30", "steps=6"], tasks=["A2B"])
    work(run, Place(None, results, torch.device("cpu")), lambda *_: None)
    text = shown(results)
    assert "1 runs: 0 done, 0 running, 1 failed" in text
    assert "NonFinite: loss" in text


def test_the_same_plan_is_listed_once_and_is_no_record(runs: list[PlannedRun], results: Path) -> None:
    store = RecordStore(results)
    first = write_expected(store, runs)
    assert write_expected(store, runs[::-1]) == first
    other = write_expected(store, runs[:2])
    assert other != first
    assert sorted((results / FOLDER).iterdir()) == sorted([first, other])
    assert len(read_status(results).runs) == 4
    assert [path.name for path in store.paths()] == [runs[0].path and runs[0].path.name]
    assert os.uname().nodename not in first.read_text(encoding="utf-8")


def test_folders_of_strangers(runs: list[PlannedRun], results: Path, tmp_path: Path) -> None:
    sweeps = results / FOLDER
    (listed,) = sweeps.iterdir()
    whole = json.loads(listed.read_text(encoding="utf-8"))
    for name, changes in (("a", {"suite": ".."}), ("b", {"task": "x/../../y"}), ("c", {"run_id": "../" * 6})):
        content = {**whole, "runs": [{**whole["runs"][0], **changes}]}
        (sweeps / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    (sweeps / "d.json").write_bytes(b"[" * 100_000)
    os.mkfifo(sweeps / "e.json")
    with (sweeps / "f.json").open("wb") as file:
        file.truncate(2**30)
    os.mkfifo(results / "g.json")
    (results / "h.json").write_bytes(b"\x1b]0;evil\x07")
    (results / "link").symlink_to(tmp_path)
    escape = results / "\x1b[31mred" / "t" / "[bold]m"
    escape.mkdir(parents=True)
    (escape / ".seed0-0123456789abcdef.claim").write_bytes(
        replace(myself(60, 0, 0), host="\x1b[2J").content()
    )
    (escape / ".seed1-0123456789abcdef.claim").write_bytes(b"{}")
    status = read_status(results)
    assert len(status.problems) == 8
    assert len(status.runs) == 5
    text = shown(results)
    assert "\x1b" not in text
    assert "[bold]m" in text
    assert len(read_expected(results)[0]) == 1


@pytest.mark.parametrize("suite", ["tiny\\[/x]", "[/]", "[red]", "\\", "x\\", ":smile:"])
def test_names_are_no_markup(runs: list[PlannedRun], results: Path, suite: str) -> None:
    assert runs[0].path is not None
    record = json.loads(runs[0].path.read_text(encoding="utf-8"))
    runs[0].path.write_text(json.dumps({**record, "suite": suite}), encoding="utf-8")
    assert f"│ {suite} " in shown(results)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no results folder"):
        read_status(tmp_path / "nothing")


def test_a_claim_on_a_run_that_is_done_is_of_yesterday(runs: list[PlannedRun], results: Path) -> None:
    held(runs[0])
    assert len(read_status(results).of("done")) == 1


def test_looking_does_not_disturb_an_owner(runs: list[PlannedRun], results: Path) -> None:
    assert runs[1].path is not None
    with claim(runs[1].path, 60.0) as owner:
        assert len(read_status(results).of("running")) == 1
        owner.confirm()


@pytest.mark.parametrize(
    "changes",
    [
        {"beat": 10**400},
        {"deaths": 10**400},
        {"saved": -1},
        {"pid": 10**40},
        {"pid": 0},
        {"lease": 10**400},
        {"lease": 1e308, "beat": 2**52},
        {"born": 10**40},
    ],
)
def test_claims_of_strangers_with_any_number(
    runs: list[PlannedRun], results: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any]
) -> None:
    held(runs[1], **changes)
    capsys.readouterr()
    shown(results, as_json=True)
    assert json.loads(capsys.readouterr().out)["runs"] == 4
    shown(results)


def test_times_that_nothing_takes_are_no_record(
    runs: list[PlannedRun], results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runs[0].path is not None
    record = json.loads(runs[0].path.read_text(encoding="utf-8"))
    record["timing"]["total_seconds"] = 1e308
    runs[0].path.write_text(json.dumps(record), encoding="utf-8")
    capsys.readouterr()
    shown(results, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["seconds_left"] is None
    assert "timing.total_seconds: Input should be less than" in found["problems"][0]
    assert "not known" in shown(results)
