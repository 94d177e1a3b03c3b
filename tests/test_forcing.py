"""--force that is stopped and started: each run is made again once, from its beginning."""

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dabench import commands
from dabench.claims import claim, claim_file
from dabench.commands import RunRequest, execute
from dabench.forcing import FOLDER, Forced
from dabench.holder import myself
from dabench.plan import PlannedRun
from dabench.records import Failure, Record, RecordStore
from dabench.running import DeviceLost, failed_record
from dabench.sharing import finish_leftovers, share
from dabench.signals import Terminated, terminated_as_interrupted
from dabench.sweep import Place, checkpoints_of, work

MakePlan = Callable[..., list[PlannedRun]]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(None, tmp_path / "results", torch.device("cpu"), checkpoint_seconds=0, force=True)


def ignore(*_: Any) -> None:
    return None


def stop_at(last: int, error: BaseException) -> Callable[..., None]:
    def observe(step: int, *_: Any) -> None:
        if step == last:
            raise error

    return observe


def steps_of(run: PlannedRun, place: Place) -> list[int]:
    steps: list[int] = []
    assert work(run, place, lambda step, *_: steps.append(step)) is not None
    return steps


def test_a_forced_run_goes_on_from_its_own_checkpoint_alone(make_plan: MakePlan, place: Place) -> None:
    steps = ["steps=6", "evaluations=3"]
    (run,) = make_plan(steps, tasks=["A2B"])
    plain = replace(place, force=False)
    with pytest.raises(KeyboardInterrupt):
        work(run, plain, stop_at(5, KeyboardInterrupt()))
    kept = [path for path in place.results.rglob("*.safetensors")]
    content = {path: path.read_bytes() for path in kept}
    assert content
    assert work(run, plain, ignore) is not None
    for path, text in content.items():  # as one that died after it had published leaves them
        path.write_bytes(text)
    (forced,) = make_plan(steps, tasks=["A2B"], force=True)
    with pytest.raises(KeyboardInterrupt):
        work(forced, place, stop_at(5, KeyboardInterrupt()))
    (again,) = make_plan(steps, tasks=["A2B"], force=True)
    finish_leftovers([again], place)
    assert steps_of(again, place) == [5, 6], "from step 4 of this time"


def test_leftovers_of_a_finished_run_are_no_beginning_of_a_forced_one(
    make_plan: MakePlan, place: Place
) -> None:
    (run,) = make_plan(tasks=["A2B"])
    assert work(run, replace(place, force=False), ignore) is not None
    checkpoints = checkpoints_of(run, replace(place, force=False))
    assert checkpoints.write(3, {"x": torch.zeros(1)}, {})
    (forced,) = make_plan(tasks=["A2B"], force=True)
    finish_leftovers([forced], place)
    assert checkpoints.steps() == []
    assert steps_of(forced, place) == [1, 2, 3, 4]


LONGER = ["steps=6", "evaluations=3"]


def stopped_after_five_steps(make_plan: MakePlan, place: Place) -> PlannedRun:
    """A run that is done, and a forced one that was to make it again."""
    (run,) = make_plan(LONGER, tasks=["A2B"])
    assert work(run, replace(place, force=False), ignore) is not None
    (forced,) = make_plan(LONGER, tasks=["A2B"], force=True)
    with pytest.raises(KeyboardInterrupt):
        work(forced, place, stop_at(5, KeyboardInterrupt()))
    return forced


def test_a_sweep_without_force_leaves_the_checkpoints_of_one_that_was_stopped(
    make_plan: MakePlan, place: Place
) -> None:
    forced = stopped_after_five_steps(make_plan, place)
    (done,) = make_plan(LONGER, tasks=["A2B"])
    finish_leftovers([done], replace(place, force=False))
    assert steps_of(forced, place) == [5, 6]


