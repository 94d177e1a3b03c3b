"""Runs that fail while a results folder is shared: each is a record; the sweep goes on, or says why not."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dabench import sharing
from dabench.claims import claim_file
from dabench.errors import MissingDataError, UserError
from dabench.holder import myself
from dabench.method import Batch, Method, Outputs, register
from dabench.openings import OpenDomains
from dabench.plan import PlannedRun
from dabench.records import Evaluation, Record
from dabench.running import require_device
from dabench.sharing import share
from dabench.sweep import Place, work

MakePlan = Callable[..., list[PlannedRun]]
CPU = torch.device("cpu")


class Quiet:
    """A display that keeps what it is told, and may do something at a step or while it waits."""

    def __init__(
        self, at_step: Callable[[], None] | None = None, waiting: Callable[[], None] | None = None
    ) -> None:
        self.events: list[str] = []
        self.at_step, self.waiting = at_step, waiting

    def begin(self, run: PlannedRun, number: int, total: int) -> None:
        self.events.append(f"begin {number}/{total}")

    def advance(self, step: int, losses: Mapping[str, float], evaluation: Evaluation | None) -> None:
        if self.at_step:
            self.at_step()

    def end(self, run: PlannedRun, record: Record) -> None:
        self.events.append(f"end {record.status}")

    def elsewhere(self, run: PlannedRun, record: Record) -> None:
        self.events.append(f"elsewhere {record.status}")

    def note(self, run: PlannedRun, text: str) -> None:
        self.events.append(f"note {text}")

    def handed(self, run: PlannedRun) -> None:
        self.events.append(f"handed {run.label}")

    def wait(self, runs: Sequence[PlannedRun]) -> None:
        self.events.append(f"wait {len(runs)}")
        if self.waiting:
            self.waiting()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(sharing.time, "sleep", lambda seconds: None)
    return Place(data=None, results=tmp_path / "results", device=CPU)


def files(place: Place) -> list[str]:
    return sorted(path.name for path in place.results.rglob("*") if path.is_file())


def path_of(run: PlannedRun) -> Path:
    assert run.path is not None
    return run.path


def ignore(*_: Any) -> None:
    return None


@pytest.fixture
def broken(own_methods: None) -> type[Method]:
    @register("broken")
    class Broken(Method):
        def losses(self, source: Outputs, labels: Tensor, target: Outputs, batch: Batch) -> dict[str, Tensor]:
            raise RuntimeError("out of luck")

    return Broken


def test_a_failed_run_is_not_tried_twice_by_those_who_share(
    make_plan: MakePlan, place: Place, broken: type[Method]
) -> None:
    runs = make_plan(methods=["broken"], tasks=["A2B"])
    assert len(share(runs, place, Quiet()).failed) == 1
    display = Quiet()
    result = share(runs, place, display)
    assert display.events == ["elsewhere failed"]
    assert (result.failed, len(result.elsewhere)) == ([], 1)


def test_fail_fast_stops_at_the_first(make_plan: MakePlan, place: Place, broken: type[Method]) -> None:
    runs = make_plan(methods=["broken", "dann"])
    result = share(runs, replace(place, fail_fast=True), Quiet())
    assert (len(result.failed), result.done, len(result.left)) == (1, [], 3)


def test_lost_images_end_a_sweep_before_every_run_has_failed(
    make_plan: MakePlan, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any) -> None:
        raise MissingDataError("data/tiny/alpha is gone")

    runs = make_plan(seeds=[0, 1, 2])
    with monkeypatch.context() as patch:
        patch.setattr(OpenDomains, "images", gone)
        with pytest.raises(UserError, match=r"3 runs in a row .* data/tiny/alpha is gone"):
            share(runs, place, Quiet())
    assert sorted(run.state for run in make_plan(seeds=[0, 1, 2])) == ["failed"] * 3 + ["to do"] * 3
    assert not [name for name in files(place) if name.endswith(".claim")]


def test_failures_of_other_kinds_do_not_end_it(
    make_plan: MakePlan, place: Place, broken: type[Method]
) -> None:
    assert len(share(make_plan(methods=["broken"], seeds=[0, 1, 2]), place, Quiet()).failed) == 6


@pytest.mark.parametrize("when", ["before", "during", "at the end"])
def test_a_results_folder_that_cannot_be_written_ends_the_sweep(
    make_plan: MakePlan, place: Place, when: str
) -> None:
    runs = make_plan(["steps=6"])
    share(runs[:1], place, Quiet())
    steps: list[int] = []

    def remove() -> None:
        import shutil

        steps.append(1)
        if when == "during" or (when == "at the end" and len(steps) == 6):
            shutil.rmtree(place.results)

    if when == "before":
        place.results.rename(place.results.with_name("away"))
        place.results.write_bytes(b"")
    with pytest.raises(UserError, match="results") as caught:
        share(runs[1:], place, Quiet(remove))
    assert "same command again" in caught.value.hint
    assert not place.results.is_dir() or not list(place.results.rglob("*.json"))


def test_a_damaged_domain_is_prepared_once_for_all_runs(
    make_plan: MakePlan, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def damaged(data: Any, *_: Any) -> None:
        tried.append(data.name)
        raise UserError(f"{data.name}/3.jpg: cannot be decoded as an image")

    monkeypatch.setattr("dabench.openings.decoded_images", damaged)
    runs = make_plan(methods=["dann", "source_only"], seeds=[0, 1])
    result = share(runs, place, Quiet(), OpenDomains(None))
    assert [record.failure.kind for record in result.failed if record.failure] == ["DamagedImage"] * 8
    assert sorted(tried) == ["alpha", "beta"]


def failing(error: BaseException) -> type[Method]:
    @register("failing")
    class Failing(Method):
        def losses(self, source: Outputs, labels: Tensor, target: Outputs, batch: Batch) -> dict[str, Tensor]:
            raise error

    return Failing


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (SystemExit(0), "SystemExit"),
        (BaseException("of a stranger"), "BaseException"),
        (ValueError("caf\udce9.jpg"), "ValueError"),
        (Unspeakable(), "Unspeakable"),
        (FileNotFoundError(2, "gone", "/nonexistent/prior.npy"), "FileNotFoundError"),
    ],
)
def test_whatever_a_method_raises_is_a_failure_and_the_sweep_goes_on(
    make_plan: MakePlan, place: Place, own_methods: None, error: BaseException, kind: str
) -> None:
    failing(error)
    result = share(make_plan(methods=["failing", "source_only"], seeds=[0, 1]), place, Quiet())
    assert [record.failure.kind for record in result.failed if record.failure] == [kind] * 4
    assert len(result.done) == 4
    assert len(place.store.read_all()[0]) == 8


def test_a_result_that_cannot_be_written_down_is_a_failure(
    make_plan: MakePlan, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(arrays: Mapping[str, Any]) -> bytes:
        raise TypeError("array 'x' holds Python objects")

    monkeypatch.setattr("dabench.records.pack", refuse)
    (record,) = share(make_plan(tasks=["A2B"]), place, Quiet()).failed
    assert record.failure is not None
    assert (record.failure.kind, record.failure.message) == ("TypeError", "array 'x' holds Python objects")


def test_a_gpu_that_answers_no_more_ends_the_sweep(
    make_plan: MakePlan, place: Place, broken: type[Method], monkeypatch: pytest.MonkeyPatch
) -> None:
    def poisoned(device: Any) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nmore")

    monkeypatch.setattr(torch.cuda, "synchronize", poisoned)
    require_device(CPU)
    with pytest.raises(UserError, match="cuda answers no more after a failed run: CUDA error: an illegal"):
        require_device(torch.device("cuda"))
    asked: list[torch.device] = []
    monkeypatch.setattr("dabench.sweep.require_device", asked.append)
    share(make_plan(methods=["broken", "source_only"], tasks=["A2B"]), place, Quiet())
    assert asked == [CPU], "after the failed run alone"


def test_a_gpu_that_died_costs_a_run_no_checkpoint(
    make_plan: MakePlan, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead(device: Any) -> None:
        raise UserError("cuda:0 answers no more")

    def fail(step: int, *_: Any) -> None:
        if step == 3:
            raise RuntimeError("CUDA error: unspecified launch failure")

    monkeypatch.setattr("dabench.sweep.require_device", dead)
    (run,) = make_plan(tasks=["A2B"])
    with pytest.raises(UserError, match="answers no more"):
        work(run, replace(place, checkpoint_seconds=0), fail)
    assert any(".checkpoint-2." in name for name in files(place))


def test_a_forced_run_that_fails_is_tried_once_by_those_who_share(
    make_plan: MakePlan, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    share(make_plan(tasks=["A2B"]), place, Quiet())
    place = replace(place, force=True)
    plans = [make_plan(tasks=["A2B"], force=True) for _ in range(2)]

    def fail(*_: Any) -> None:
        raise RuntimeError("today nothing works")

    with monkeypatch.context() as patch:
        patch.setattr(OpenDomains, "images", fail)
        assert len(share(plans[0], place, Quiet()).failed) == 1
        display = Quiet()
        assert len(share(plans[1], place, display).elsewhere) == 1
    assert display.events == ["elsewhere failed"]
    later = make_plan(tasks=["A2B"], force=True)
    assert len(share(later, place, Quiet()).done) == 1, "who starts afterwards tries it again"
    assert not any(name.endswith(".failed.json") for name in files(place))


@pytest.mark.parametrize("lost", [True, False])
def test_a_folder_that_comes_back_is_read_again(
    make_plan: MakePlan, place: Place, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    """Kept is what a file says, and not that it could not be reached; its checkpoint stays either way."""
    (run,) = make_plan(tasks=["A2B"])
    domains = OpenDomains(None)
    saved = path_of(run).with_name(f".{path_of(run).stem}.checkpoint-2.safetensors")
    saved.parent.mkdir(parents=True)
    saved.write_bytes(b"")

    def unreadable(*_: Any) -> None:
        raise UserError("a.jpg: cannot be decoded") from (OSError(5, "I/O error") if lost else ValueError())

    with monkeypatch.context() as patch:
        patch.setattr("dabench.openings.decoded_images", unreadable)
        failed = work(run, place, ignore, domains)
    assert failed is not None
    assert failed.failure is not None
    assert failed.failure.kind == ("LostFolder" if lost else "DamagedImage")
    assert saved.exists() == lost, "a run whose images are gone goes on when they are back"
    (again,) = make_plan(tasks=["A2B"])
    record = work(again, place, ignore, domains)
    assert record is not None
    assert record.status == ("done" if lost else "failed")


def test_what_kills_every_owner_keeps_its_checkpoints(make_plan: MakePlan, place: Place) -> None:
    (run,) = make_plan(tasks=["A2B"])
    saved = path_of(run).with_name(f".{path_of(run).stem}.checkpoint-2.safetensors")
    saved.parent.mkdir(parents=True)
    saved.write_bytes(b"")
    mine = replace(myself(60.0, deaths=2, saved=2), born=1)
    claim_file(path_of(run)).write_bytes(mine.content())
    (record,) = share([run], place, Quiet()).failed
    assert record.failure is not None
    assert record.failure.kind == "Killed"
    assert saved.exists()


def test_a_failure_replaces_no_result_of_an_earlier_day(
    make_plan: MakePlan, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run,) = make_plan(tasks=["A2B"])
    (done,) = share([run], place, Quiet()).done
    (forced,) = make_plan(tasks=["A2B"], force=True)

    def fail(*_: Any) -> None:
        raise RuntimeError("today nothing works")

    monkeypatch.setattr(OpenDomains, "images", fail)
    (failed,) = share([forced], replace(place, force=True), Quiet()).failed
    assert failed.failure is not None
    assert place.store.read(path_of(run)) == done
