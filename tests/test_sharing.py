"""Work on one results folder by several: nothing twice, nothing skipped, nothing lost."""

import pickle
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dabench import sharing
from dabench.budget import Deadline, Expectation
from dabench.claims import Claim, LeaseLost, claim, claim_file
from dabench.holder import myself
from dabench.openings import OpenDomains
from dabench.plan import PlannedRun
from dabench.records import Evaluation, Record, RecordStore
from dabench.sharing import finish_leftovers, share
from dabench.sweep import Place, SweepResult, work

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


def test_a_place_can_be_sent(place: Place) -> None:
    there = pickle.loads(pickle.dumps(replace(place, deadline=Deadline(60))))
    assert replace(there, deadline=None) == place
    assert 0 < there.deadline.left() <= 60


def test_all_runs_get_their_record_and_nothing_else_stays(make_plan: MakePlan, place: Place) -> None:
    runs = make_plan()
    display = Quiet()
    result = share(runs, place, display)
    assert (len(result.done), result.failed, result.elsewhere, result.left) == (2, [], [], [])
    assert display.events == ["begin 1/2", "end done", "begin 2/2", "end done"]
    assert not [name for name in files(place) if name.startswith(".")]
    assert len(files(place)) == 2 * 4, "record, two array files, events"


def test_a_run_that_another_has_is_passed_over_and_looked_at_again(make_plan: MakePlan, place: Place) -> None:
    runs = make_plan()
    held = claim(path_of(runs[0]), place.lease)
    assert held is not None

    def publish() -> None:
        held.release()
        assert work(runs[0], place, ignore) is not None

    display = Quiet(waiting=publish)
    result = share(runs, place, display)
    assert display.events == ["begin 1/2", "end done", "wait 1", "elsewhere done"]
    assert (len(result.done), len(result.elsewhere), result.left) == (1, 1, [])


def test_a_run_whose_owner_died_is_taken_over(make_plan: MakePlan, place: Place) -> None:
    runs = make_plan()
    mine = myself(60.0, 0, 0)
    path_of(runs[0]).parent.mkdir(parents=True)
    claim_file(path_of(runs[0])).write_bytes(replace(mine, born=mine.born - 1).content())
    result = share(runs, place, Quiet())
    assert (len(result.done), result.left) == (2, [])


def test_what_kills_every_owner_becomes_a_failed_run_and_is_tried_again_another_day(
    make_plan: MakePlan, place: Place
) -> None:
    (run,) = make_plan(tasks=["A2B"])
    mine = myself(60.0, deaths=2, saved=0)
    path_of(run).parent.mkdir(parents=True)
    claim_file(path_of(run)).write_bytes(replace(mine, born=mine.born - 1).content())
    (failed,) = share([run], place, Quiet()).failed
    assert failed.failure is not None
    assert failed.failure.kind == "Killed"
    assert "3 processes in a row died" in failed.failure.message
    (again,) = make_plan(tasks=["A2B"])
    assert again.state == "failed"
    assert len(share([again], place, Quiet()).done) == 1


def test_who_lost_the_lease_writes_nothing(make_plan: MakePlan, place: Place) -> None:
    (run,) = make_plan(tasks=["A2B"])
    thief = replace(myself(60.0, 0, 0), token="f" * 32)

    def steal() -> None:
        claim_file(path_of(run)).unlink()
        claim_file(path_of(run)).write_bytes(thief.content())

    assert work(run, place, lambda step, *_: steal() if step == run.config.steps else None) is None
    assert claim_file(path_of(run)).read_bytes() == thief.content()
    assert not [name for name in files(place) if name.endswith((".json", ".npz", ".part"))]


def test_a_lost_lease_stops_a_run_at_its_next_step(
    make_plan: MakePlan, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run,) = make_plan(tasks=["A2B"])
    steps: list[int] = []

    def check(_: Claim) -> None:
        if len(steps) == 2:
            raise LeaseLost("gone")

    monkeypatch.setattr(Claim, "check", check)
    assert work(run, place, lambda step, *_: steps.append(step)) is None
    assert steps == [1, 2]


def test_of_two_that_believe_to_own_a_run_one_publishes(make_plan: MakePlan, place: Place) -> None:
    """As after SIGSTOP, with a claim that was confirmed a moment before the other one published."""
    (run,) = make_plan(tasks=["A2B"])
    first: list[Record | None] = []

    def overtake(step: int, *_: Any) -> None:
        if step == run.config.steps and not first:
            claim_file(path_of(run)).rename(place.results / "kept")
            first.append(work(run, place, ignore))
            (place.results / "kept").rename(claim_file(path_of(run)))

    assert work(run, place, overtake) is None
    (record,) = first
    assert record is not None
    assert place.store.read(path_of(run)) == record
    arrays = sorted(name for name in files(place) if name.endswith(".npz"))
    assert arrays == sorted([str(record.predictions_file), str(record.validation_file)])


def test_force_makes_every_run_again_once(make_plan: MakePlan, place: Place) -> None:
    share(make_plan(), place, Quiet())
    forced, place = make_plan(force=True), replace(place, force=True)
    assert work(forced[0], place, ignore) is not None
    assert work(forced[0], place, ignore) is None, "it has been made again since the plan"
    result = share(forced, place, Quiet())
    assert (len(result.done), len(result.elsewhere)) == (1, 1)


