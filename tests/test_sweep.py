"""Runs of a sweep in this process: failures are records, interrupts lose nothing, what is done stays done."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dabench.method import METHODS, Batch, Method, Outputs, register
from dabench.openings import OpenDomains
from dabench.plan import PlannedRun
from dabench.records import Evaluation, Record, RecordStore
from dabench.sharing import share
from dabench.sweep import Place, SweepResult

MakePlan = Callable[..., list[PlannedRun]]
CPU = torch.device("cpu")


class Quiet:
    """A display that keeps what it is told, and may do something at a step."""

    def __init__(self, at_step: Callable[[int], None] | None = None) -> None:
        self.events: list[str] = []
        self.labels: list[str] = []
        self.at_step = at_step

    def begin(self, run: PlannedRun, number: int, total: int) -> None:
        self.events.append(f"begin {number}/{total}")
        self.labels.append(run.label)

    def advance(self, step: int, losses: Mapping[str, float], evaluation: Evaluation | None) -> None:
        self.events.append(f"step {step}{' evaluated' if evaluation else ''}")
        if self.at_step:
            self.at_step(step)

    def end(self, run: PlannedRun, record: Record) -> None:
        self.events.append(f"end {record.status}")

    def elsewhere(self, run: PlannedRun, record: Record) -> None:
        raise AssertionError("there is one process")

    def note(self, run: PlannedRun, text: str) -> None:
        raise AssertionError(text)

    def wait(self, runs: Sequence[PlannedRun]) -> None:
        raise AssertionError("there is one process")


@pytest.fixture
def sweep(tmp_path: Path) -> Callable[..., SweepResult]:
    def run(runs: list[PlannedRun], display: Quiet | None = None, fail_fast: bool = False) -> SweepResult:
        place = Place(data=None, results=tmp_path / "results", device=CPU, fail_fast=fail_fast)
        return share(runs, place, display or Quiet(), OpenDomains(None))

    return run


@pytest.fixture
def broken(own_methods: None) -> type[Method]:
    @register("broken")
    class Broken(Method):
        def losses(self, source: Outputs, labels: Tensor, target: Outputs, batch: Batch) -> dict[str, Tensor]:
            if batch.step == 2:
                raise RuntimeError("the third step\nis one too many")
            return {"classification": source.logits.sum()}

    return Broken


def test_a_run_leaves_a_whole_record(make_plan: MakePlan, sweep: Callable[..., SweepResult]) -> None:
    (run,) = make_plan(["steps=5", "loss_weights.domain=0.5"], tasks=["B2A"], seeds=[2])
    display = Quiet()
    (record,) = sweep([run], display).done
    assert run.path is not None
    assert RecordStore(run.path.parents[3]).read_all()[1] == []
    assert (record.run_id, record.status, record.seed) == (run.run_id, "done", 2)
    assert (record.source, record.target, record.task) == ("beta", "alpha", "B->A")
    assert [item.step for item in record.evaluations] == [2, 5]
    assert record.value == record.evaluations[-1].accuracy
    assert record.oracle == max(item.accuracy for item in record.evaluations)
    assert record.metrics is not None
    assert np.sum(record.metrics.confusion) == 36
    assert record.config == run.config.model_dump(mode="json")
    assert record.provenance["steps"] == "--set"
    assert record.dataset["source"]["images"] == 30
    assert record.dataset["target"]["class_counts"] == {"red": 12, "green": 12, "blue": 12}
    assert set(record.method_info) >= {"version", "source_sha256", "title", "paper"}
    assert record.code["version"]
    assert set(record.environment) >= {"python", "packages", "device"}
    assert record.timing is not None
    assert record.command == run.command
    text = run.path.read_text(encoding="utf-8")
    assert str(Path.home()) not in text.replace(run.command, "")
    stored = RecordStore(run.path.parents[3]).read(run.path)
    assert isinstance(stored, Record)
    assert stored.predictions_file is not None
    with np.load(run.path.with_name(stored.predictions_file), allow_pickle=False) as file:
        assert file["predictions"].shape == (2, 36)
        assert file["probabilities"].shape == (2, 36, 3)
        last = np.mean(file["predictions"][-1] == file["labels"])
        assert last == pytest.approx(record.value)
    steps = ["step 1", "step 2 evaluated", "step 3", "step 4", "step 5 evaluated"]
    assert display.events == ["begin 1/1", *steps, "end done"]


def test_only_what_is_missing_is_run_and_force_runs_all(
    make_plan: MakePlan, sweep: Callable[..., SweepResult]
) -> None:
    assert len(sweep(make_plan(seeds=[0])).done) == 2
    runs = make_plan(seeds=[0, 1])
    assert [run.state for run in runs] == ["done", "done", "to do", "to do"]
    assert [run.state for run in make_plan(["steps=5"], seeds=[0])] == ["to do", "to do"]
    forced = make_plan(seeds=[0], force=True)
    assert [run.state for run in forced] == ["to do", "to do"]
    assert [record.value for record in sweep(forced).done] == [
        record.value for record in sweep(make_plan(seeds=[0], force=True)).done
    ]


def test_a_changed_method_file_with_the_old_version_is_noted(
    make_plan: MakePlan, sweep: Callable[..., SweepResult], own_methods: None, tmp_path: Path
) -> None:
    file = tmp_path / "mine.py"
    file.write_text("one", encoding="utf-8")
    register("mine")(METHODS.get("source_only").cls)
    object.__setattr__(METHODS.get("mine"), "file", file)
    sweep(make_plan(methods=["mine"], tasks=["A2B"]))
    (same,) = make_plan(methods=["mine"], tasks=["A2B"])
    assert (same.state, same.note) == ("done", "")
    file.write_text("two", encoding="utf-8")
    (changed,) = make_plan(methods=["mine"], tasks=["A2B"])
    assert changed.state == "done"
    assert "the file of method mine has changed" in changed.note
    assert "version is still 1" in changed.note
    assert "--force" in changed.note


def test_a_failing_method_leaves_its_reason_and_the_sweep_goes_on(
    make_plan: MakePlan, sweep: Callable[..., SweepResult], broken: type[Method]
) -> None:
    runs = make_plan(methods=["broken", "source_only"], tasks=["A2B"])
    result = sweep(runs)
    assert [record.method for record in result.done] == ["source_only"]
    (failed,) = result.failed
    assert failed.failure is not None
    assert failed.failure.kind == "RuntimeError"
    assert failed.failure.message == "the third step\nis one too many"
    assert "in losses" in failed.failure.traceback
    assert failed.failure.traceback.rstrip().endswith("is one too many")
    assert 'File "dabench/train.py"' in failed.failure.traceback, "of this machine's folders nothing is told"
    assert (failed.value, failed.metrics, failed.evaluations) == (None, None, [])
    states = {
        run.config.method: run.state for run in make_plan(methods=["broken", "source_only"], tasks=["A2B"])
    }
    assert states == {"broken": "failed", "source_only": "done"}


def test_a_forced_run_that_fails_keeps_the_earlier_result(
    make_plan: MakePlan,
    sweep: Callable[..., SweepResult],
    broken: type[Method],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(
            broken,
            "losses",
            lambda self, source, labels, target, batch: {"classification": source.logits.sum()},
        )
        sweep(make_plan(methods=["broken"], tasks=["A2B"]))
    (run,) = make_plan(methods=["broken"], tasks=["A2B"], force=True)
    assert len(sweep([run]).failed) == 1
    (again,) = make_plan(methods=["broken"], tasks=["A2B"])
    assert again.state == "done"


def test_fail_fast_stops_at_the_first_failure(
    make_plan: MakePlan, sweep: Callable[..., SweepResult], broken: type[Method]
) -> None:
    result = sweep(make_plan(methods=["broken", "source_only"]), fail_fast=True)
    assert (len(result.failed), len(result.done)) == (1, 0)


def test_a_diverged_run_fails_by_name(make_plan: MakePlan, sweep: Callable[..., SweepResult]) -> None:
    result = sweep(make_plan(["optimiser.lr=1e30", "steps=6"], tasks=["A2B"]))
    (failed,) = result.failed
    assert failed.failure is not None
    assert failed.failure.kind == "NonFinite"


def test_out_of_memory_comes_with_advice(
    make_plan: MakePlan,
    sweep: Callable[..., SweepResult],
    broken: type[Method],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def starve(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(broken, "losses", starve)
    (failed,) = sweep(make_plan(methods=["broken"], tasks=["A2B"])).failed
    assert failed.failure is not None
    assert failed.failure.kind == "OutOfMemory"
    assert "smaller batch.source" in failed.failure.message


@pytest.mark.parametrize("step", [1, 4])
def test_an_interrupt_keeps_what_is_done_and_leaves_nothing_half(
    make_plan: MakePlan, sweep: Callable[..., SweepResult], tmp_path: Path, step: int
) -> None:
    steps: list[int] = []

    def interrupt(at: int) -> None:
        steps.append(at)
        if len(steps) == 4 + step:  # within the second run
            raise KeyboardInterrupt

    result = sweep(make_plan(seeds=[0]), Quiet(interrupt))
    assert result.interrupted
    assert (len(result.done), len(result.failed)) == (1, 0)
    files = sorted(path.suffix for path in (tmp_path / "results").rglob("*") if path.is_file())
    assert files == [".json", ".jsonl", ".jsonl", ".npz", ".npz"]
    rest = [run for run in make_plan(seeds=[0]) if run.state != "done"]
    assert [run.task.name for run in rest] == ["B->A"]
    assert len(sweep(rest).done) == 1
    assert {run.state for run in make_plan(seeds=[0])} == {"done"}


def test_the_same_run_twice_gives_the_same_predictions(
    make_plan: MakePlan, sweep: Callable[..., SweepResult], tmp_path: Path
) -> None:
    def predictions() -> np.ndarray[Any, Any]:
        (run,) = make_plan(tasks=["A2B"], force=True)
        sweep([run])
        assert run.path is not None
        record = RecordStore(run.path.parents[3]).read(run.path)
        assert isinstance(record, Record)
        assert record.predictions_file is not None
        with np.load(run.path.with_name(record.predictions_file), allow_pickle=False) as file:
            return np.array(file["probabilities"])

    np.testing.assert_array_equal(predictions(), predictions())
