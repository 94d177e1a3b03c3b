"""How runs are handed to Ray and what becomes of them, with a stand-in; tests/chaos has the real one."""

import os
import pickle
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dabench import on_ray, ray_cluster, ray_worker
from dabench.budget import Deadline, Expectation
from dabench.claims import claim, claim_file
from dabench.errors import UserError
from dabench.executor import Workers, find_executor
from dabench.on_ray import OnRay
from dabench.plan import PlannedRun
from dabench.ray_worker import Answer, Parcel
from dabench.records import Record, RecordStore
from dabench.running import DeviceLost
from dabench.sweep import Place, SweepResult, work

MakePlan = Callable[..., list[PlannedRun]]
CPU = torch.device("cpu")


class RayError(Exception):
    pass


class TaskCancelledError(RayError):
    pass


class RayTaskError(RayError):
    ip = "10.0.0.7"

    def __init__(self, cause: BaseException) -> None:
        super().__init__(f"ray::task (pid=1)\n  File x, line 1\n{type(cause).__name__}: {cause}\n")
        self.cause = cause


class Ray:
    """Carries tasks out when they are waited for, the last one first."""

    exceptions = SimpleNamespace(
        RayError=RayError, RayTaskError=RayTaskError, TaskCancelledError=TaskCancelledError
    )
    cloudpickle = pickle

    def __init__(self, *nodes: Mapping[str, float]) -> None:
        self.resources = nodes
        self.inits: list[dict[str, Any]] = []
        self.options: list[dict[str, Any]] = []
        self.decorated: list[dict[str, Any]] = []
        self.most_at_a_time = 0
        self.cancelled: list[Any] = []
        self.waiting: dict[int, Callable[[], Any]] = {}
        self.answers: dict[int, Callable[[], Any]] = {}
        self.open = False
        self.asleep = False  # nothing begins
        self.groups: list[dict[str, Any]] = []
        self.util = SimpleNamespace(
            placement_group=self.group, placement_group_table=lambda: {g["name"]: g for g in self.groups},
            remove_placement_group=lambda group: self.groups[group.number].update(state="REMOVED"),
            scheduling_strategies=SimpleNamespace(
                PlacementGroupSchedulingStrategy=lambda group, placement_group_bundle_index: group.number
            ),
        )  # fmt: skip

    def group(self, bundles: list[dict[str, float]]) -> Any:
        number = len(self.groups)
        self.groups.append({"name": f"g{number}", "bundles": bundles, "state": "CREATED"})
        return SimpleNamespace(number=number, id=SimpleNamespace(hex=lambda: f"g{number}"))

    def init(self, **options: Any) -> None:
        self.inits.append(options)
        if options.get("address") == "nowhere:1":
            raise ConnectionError("nobody\nthere")
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it takes the signal over
        self.open = True

    def shutdown(self) -> None:
        self.open = False

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {
                "Alive": True, "Resources": found, "NodeManagerAddress": f"10.0.0.{7 + number}",
                "NodeManagerHostname": f"node{number}",
            } for number, found in enumerate(self.resources)
        ] + [{"Alive": False, "Resources": {"CPU": 99, "GPU": 99}, "NodeManagerAddress": ""}]  # fmt: skip

    def remote(self, function: Callable[..., Any] | None = None, **decorated: Any) -> Any:
        if function is None:
            return lambda function: self.remote(function, **decorated)
        self.decorated.append(decorated)

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

    def wait(self, references: Sequence[int], timeout: float) -> tuple[list[int], list[int]]:
        assert timeout <= 1.0
        last = references[-1]
        if self.asleep and last in self.waiting:
            return [], list(references)
        self.answers[last] = self.waiting.pop(last)
        return [last], list(references[:-1])

    def get(self, reference: int) -> Any:
        try:
            return self.answers.pop(reference)()
        except RayError:
            raise
        except Exception as error:
            raise RayTaskError(error) from error

    def cancel(self, reference: int) -> None:
        self.cancelled.append(reference)

        def cancelled() -> None:
            raise TaskCancelledError

        self.waiting.pop(reference, None)
        self.answers[reference] = cancelled
        self.waiting[reference] = cancelled
        self.asleep = False