def test_ctrl_c_releases_the_claim(make_plan: MakePlan, place: Place) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    result = share(make_plan(), place, Quiet(interrupt))
    assert result.interrupted
    assert len(result.left) == 2
    assert not [name for name in files(place) if name.endswith((".claim", ".json"))]


def test_when_the_time_is_up_a_run_keeps_a_checkpoint_and_goes_on_another_day(
    make_plan: MakePlan, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = make_plan(["steps=6", "evaluations=3"])
    undisturbed = replace(place, results=place.results.with_name("undisturbed"))
    plain = share(make_plan(["steps=6", "evaluations=3"], results=undisturbed.results), undisturbed, Quiet())
    monkeypatch.setattr(Deadline, "left", lambda self: 10.0 - len(steps))
    steps: list[int] = []
    limited = replace(place, deadline=Deadline(0))
    result = share(runs, limited, Quiet(lambda: steps.append(1)))
    assert (len(result.done), len(result.left), len(steps)) == (1, 1, 10)
    assert any(".checkpoint-" in name for name in files(place))
    assert not any(name.endswith(".claim") for name in files(place))
    steps.clear()
    (record,) = share(result.left, replace(place, deadline=None), Quiet(lambda: steps.append(1))).done
    assert len(steps) < 6, "it goes on from its checkpoint"
    assert record.predictions_sha256 == plain.done[1].predictions_sha256
    assert not any(".checkpoint-" in name for name in files(place))


def test_no_run_is_started_that_would_not_end_in_time(make_plan: MakePlan, place: Place) -> None:
    (done,) = share(make_plan(tasks=["A2B"]), place, Quiet()).done
    assert done.timing is not None
    slow = done.model_copy(update={"timing": done.timing.model_copy(update={"total_seconds": 500.0})})
    expectation = Expectation(whole=1000)
    expectation.add(slow)
    runs = make_plan(methods=["dann", "source_only"], seeds=[1])
    result = share(runs, replace(place, deadline=Deadline(100)), Quiet(), None, expectation)
    assert {record.method for record in result.done} == {"source_only"}
    assert {run.config.method for run in result.left} == {"dann"}


def test_leftovers_of_one_that_died_after_publishing_go(make_plan: MakePlan, place: Place) -> None:
    runs = make_plan()
    share(runs, place, Quiet())
    clean = files(place)
    mine = myself(60.0, 0, 0)
    claim_file(path_of(runs[0])).write_bytes(replace(mine, born=mine.born - 1).content())
    path_of(runs[0]).with_name(f".{path_of(runs[0]).stem}.checkpoint-4.safetensors").write_bytes(b"")
    path_of(runs[0]).with_name(f".{path_of(runs[0]).stem}.00aa.part").write_bytes(b"")
    held = claim(path_of(runs[1]), 60.0)
    assert held is not None
    finish_leftovers(make_plan(), place)
    assert files(place) == sorted([*clean, claim_file(path_of(runs[1])).name]), "one that lives stays"
    held.release()


def test_several_at_once_make_each_run_once(make_plan: MakePlan, tmp_path: Path) -> None:
    place = Place(data=None, results=tmp_path / "results", device=CPU, lease=5.0)
    plans = [make_plan(methods=["dann", "source_only"], seeds=[0, 1]) for _ in range(3)]
    results: list[SweepResult] = []

    def one(runs: list[PlannedRun]) -> None:
        results.append(share(runs, place, Quiet(), OpenDomains(None)))

    # Runs of threads share torch's streams, so that their numbers say nothing; who does what does.
    threads = [threading.Thread(target=one, args=(runs,)) for runs in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = [record.run_id for result in results for record in (*result.done, *result.failed)]
    assert sorted(made) == sorted(str(run.run_id) for run in plans[0])
    assert all(len(result.elsewhere) + len(result.done) + len(result.failed) == 8 for result in results)
    records, problems = RecordStore(place.results).read_all()
    assert (len(records), problems) == (8, [])


def test_a_run_is_settled_for_who_gets_its_claim_a_moment_after_it_was_published(
    make_plan: MakePlan, place: Place
) -> None:
    (run,) = make_plan(tasks=["A2B"])
    assert work(run, place, ignore) is not None
    steps: list[int] = []
    assert work(run, place, lambda step, *_: steps.append(step)) is None
    assert steps == [], "nothing is trained again"


def test_a_run_that_somebody_has_begun_is_gone_on_with_though_it_may_not_end(
    make_plan: MakePlan, place: Place
) -> None:
    (run,) = make_plan(tasks=["A2B"])
    expectation = Expectation(whole=1000)
    expectation._seconds[run.suite.name, run.config.backbone, run.config.method] = [500.0]
    limited = replace(place, deadline=Deadline(100))
    assert share([run], limited, Quiet(), None, expectation).left == [run]
    path_of(run).parent.mkdir(parents=True, exist_ok=True)
    path_of(run).with_name(f".{path_of(run).stem}.checkpoint-2.safetensors").write_bytes(b"")
    assert len(share([run], limited, Quiet(), None, expectation).done) == 1
