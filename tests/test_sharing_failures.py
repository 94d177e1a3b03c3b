"""Runs that fail while a results folder is shared: each is a record; the sweep goes on, or says why not."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dabench import sharing
from dabench.errors import MissingDataError, UserError
from dabench.method import Batch, Method, Outputs, register
from dabench.openings import OpenDomains
from dabench.plan import PlannedRun
from dabench.records import Evaluation, Record
from dabench.sharing import share
from dabench.sweep import Place

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


