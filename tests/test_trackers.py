"""What is noted of a run while it goes on: whole lines, and no accuracy on the target before its end."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from dabench import trackers
from dabench.errors import UserError
from dabench.plan import PlannedRun
from dabench.records import Evaluation, ResultsError
from dabench.sweep import Place, work
from dabench.trackers import require_trackers

MakePlan = Callable[..., list[PlannedRun]]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(data=None, results=tmp_path / "results", device=torch.device("cpu"))


@pytest.fixture
def run(make_plan: MakePlan) -> PlannedRun:
    return make_plan(["steps=6", "evaluations=3"], tasks=["A2B"])[0]


def events_file(run: PlannedRun) -> Path:
    assert run.path is not None
    return run.path.with_suffix(".events.jsonl")


def events(run: PlannedRun) -> list[dict[str, Any]]:
    return [json.loads(line) for line in events_file(run).read_text(encoding="utf-8").splitlines()]


def test_a_run_is_noted_from_begin_to_end(place: Place, run: PlannedRun) -> None:
    seen: list[list[str]] = []

    def observe(step: int, losses: Mapping[str, float], evaluation: Evaluation | None) -> None:
        seen.append([event["event"] for event in events(run)])
        assert "accuracy" not in events_file(run).read_text(encoding="utf-8")

    record = work(run, place, observe)
    assert record is not None
    noted = events(run)
    assert [(event["event"], event["step"]) for event in noted] == [
        ("begin", 0), ("evaluation", 2), ("evaluation", 4), ("evaluation", 6), ("end", 6),
    ]  # fmt: skip
    assert noted[0]["run_id"] == run.run_id
    assert noted[2]["losses"] == record.evaluations[1].losses
    assert noted[2]["target_entropy"] == record.evaluations[1].target_entropy
    assert (noted[-1]["status"], noted[-1]["value"]) == ("done", record.value)
    assert seen[0] == ["begin"], "told at the first step, not at the first evaluation"
    assert set(noted[1]) == {"event", "step", "losses", "target_entropy", "seconds", "time"}


def test_a_run_that_goes_on_appends_and_says_from_where(place: Place, run: PlannedRun) -> None:
    def stop(step: int, *_: Any) -> None:
        if step == 5:
            raise KeyboardInterrupt

    keeping = Place(data=None, results=place.results, device=place.device, checkpoint_seconds=0)
    with pytest.raises(KeyboardInterrupt):
        work(run, keeping, stop)
    assert work(run, keeping, lambda *_: None) is not None
    assert [(event["event"], event["step"]) for event in events(run)] == [
        ("begin", 0), ("evaluation", 2), ("evaluation", 4), ("begin", 4), ("evaluation", 6), ("end", 6),
    ]  # fmt: skip


def test_a_failure_is_noted(place: Place, make_plan: MakePlan) -> None:
    (run,) = make_plan(["optimiser.lr=1e30", "steps=6"], tasks=["A2B"])
    record = work(run, place, lambda *_: None)
    assert record is not None
    assert record.status == "failed"
    assert events(run)[-1]["failure"] == "NonFinite"


def test_a_link_is_not_followed(place: Place, run: PlannedRun, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"not ours")
    events_file(run).parent.mkdir(parents=True)
    events_file(run).symlink_to(outside)
    with pytest.raises(ResultsError, match="cannot write"):
        work(run, place, lambda *_: None)
    assert outside.read_bytes() == b"not ours"


def test_names_of_trackers(monkeypatch: pytest.MonkeyPatch) -> None:
    require_trackers([])
    with pytest.raises(UserError, match="unknown tracker 'tensorbord'") as caught:
        require_trackers(["tensorbord"])
    assert "did you mean 'tensorboard'?" in caught.value.hint
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError, match="needs tensorboard") as caught:
        require_trackers(["tensorboard"])
    assert "pip install 'dabench[tensorboard]'" in caught.value.hint


class Writer:
    """Stands in for TensorBoard's: notes what it is given, and names its file as that one does."""

    def __init__(self, folder: str) -> None:
        self.file = Path(folder) / "events.out.tfevents.1700000000.my.host.org.4711.0"
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.scalars: list[tuple[str, int]] = []

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.scalars.append((name, step))

    def close(self) -> None:
        self.file.write_text(json.dumps(self.scalars), encoding="utf-8")


def test_tensorboard_gets_accuracies_last_and_no_name_of_the_machine(
    place: Place, run: PlannedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = type(os)("torch.utils.tensorboard")
    module.SummaryWriter = Writer
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", module)
    named = Place(data=None, results=place.results, device=place.device, trackers=("tensorboard",))
    assert work(run, named, lambda *_: None) is not None
    assert run.path is not None
    (file,) = run.path.with_suffix(".tensorboard").iterdir()
    assert file.name == "events.out.tfevents.1700000000-4711-0"
    scalars = [tuple(item) for item in json.loads(file.read_text(encoding="utf-8"))]
    assert {("losses/classification", 2), ("losses/domain", 6), ("target/entropy", 4)} <= set(scalars)
    last = [name for name, _ in scalars].index("target/accuracy")
    assert {name for name, _ in scalars[last:]} == {"target/accuracy", "target/mean_class_accuracy"}
    assert ("target/accuracy", 2) in scalars


def test_real_event_files(place: Place, run: PlannedRun) -> None:
    pytest.importorskip("tensorboard")
    named = Place(data=None, results=place.results, device=place.device, trackers=("tensorboard",))
    assert work(run, named, lambda *_: None) is not None
    assert run.path is not None
    (file,) = run.path.with_suffix(".tensorboard").iterdir()
    assert os.uname().nodename not in file.name
    assert b"target/accuracy" in file.read_bytes()


def test_every_tracker_has_its_check() -> None:
    assert set(trackers.TRACKERS) == {"tensorboard"}


def test_a_line_that_was_cut_stays_a_line_of_its_own(place: Place, run: PlannedRun) -> None:
    events_file(run).parent.mkdir(parents=True)
    events_file(run).write_text('{"event": "los', encoding="utf-8")
    assert work(run, place, lambda *_: None) is not None
    first, *rest = events_file(run).read_text(encoding="utf-8").splitlines()
    assert first == '{"event": "los'
    assert json.loads(rest[0])["event"] == "begin"


def test_what_is_wrong_with_a_checkpoint_is_noted_and_told(place: Place, run: PlannedRun) -> None:
    assert run.path is not None
    run.path.parent.mkdir(parents=True)
    run.path.with_name(f".{run.path.stem}.checkpoint-2.safetensors").write_bytes(b"x" * 100)
    told: list[str] = []
    assert work(run, place, lambda *_: None, tell=told.append) is not None
    assert told
    assert "checkpoint after step 2 is not used" in told[0]
    assert [event["text"] for event in events(run) if event["event"] == "note"] == told
