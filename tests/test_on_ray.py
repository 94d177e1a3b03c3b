"""How runs are handed to Ray and what becomes of them, with a stand-in; tests/chaos has the real one."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dabench import on_ray
from dabench.budget import Deadline
from dabench.claims import claim
from dabench.errors import UserError
from dabench.executor import Workers, find_executor
from dabench.on_ray import OnRay
from dabench.plan import PlannedRun
from dabench.records import Record, RecordStore
from dabench.sweep import Place, SweepResult, work

MakePlan = Callable[..., list[PlannedRun]]
CPU = torch.device("cpu")


class RayError(Exception):
    pass


class RayTaskError(RayError):
    def __init__(self, cause: Exception) -> None:
        super().__init__(f"Traceback of {cause}")
        self.cause = cause


class Ray:
    """Carries tasks out when they are waited for, the last one first."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self, resources: Mapping[str, float]) -> None:
        self.resources = resources
        self.inits: list[dict[str, Any]] = []
        self.options: list[dict[str, Any]] = []
        self.most_at_a_time = 0
        self.cancelled: list[Any] = []
        self.waiting: dict[int, Callable[[], Any]] = {}
        self.answers: dict[int, Callable[[], Any]] = {}
        self.open = False

    def init(self, **options: Any) -> None:
        self.inits.append(options)
        if options.get("address") == "nowhere:1":
            raise ConnectionError("nobody\nthere")
        self.open = True

    def shutdown(self) -> None:
        self.open = False

    def cluster_resources(self) -> Mapping[str, float]:
        return self.resources

    def remote(self, function: Callable[..., Any]) -> Any:
        def options(**given: Any) -> Any:
            def send(*arguments: Any) -> int:
                assert self.open
                self.options.append(given)
                reference = len(self.options)
                self.waiting[reference] = lambda: function(*arguments)
                self.most_at_a_time = max(self.most_at_a_time, len(self.waiting))
                return reference

            return SimpleNamespace(remote=send)

        return SimpleNamespace(options=options)

    def wait(
        self, references: Sequence[int], num_returns: int = 1, timeout: float | None = None
    ) -> tuple[list[int], list[int]]:
        last = references[-1]
        self.answers[last] = self.waiting.pop(last, lambda: None)
        return [last], list(references[:-1])

    def get(self, reference: int) -> Any:
        try:
            return self.answers.pop(reference)()
        except UserError as error:
            raise RayTaskError(error) from error

    def cancel(self, reference: int) -> None:
        self.cancelled.append(reference)
        self.waiting.pop(reference, None)


Use = Callable[..., Ray]


class Display:
    def __init__(self) -> None:
        self.events: list[str] = []

    def begin(self, run: PlannedRun, number: int, total: int) -> None:
        self.events.append(f"{number}/{total}")

    def end(self, run: PlannedRun, record: Record) -> None:
        self.events.append(record.status)

    def elsewhere(self, run: PlannedRun, record: Record) -> None:
        self.events.append("elsewhere")

    def wait(self, runs: Sequence[PlannedRun]) -> None:
        self.events.append("wait")

    def advance(self, *_: Any) -> None:
        raise AssertionError("progress within a run does not come back")


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ray]:
    """Put a stand-in in Ray's place: ``use(CPU=2)``."""

    def make(**resources: float) -> Ray:
        ray = Ray(resources)
        monkeypatch.setattr(on_ray, "_ray", lambda: ray)
        monkeypatch.setattr(on_ray, "_settings", lambda own: None)
        on_ray._task.cache_clear()
        return ray

    return make


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(data=None, results=tmp_path / "results", device=CPU, lease=1.0)


def drive(
    runs: list[PlannedRun], place: Place, jobs: int | None = 2, display: Display | None = None
) -> SweepResult:
    return OnRay(Workers(jobs)).run(runs, place, display or Display())


