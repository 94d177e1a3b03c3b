"""A full disk at the end of a run, and failures that may be gone another day: what becomes of checkpoints."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dabench import publishing
from dabench.checkpoint import Checkpoints
from dabench.claims import LeaseLost
from dabench.plan import PlannedRun
from dabench.records import ResultsError
from dabench.room import Room
from dabench.sweep import Place, work
from dabench.train import Training

MakePlan = Callable[..., list[PlannedRun]]


def checkpoints(place: Place) -> list[Path]:
    return list(place.results.rglob(".*.safetensors"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(data=None, results=tmp_path / "results", device=torch.device("cpu"), checkpoint_seconds=0.0)


@pytest.mark.parametrize("kept", [0, 1], ids=["all must go", "the older one must go"])
def test_checkpoints_make_room_for_the_result(
    make_plan: MakePlan, place: Place, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    (run,) = make_plan(["steps=4", "evaluations=4"], tasks=["A2B"])
    write, refused = publishing.write_atomically, []

    def full(path: Path, content: bytes) -> None:
        if len(checkpoints(place)) > kept:
            refused.append(sorted(path.name.split("-")[-1] for path in checkpoints(place)))
            raise OSError(28, "No space left on device")
        write(path, content)

    monkeypatch.setattr("dabench.publishing.write_atomically", full)
    record = work(run, place, lambda *_: None)
    assert record is not None
    assert record.status == "done"
    assert refused == [["2.safetensors", "3.safetensors"], ["3.safetensors"]][: 2 - kept]
    assert checkpoints(place) == []


def test_where_all_room_is_too_little_the_newest_checkpoint_is_put_back(
    make_plan: MakePlan, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run,) = make_plan(["steps=4", "evaluations=4"], tasks=["A2B"])

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("dabench.publishing.write_atomically", full)
        with pytest.raises(ResultsError, match="No space left"):
            work(run, place, lambda *_: None)
    assert [path.name.split("-")[-1] for path in checkpoints(place)] == ["3.safetensors"]
    steps: list[int] = []
    assert work(run, place, lambda step, *_: steps.append(step)) is not None
    assert steps == [4]


def test_who_lost_the_run_frees_nothing(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "seed0-0123456789abcdef.json"
    found = Checkpoints(path, {}, 0)
    assert found.write(3, {"x": torch.zeros(1)}, {})

    def lost() -> None:
        raise LeaseLost("gone")

    with pytest.raises(LeaseLost):
        Room(found, lost).make()
    assert found.steps() == [3]


@pytest.mark.parametrize(
    ("error", "kept"), [(MemoryError("out of memory"), True), (ValueError("a mistake"), False)]
)
def test_what_may_be_gone_another_day_keeps_the_checkpoints(
    make_plan: MakePlan, place: Place, monkeypatch: pytest.MonkeyPatch, error: Exception, kept: bool
) -> None:
    (run,) = make_plan(["steps=4", "evaluations=2"], tasks=["A2B"])
    step = Training.step

    def fail(self: Training, number: int) -> Any:
        if number == 3:
            raise error
        return step(self, number)

    monkeypatch.setattr(Training, "step", fail)
    record = work(run, place, lambda *_: None)
    assert record is not None
    assert record.status == "failed"
    assert bool(checkpoints(place)) is kept