Use = Callable[..., Ray]


class Display:
    def __init__(self) -> None:
        self.events: list[str] = []
        self.notes: list[str] = []
        self.given: list[str] = []

    def begin(self, run: PlannedRun, number: int, total: int) -> None:
        self.events.append(f"{number}/{total}")

    def end(self, run: PlannedRun, record: Record) -> None:
        self.events.append(record.status)

    def elsewhere(self, run: PlannedRun, record: Record) -> None:
        self.events.append("elsewhere")

    def handed(self, run: PlannedRun) -> None:
        self.given.append(run.label)

    def wait(self, runs: Sequence[PlannedRun]) -> None:
        self.events.append("wait")

    def note(self, run: PlannedRun, text: str) -> None:
        self.notes.append(text)

    def advance(self, *_: Any) -> None:
        raise AssertionError("progress within a run does not come back")


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ray]:
    """Put a stand-in in Ray's place: ``use(CPU=2)`` has one machine, ``use({...}, {...})`` two."""

    def make(*nodes: Mapping[str, float], **resources: float) -> Ray:
        ray = Ray(*(nodes or [resources]))
        for module in (on_ray, ray_cluster):
            monkeypatch.setattr(module, "load_ray", lambda: ray)
        monkeypatch.setattr(on_ray, "set_environment", lambda own: None)
        on_ray._task.cache_clear()
        return ray

    return make


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(data=None, results=tmp_path / "results", device=CPU, lease=1.0)


def drive(
    runs: list[PlannedRun],
    place: Place,
    jobs: int | None = 2,
    display: Display | None = None,
    address: str | None = None,
) -> SweepResult:
    return OnRay(Workers(jobs, address)).run(runs, place, display or Display())


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
    before = signal.getsignal(signal.SIGTERM)
    result = drive(runs, replace(place, results=Path("results")), display=display)
    assert len(result.done) == 4
    assert (result.failed, result.left, result.interrupted) == ([], [], False)
    assert ray.most_at_a_time == 2
    assert ray.options[0] == {"max_retries": 0, "num_cpus": 1}
    assert ray.decorated == [{}]
    assert display.events == [word for number in range(1, 5) for word in (f"{number}/4", "done")]
    assert display.given == [run.label for run in runs]
    assert not ray.open
    assert signal.getsignal(signal.SIGTERM) == before
    (init,) = ray.inits
    assert (init["num_cpus"], init["num_gpus"], init["include_dashboard"]) == (2, 0, False)
    assert init["address"] == "local", "RAY_ADDRESS may name another one"
    assert not Path(init["_temp_dir"]).exists()
    assert {record.run_id for record in RecordStore(place.results).read_all()[0]} == {
        run.run_id for run in runs
    }


