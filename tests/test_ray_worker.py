"""What a worker of Ray does with what it is sent, on a machine where things may be otherwise."""

import os
import pickle
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dabench import ray_worker
from dabench.plan import PlannedRun
from dabench.ray_worker import Parcel, carry_out, pack
from dabench.records import RecordStore
from dabench.sweep import Place

MakePlan = Callable[..., list[PlannedRun]]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(data=None, results=tmp_path / "results", device=torch.device("cpu"), lease=1.0)


@pytest.fixture
def run(make_plan: MakePlan) -> PlannedRun:
    (only,) = make_plan(methods=["dann"], tasks=["A2B"])
    return only


@pytest.fixture
def parcel(run: PlannedRun, place: Place) -> Parcel:
    return pack(run, place, 0.0, pickle.dumps)


def test_a_run_is_done_and_its_record_comes_back(parcel: Parcel, place: Place) -> None:
    answer = carry_out(parcel, pickle.loads)
    assert answer.record is not None
    assert answer.record.status == "done"
    assert answer.problem is None
    (stored,) = RecordStore(place.results).read_all()[0]
    assert stored.run_id == answer.record.run_id


def test_the_senders_cache_is_the_workers(
    run: PlannedRun, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DABENCH_CACHE", "theirs")
    sent = pack(run, place, 0.0, pickle.dumps)
    monkeypatch.setenv("DABENCH_CACHE", str(tmp_path / "mine"))
    answer = carry_out(sent, pickle.loads)
    assert answer.record is not None
    assert os.environ["DABENCH_CACHE"] == str(tmp_path / "theirs")
    monkeypatch.delenv("DABENCH_CACHE")
    assert pack(run, place, 0.0, pickle.dumps).cache is None


def _refuse(content: bytes) -> Any:
    raise ModuleNotFoundError("No module named 'their_method'")


@pytest.mark.parametrize(
    ("other", "loads", "expected"),
    [
        ({"version": "0.0.1"}, pickle.loads, "another version of dabench is there: .*, not 0.0.1"),
        ({"source_sha256": "0" * 64}, pickle.loads, "another version of the method 'dann' is there"),
        ({}, _refuse, "the run cannot be read there: ModuleNotFoundError: No module named 'their_method'"),
    ],
)
def test_another_code_does_no_run(
    other: dict[str, str], loads: Callable[[bytes], Any], expected: str, parcel: Parcel, place: Place
) -> None:
    answer = carry_out(replace(parcel, **other), loads)  # type: ignore[arg-type]
    assert answer.record is None
    assert answer.host
    with pytest.raises(Exception, match=expected):
        raise answer.problem or AssertionError
    assert "same version" in getattr(answer.problem, "hint", "")
    assert not place.results.exists()


def test_the_method_is_this_machines_own(run: PlannedRun, place: Place) -> None:
    """The sender's file may lie elsewhere: what a record says of it is read here."""
    elsewhere = replace(run, entry=replace(run.entry, file=Path("/nowhere/dann.py")))
    sent = replace(pack(run, place, 0.0, pickle.dumps), content=pickle.dumps((elsewhere, place)))
    answer = carry_out(sent, pickle.loads)
    assert answer.record is not None
    assert answer.record.status == "done"
    assert answer.record.method_info["source_sha256"] == run.entry.source_sha256


@pytest.mark.parametrize("times", [1, 2])
def test_the_first_call_back_keeps_a_checkpoint_the_second_does_not_wait(
    times: int, parcel: Parcel, run: PlannedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[int] = []

    def call_back(step: int, losses: Any, evaluation: Any) -> None:
        called.append(step)
        if step == 2:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(ray_worker, "_nothing", call_back)
    before = signal.getsignal(signal.SIGINT)
    answer = carry_out(parcel, pickle.loads)
    assert (answer.record, answer.problem) == (None, None)
    assert signal.getsignal(signal.SIGINT) == before
    assert run.path is not None
    left = [path.name for path in run.path.parent.glob(".*")]
    kept = [f".{run.path.stem}.checkpoint-2.safetensors"]
    assert left == (kept if times == 1 else [])
    assert called[-1] == 2