def test_failures_of_other_processes_keep_their_checkpoints(
    tiny_suite: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that ends clears away what killed ones left of runs that are done, and of no others."""
    kept = []

    def publish(*_: Any) -> Any:
        (run, *_others) = given
        assert run.path is not None
        record = failed_record(run, torch.device("cpu"), Failure(kind="OutOfMemory", message="out"))
        assert place.store.publish(record) is not None
        kept.append(run.path.with_name(f".{run.path.stem}.checkpoint-2.safetensors"))
        kept[0].write_bytes(b"")

    given: list[PlannedRun] = []

    class Other:
        def run(self, runs: list[PlannedRun], *others: Any) -> Any:
            given.extend(runs)
            publish()
            return share(runs, *others)

    monkeypatch.setattr(commands, "find_executor", lambda *_: Other())
    assert execute(request(tiny_suite, place)) == 1
    assert kept[0].exists()


def test_sigterm_with_the_last_step_ends_a_sweep_that_waits_for_others(
    make_plan: MakePlan, place: Place
) -> None:
    first, second = make_plan()
    assert second.path is not None

    class Quiet:
        def __getattr__(self, name: str) -> Callable[..., None]:
            return ignore

        def advance(self, step: int, *_: Any) -> None:
            if step == 4:
                os.kill(os.getpid(), signal.SIGTERM)

    held = claim(second.path, 60)
    assert held is not None
    with terminated_as_interrupted():
        result = share([first, second], place, Quiet())
    held.release()
    assert (len(result.done), result.interrupted, result.left) == (1, True, [second])


def test_the_same_forced_sweep_goes_on_and_the_next_one_begins_anew(
    make_plan: MakePlan, place: Place
) -> None:
    for run in make_plan():
        work(run, replace(place, force=False), ignore)
    first = Forced.begin(make_plan(force=True), place.store)
    assert [run.state for run in first.runs] == ["to do", "to do"]
    assert work(first.runs[0], place, ignore) is not None
    second = Forced.begin(make_plan(force=True), place.store)
    assert [run.state for run in second.runs] == ["done", "to do"]
    assert work(second.runs[1], place, ignore) is not None
    second.end()
    assert [run.state for run in Forced.begin(make_plan(force=True), place.store).runs] == ["to do"] * 2


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a": 3}', b"[" * 100_000])
def test_a_file_that_is_none_begins_anew(make_plan: MakePlan, place: Place, content: bytes) -> None:
    path = Forced.begin(make_plan(force=True), place.store).path
    path.write_bytes(content)
    assert [run.state for run in Forced.begin(make_plan(force=True), place.store).runs] == ["to do"] * 2
    assert set(json.loads(path.read_text(encoding="utf-8")).values()) == {""}


def request(tiny_suite: Path, place: Place, **changes: Any) -> RunRequest:
    values: dict[str, Any] = {"methods": ["dann"], "suites": [str(tiny_suite)], "seeds": 1, "device": "cpu"}
    return RunRequest(data=place.results.with_name("data"), results=place.results, **values | changes)


def test_the_command_goes_on_and_clears_what_died_behind(
    tiny_suite: Path,
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert execute(request(tiny_suite, place)) == 0
    ended: list[int] = []

    def interrupt(self: Any, run: PlannedRun, record: Record, end: Any = commands.SweepDisplay.end) -> None:
        end(self, run, record)
        ended.append(1)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(commands.SweepDisplay, "end", interrupt)
        assert execute(request(tiny_suite, place, force=True)) == 130
    capsys.readouterr()
    record = next(path for path in place.results.rglob("seed0*.json"))
    part = record.with_name(f".{record.stem}.00aa.part")
    part.write_bytes(b"")
    assert execute(request(tiny_suite, place, force=True)) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "1 of 2 runs are done already by the --force that is gone on with" in said
    assert "1 runs done" in said
    assert not part.exists()
    assert not list((place.results / FOLDER).iterdir())


@pytest.mark.parametrize("seeds", [1, 2], ids=["all is done", "some are to do"])
def test_the_command_clears_what_died_behind(tiny_suite: Path, place: Place, seeds: int) -> None:
    assert execute(request(tiny_suite, place)) == 0
    record = next(path for path in place.results.rglob("seed0*.json"))
    part = record.with_name(f".{record.stem}.00aa.part")
    part.write_bytes(b"")
    assert execute(request(tiny_suite, place, seeds=seeds)) == 0
    assert not part.exists()


def test_failures_are_told_before_what_ended_the_sweep(
    tiny_suite: Path, place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from dabench.errors import MissingDataError, UserError
    from dabench.openings import OpenDomains

    def gone(*_: Any) -> None:
        raise MissingDataError("alpha is gone")

    monkeypatch.setattr(OpenDomains, "images", gone)
    with pytest.raises(UserError, match="3 runs in a row"):
        execute(request(tiny_suite, place, seeds=3))
    said = capsys.readouterr().out
    assert said.count("repeat: dabench run --method dann") == 3


def test_sigterm_ends_a_run_at_its_next_step_with_a_checkpoint(make_plan: MakePlan, place: Place) -> None:
    (run,) = make_plan(["steps=6", "evaluations=1"], tasks=["A2B"])

    def terminate(step: int, *_: Any) -> None:
        if step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    rare = replace(place, checkpoint_seconds=1e9)
    with terminated_as_interrupted(), pytest.raises(KeyboardInterrupt):
        work(run, rare, terminate)
    assert steps_of(run, rare) == [4, 5, 6]


def test_sigterm_with_the_last_step_loses_no_result(make_plan: MakePlan, place: Place) -> None:
    first, second = make_plan()

    def terminate(step: int, *_: Any) -> None:
        if step == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    with terminated_as_interrupted():
        assert work(first, place, terminate) is not None
        with pytest.raises(KeyboardInterrupt):
            work(second, place, ignore)
    assert work(second, place, ignore) is not None, "over with the sweep that was told"


def test_sigterm_elsewhere_and_a_second_one_do_not_wait(make_plan: MakePlan, place: Place) -> None:
    (run,) = make_plan(tasks=["A2B"])
    with terminated_as_interrupted(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)

    def twice(step: int, *_: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)

    with terminated_as_interrupted(), pytest.raises(KeyboardInterrupt) as caught:
        work(run, place, twice)
    assert not isinstance(caught.value.__context__, Terminated)
    assert not list(RecordStore(place.results).paths())


def test_a_sweep_whose_runs_are_longer_than_its_time_gets_on(tiny_suite: Path, place: Place) -> None:
    assert execute(request(tiny_suite, place)) == 0
    for path in list(RecordStore(place.results).paths()):
        record = json.loads(path.read_bytes())
        record["timing"]["total_seconds"] = 9000
        path.write_text(json.dumps(record), encoding="utf-8")
    assert execute(request(tiny_suite, place, seeds=2, max_time="2h")) == 0
    assert len(RecordStore(place.results).read_all()[0]) == 4


def test_a_forced_run_that_kills_every_process_fails_by_name(make_plan: MakePlan, place: Place) -> None:
    """What each new process clears away first leaves the count of the dead alone."""
    (run,) = make_plan(tasks=["A2B"])
    assert work(run, replace(place, force=False), ignore) is not None
    (forced,) = make_plan(tasks=["A2B"], force=True)
    assert forced.path is not None
    mine = myself(60.0, deaths=2, saved=0)
    claim_file(forced.path).write_bytes(replace(mine, born=mine.born - 1).content())
    finish_leftovers([forced], place)
    record = work(forced, place, ignore)
    assert record is not None
    assert record.failure is not None
    assert record.failure.kind == "Killed"


def test_checkpoints_that_cannot_be_read_at_the_moment_stay(
    make_plan: MakePlan, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced = stopped_after_five_steps(make_plan, place)

    def stale(*_: Any) -> Any:
        raise OSError(116, "Stale file handle")

    with monkeypatch.context() as patch:
        patch.setattr("dabench.checkpoint.safe_open", stale)
        finish_leftovers([forced], place)
    assert steps_of(forced, place) == [5, 6]


def test_sigterm_with_a_lost_gpu_ends_the_sweep(
    make_plan: MakePlan, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(step: int, *_: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise RuntimeError("an illegal memory access")

    def lost(_: Any) -> None:
        raise DeviceLost("the GPU answers no more")

    class Quiet:
        advance = staticmethod(fail)

        def __getattr__(self, name: str) -> Callable[..., None]:
            return ignore

    monkeypatch.setattr("dabench.sweep.require_device", lost)
    with terminated_as_interrupted():
        result = share(make_plan(), place, Quiet())
    assert (len(result.failed), result.interrupted) == (1, True)