def test_a_worker_that_dies_is_no_end_of_the_run(
    make_plan: MakePlan, place: Place, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(CPU=1)
    tried: list[str] = []
    carry_out = on_ray._carry_out

    def die_first(parcel: Parcel) -> Answer:
        tried.append(parcel.method)
        if len(tried) == 1:
            raise RayError("the node was lost\nand more")
        return carry_out(parcel)

    monkeypatch.setattr(on_ray, "_carry_out", die_first)
    runs = make_plan(methods=["source_only", "dann"], tasks=["A2B"])
    display = Display()
    result = drive(runs, place, 1, display)
    assert tried == ["source_only", "dann", "source_only"]
    assert len(result.done) == 2
    assert "wait" in display.events
    assert display.notes == ["a worker of Ray died: the node was lost"]


def test_workers_that_die_before_they_begin_end_the_sweep(
    make_plan: MakePlan, place: Place, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(CPU=1)
    (run,) = make_plan(methods=["source_only"], tasks=["A2B"])

    def die(parcel: Parcel) -> Answer:
        raise RayError("out of memory")

    monkeypatch.setattr(on_ray, "_carry_out", die)
    display = Display()
    with pytest.raises(UserError, match=r"3 workers of Ray died before they began .*: out of memory"):
        drive([run], place, 1, display)
    assert len(display.notes) == 3


def test_deaths_in_a_claimed_run_are_counted_by_its_claim(
    make_plan: MakePlan, place: Place, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(CPU=1)
    (run,) = make_plan(methods=["source_only"], tasks=["A2B"])
    assert run.path is not None
    file, carry_out, tried = claim_file(run.path), on_ray._carry_out, 0

    def die(parcel: Parcel) -> Answer:
        nonlocal tried
        tried += 1
        if tried < 6:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
            raise RayError("killed")
        file.unlink()
        return carry_out(parcel)

    monkeypatch.setattr(on_ray, "_carry_out", die)
    assert len(drive([run], place, 1).done) == 1


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


def test_patience_lasts_as_long_as_the_claim_of_another(make_plan: MakePlan, tmp_path: Path) -> None:
    (run,) = make_plan(methods=["source_only"], tasks=["A2B"])
    assert run.path is not None
    assert on_ray._patience(run, 60.0) == 90.0
    held = claim(run.path, 300.0)
    assert held is not None
    assert on_ray._patience(run, 60.0) == 450.0
    held.release()


def test_who_waits_for_a_gpu_says_so_once(
    make_plan: MakePlan, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    display, runs = Display(), make_plan(methods=["source_only"], tasks=["A2B"])
    driver = on_ray._Driver(runs, place, display, Expectation(), None, None, False)  # type: ignore[arg-type]
    driver.waiting = list(runs)
    now, since = [100.0], None
    monkeypatch.setattr(on_ray.time, "monotonic", lambda: now[0])
    for _ in range(100):
        since = driver._tell_idle(since)
        now[0] += 1
    assert display.notes == ["no GPU that Ray has is free: waiting; Ctrl-C ends the sweep"]


def test_a_run_that_another_process_has_done_is_counted_and_not_made(
    make_plan: MakePlan, place: Place, use: Use
) -> None:
    ray, display = use(CPU=1), Display()
    (run,) = make_plan(methods=["source_only"], tasks=["A2B"])
    assert work(run, place, ray_worker._nothing) is not None
    result = drive([run], place, 1, display)
    assert (len(result.elsewhere), result.done, ray.options) == (1, [], [])
    assert display.events == ["elsewhere"]


@pytest.mark.parametrize("address", [None, "there:1"])
def test_what_the_user_can_mend_ends_the_sweep(
    address: str | None, make_plan: MakePlan, place: Place, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = use(CPU=2)

    def full(*_: Any, **__: Any) -> None:
        raise UserError("the disk is full", "make room")

    monkeypatch.setattr(ray_worker, "work", full)
    monkeypatch.setattr(ray_worker.platform, "node", lambda: "node7")
    expected = "^node7: the disk is full$" if address else "^the disk is full$"
    with pytest.raises(UserError, match=expected) as caught:
        drive(make_plan(methods=["source_only"]), place, address=address)
    assert caught.value.hint == "make room"
    assert ray.cancelled == [1], "the other one is called back"
    assert not ray.open


def test_what_ray_raises_names_the_machine_and_says_how_to_go_on(
    make_plan: MakePlan, place: Place, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(CPU=2)

    def absent(parcel: Parcel) -> Answer:
        raise ModuleNotFoundError("No module named 'their_method'")

    monkeypatch.setattr(on_ray, "_carry_out", absent)
    expected = r"node0 \(10.0.0.7\): a run cannot begin: ModuleNotFoundError: No module named 'their_method'"
    with pytest.raises(UserError, match=expected) as caught:
        drive(make_plan(methods=["source_only"]), place, address="there:1")
    assert "same version" in caught.value.hint


def test_notes_of_workers_and_of_a_gpu_that_is_lost_are_told(
    make_plan: MakePlan, place: Place, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(CPU=1)
    done = ray_worker.work
    runs = make_plan(methods=["source_only", "dann"], tasks=["A2B"])

    def poisoned(run: PlannedRun, *rest: Any, tell: Callable[[str], None], **more: Any) -> Record | None:
        tell("no checkpoint")
        record = done(run, *rest, **more)
        if run.label != runs[0].label:
            return record
        error = DeviceLost("cuda answers no more")
        error.record = record
        raise error

    monkeypatch.setattr(ray_worker, "work", poisoned)
    display = Display()
    result = drive(runs, place, 1, display)
    assert len(result.done) == 2, "the sweep goes on"
    assert display.notes == [
        "no checkpoint", "cuda answers no more; the process ends, and others go on", "no checkpoint",
    ]  # fmt: skip


def test_ctrl_c_calls_the_runs_back_until_they_end(
    make_plan: MakePlan, place: Place, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = use(CPU=2)
    runs = make_plan(methods=["source_only", "dann"])
    wait, waited = ray.wait, 0

    def interrupted(references: Sequence[int], timeout: float) -> Any:
        nonlocal waited
        waited += 1
        if waited == 1:
            raise KeyboardInterrupt
        return ([], references) if waited == 2 else wait(references, timeout)

    monkeypatch.setattr(ray, "wait", interrupted)
    result = drive(runs, place)
    assert result.interrupted
    assert ray.cancelled == [1, 2, 1, 2, 1], "the first call waits for a step"
    assert result.left == runs


@pytest.mark.parametrize("twice", [False, True])
def test_sigterm_calls_the_runs_back_once(
    twice: bool, make_plan: MakePlan, place: Place, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = use(CPU=2)
    runs = make_plan(methods=["source_only", "dann"])
    wait, waited = ray.wait, 0

    def terminated(references: Sequence[int], timeout: float) -> Any:
        nonlocal waited
        waited += 1
        if waited == 1 or (waited == 2 and twice):
            os.kill(os.getpid(), signal.SIGTERM)
        return ([], references) if waited < 4 else wait(references, timeout)

    monkeypatch.setattr(ray, "wait", terminated)
    result = drive(runs, place)
    assert result.interrupted
    assert ray.cancelled[:4] == ([1, 2, 1, 2] if twice else [1, 2])
    assert result.left == runs


def test_what_ends_while_it_is_called_back_counts(
    make_plan: MakePlan, place: Place, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = use(CPU=2)
    monkeypatch.setattr(ray, "cancel", ray.cancelled.append)  # their last step was done
    monkeypatch.setattr(Display, "begin", _once(lambda: os.kill(os.getpid(), signal.SIGTERM)))
    runs = make_plan(methods=["source_only", "dann"])
    result = drive(runs, place)
    assert (len(result.done), len(result.left), result.interrupted) == (2, 2, True)
    assert len(ray.cancelled) == 1


def _once(act: Callable[[], None]) -> Callable[..., None]:
    acts = [act]
    return lambda *_: acts.pop()() if acts else None


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


def test_the_first_failure_calls_the_others_back(
    make_plan: MakePlan, place: Place, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = use(CPU=2)
    runs = make_plan(methods=["source_only"])
    monkeypatch.setattr("dabench.running.Training", None)
    result = drive(runs, replace(place, fail_fast=True), 2)
    assert (len(result.failed), result.left) == (1, runs[:1])
    assert ray.cancelled == [1]


def test_what_has_not_begun_at_the_deadline_is_called_back(
    make_plan: MakePlan, place: Place, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = use(CPU=2)
    ray.asleep = True
    monkeypatch.setattr(on_ray, "STOPS_SECONDS", 0.1)
    runs = make_plan(methods=["source_only"])
    result = drive(runs, replace(place, deadline=Deadline(0.3)), 2)
    assert (result.left, result.interrupted) == (runs, False)
    assert ray.cancelled == [1, 2]


def test_gpus_are_shared_evenly_and_a_lost_one_is_none(
    make_plan: MakePlan, place: Place, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = use({"CPU": 8, "GPU": 2}, {"CPU": 8, "GPU": 1})
    cuda = replace(place, device=torch.device("cuda"))
    display = Display()
    runs = make_plan(methods=["source_only", "dann", "gsda"])
    wait = ray.wait

    def lose_one(references: Sequence[int], timeout: float) -> Any:
        ray.groups[1]["state"] = "RESCHEDULING"
        return wait(references, timeout)

    monkeypatch.setattr(ray, "wait", lose_one)
    monkeypatch.setattr(on_ray, "_carry_out", lambda parcel: _done_on_cpu(parcel, place))
    result = drive(runs, cuda, 4, display, "there:1")
    assert len(result.done) == len(runs) == 6
    assert ray.decorated == [{"max_calls": 1}], "a process for each run"
    assert [options["scheduling_strategy"] for options in ray.options[:4]] == [0, 1, 2, 0]
    assert 1 not in [options["scheduling_strategy"] for options in ray.options[4:]]
    assert {options["num_gpus"] for options in ray.options} == {0.5}
    assert [group["bundles"] for group in ray.groups] == [[{"GPU": 1, "CPU": 1}]] * 3
    assert {group["state"] for group in ray.groups} == {"REMOVED"}


def _done_on_cpu(parcel: Parcel, place: Place) -> Answer:
    run, _ = pickle.loads(parcel.content)
    return Answer("here", work(run, place, ray_worker._nothing))


def test_one_gpu_of_several_is_asked_for_otherwise(place: Place, use: Use) -> None:
    use(CPU=1)
    with pytest.raises(UserError, match="takes all GPUs, not cuda:1") as caught:
        drive([], replace(place, device=torch.device("cuda:1")))
    assert "CUDA_VISIBLE_DEVICES=1" in caught.value.hint


def test_gpus_that_nobody_uses_are_named(make_plan: MakePlan, place: Place, use: Use) -> None:
    use({"CPU": 2}, {"CPU": 2, "GPU": 4})
    display = Display()
    runs = make_plan(methods=["source_only"], tasks=["A2B"])
    drive(runs, place, 1, display, "there:1")
    assert display.notes == ["the cluster has 4 GPUs, and runs use processors; --device cuda uses GPUs"]


@pytest.mark.parametrize("kind", [RayError, ConnectionError])
def test_a_cluster_that_goes_away(
    kind: type[Exception], make_plan: MakePlan, place: Place, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = use(CPU=1)

    def gone(*_: Any, **__: Any) -> None:
        raise kind("the head\nis gone")

    monkeypatch.setattr(ray, "wait", gone)
    monkeypatch.setattr(on_ray, "ENDS_SECONDS", 1.0)
    with pytest.raises(UserError, match="Ray answers no more: the head is gone"):
        drive(make_plan(methods=["source_only"]), place)
    assert not ray.open


def test_a_cluster_that_does_not_answer(place: Place, use: Use) -> None:
    ray = use(CPU=1)
    with pytest.raises(UserError, match="no Ray cluster answers at 'nowhere:1': nobody there") as caught:
        OnRay(Workers(None, "nowhere:1")).run([], place, Display())
    assert "token" in caught.value.hint
    result = OnRay(Workers(None, "there:1")).run([], place, Display())
    assert result.done == []
    assert ray.inits[-1]["address"] == "there:1"
    assert "_temp_dir" not in ray.inits[-1]


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("RAY_USAGE_STATS_ENABLED", "RAY_AUTH_MODE", "RAY_worker_niceness", "RAY_AUTH_TOKEN")
    monkeypatch.setitem(sys.modules, "ray", None)
    for name in names:
        monkeypatch.delenv(name, raising=False)
    ray_cluster.load_ray.cache_clear()
    with pytest.raises(UserError, match="ray is not installed") as caught:
        find_executor("ray", 2)
    assert "pip install 'dabench[ray]'" in caught.value.hint
    *settings, token = (os.environ[name] for name in names)
    assert settings == ["0", "token", "0"]
    assert len(token) == 64
    ray_cluster.load_ray.cache_clear()
