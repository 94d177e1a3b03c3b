"""A full disk at the end of a run, and failures that may be gone another day: what becomes of checkpoints."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import dabench.records as records_module
from dabench.plan import PlannedRun
from dabench.sweep import Place, work
from dabench.train import Training

MakePlan = Callable[..., list[PlannedRun]]


def checkpoints(place: Place) -> list[Path]:
    return list(place.results.rglob(".*.safetensors"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(data=None, results=tmp_path / "results", device=torch.device("cpu"), checkpoint_seconds=0.0)


def test_checkpoints_make_room_for_the_result(
    make_plan: MakePlan, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run,) = make_plan(["steps=4", "evaluations=2"], tasks=["A2B"])
    write, refused = records_module.write_atomically, []

    def full(path: Path, content: bytes) -> None:
        if checkpoints(place):
            refused.append(path)
            raise OSError(28, "No space left on device")
        write(path, content)

    monkeypatch.setattr(records_module, "write_atomically", full)
    record = work(run, place, lambda *_: None)
    assert record is not None
    assert record.status == "done"
    assert len(refused) == 1


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