def test_every_run_is_done_a_few_at_a_time(
    make_plan: MakePlan,
    place: Place,
    use: Use,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ray, display = use(CPU=2), Display()
    runs = make_plan(methods=["source_only", "dann"])
    monkeypatch.chdir(tmp_path)
    result = drive(runs, replace(place, results=Path("results")), display=display)
    assert len(result.done) == 4
    assert (result.failed, result.left, result.interrupted) == ([], [], False)
    assert ray.most_at_a_time == 2
    assert ray.options[0] == {"max_retries": 3, "num_cpus": 1}
    assert display.events == [word for number in range(1, 5) for word in (f"{number}/4", "done")]
    assert not ray.open
    (init,) = ray.inits
    assert (init["num_cpus"], init["num_gpus"], init["include_dashboard"]) == (2, 0, False)
    assert not Path(init["_temp_dir"]).exists()
    assert {record.run_id for record in RecordStore(place.results).read_all()[0]} == {
        run.run_id for run in runs
    }


@pytest.mark.parametrize(
    ("device", "resources", "jobs", "expected"),
    [
        ("cuda:1", {"GPU": 8, "CPU": 64}, None, (8, {"num_cpus": 1, "num_gpus": 1.0})),
        ("cuda", {"GPU": 2, "CPU": 4}, 4, (4, {"num_cpus": 1, "num_gpus": 0.5})),
        ("cuda", {"GPU": 2, "CPU": 4}, 3, (3, {"num_cpus": 1, "num_gpus": 0.5})),
        ("cuda", {"GPU": 4, "CPU": 4}, 2, (2, {"num_cpus": 1, "num_gpus": 1.0})),
        ("cpu", {"CPU": 16}, 4, (4, {"num_cpus": 4})),
        ("cpu", {"CPU": 16, "GPU": 8}, None, (16, {"num_cpus": 1})),
        ("cpu", {"CPU": 1}, 3, (3, {"num_cpus": 1})),
    ],
)
def test_what_a_run_takes_of_the_machines(
    device: str,
    resources: dict[str, float],
    jobs: int | None,
    expected: Any,
    place: Place,
    use: Use,
) -> None:
    use(**resources)
    here = replace(place, device=torch.device(device))
    driver = on_ray._Driver(Workers(jobs), [], here, Display(), on_ray.Expectation())
    assert driver._shares() == expected


def test_a_worker_that_dies_too_often_is_no_end_of_the_run(
    make_plan: MakePlan, place: Place, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(CPU=1)
    tried: list[str] = []

    def die_first(run: PlannedRun, *rest: Any) -> Record | None:
        tried.append(run.label)
        if len(tried) == 1:
            raise RayError("the node was lost")
        return work(run, place, on_ray._nothing)

    monkeypatch.setattr(on_ray, "_work_there", die_first)
    (run, other) = make_plan(methods=["source_only"])
    display = Display()
    result = drive([run, other], place, 1, display)
    assert tried == [run.label, other.label, run.label]
    assert len(result.done) == 2
    assert "wait" in display.events


def test_a_run_of_another_process_is_tried_again_with_patience(
    make_plan: MakePlan, place: Place, use: Use
) -> None:
    use(CPU=1)
    (run,) = make_plan(methods=["source_only"], tasks=["A2B"])
    assert run.path is not None
    held = claim(run.path, 1000.0)
    assert held is not None

    class Releasing(Display):
        def wait(self, runs: Sequence[PlannedRun]) -> None:
            super().wait(runs)
            held.release()

    display = Releasing()
    result = drive([run], place, 1, display)
    assert len(result.done) == 1
    assert display.events == ["wait", "1/1", "done"]


def test_a_run_that_another_process_has_done_is_counted_and_not_made(
    make_plan: MakePlan, place: Place, use: Use
) -> None:
    ray, display = use(CPU=1), Display()
    (run,) = make_plan(methods=["source_only"], tasks=["A2B"])
    assert work(run, place, on_ray._nothing) is not None
    result = drive([run], place, 1, display)
    assert (len(result.elsewhere), result.done, ray.options) == (1, [], [])
    assert display.events == ["elsewhere"]


def test_what_the_user_can_mend_ends_the_sweep(
    make_plan: MakePlan, place: Place, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = use(CPU=2)

    def full(*_: Any) -> None:
        raise UserError("the disk is full", "make room")

    monkeypatch.setattr(on_ray, "_work_there", full)
    with pytest.raises(UserError, match="the disk is full") as caught:
        drive(make_plan(methods=["source_only"]), place)
    assert caught.value.hint == "make room"
    assert ray.cancelled == [1, 2], "the other one is called back"
    assert not ray.open


def test_ctrl_c_calls_the_runs_back(
    make_plan: MakePlan, place: Place, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = use(CPU=2)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(on_ray, "_work_there", interrupted)
    runs = make_plan(methods=["source_only", "dann"])
    result = drive(runs, place)
    assert result.interrupted
    assert ray.cancelled == [1, 2]
    assert sorted(run.label for run in result.left) == sorted(run.label for run in runs)


def test_time_and_failures_stop_it_as_they_do_inline(
    make_plan: MakePlan, place: Place, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = use(CPU=1)
    runs = make_plan(methods=["source_only"])
    result = drive(runs, replace(place, deadline=Deadline(0.0)), 1)
    assert (result.left, ray.options) == (runs, [])
    monkeypatch.setattr("dabench.running.Training", None)
    result = drive(runs, replace(place, fail_fast=True), 1)
    assert (len(result.failed), result.left) == (1, runs[1:])


def test_a_cluster_that_does_not_answer(place: Place, use: Use) -> None:
    ray = use(CPU=1)
    with pytest.raises(UserError, match="no Ray cluster answers at 'nowhere:1': nobody there"):
        OnRay(Workers(None, "nowhere:1")).run([], place, Display())
    result = OnRay(Workers(None, "there:1")).run([], place, Display())
    assert result.done == []
    assert ray.inits[-1]["address"] == "there:1"
    assert "_temp_dir" not in ray.inits[-1]


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("RAY_USAGE_STATS_ENABLED", "RAY_AUTH_MODE", "RAY_worker_niceness", "RAY_AUTH_TOKEN")
    monkeypatch.setitem(sys.modules, "ray", None)
    for name in names:
        monkeypatch.delenv(name, raising=False)
    on_ray._ray.cache_clear()
    with pytest.raises(UserError, match="ray is not installed") as caught:
        find_executor("ray", 2)
    assert "pip install 'dabench[ray]'" in caught.value.hint
    *settings, token = (os.environ[name] for name in names)
    assert settings == ["0", "token", "0"]
    assert len(token) == 64
    on_ray._ray.cache_clear()
