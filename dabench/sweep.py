"""One run of a sweep: one record, failures are results too, nothing lost when it is interrupted.

``work`` does one run, as every executor calls it: claim, run or go on from a checkpoint, publish, release.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Protocol

import torch

from dabench.checkpoint import Checkpoints, TimeIsUp, identity
from dabench.claims import MOST_ATTEMPTS, Claim, LeaseLost, claim
from dabench.errors import UserError
from dabench.failures import KILLED, LOST_FOLDER, describe_failure
from dabench.forcing import replaced
from dabench.links import require_plain
from dabench.openings import OpenDomains
from dabench.patience import persistently
from dabench.place import Place
from dabench.plan import PlannedRun
from dabench.records import Evaluation, Record, RecordStore, ResultsError
from dabench.room import Room
from dabench.running import DeviceLost, Finished, attempt, failed_record, require_device
from dabench.signals import StepBoundaries, Terminated, interrupt_if_asked
from dabench.trackers import tracked
from dabench.train import Observer

__all__ = [
    "Display",
    "Place",
    "SweepResult",
    "checkpoints_of",
    "run_one",
    "settled",
    "work",
]

MOST_LOST = 3  # runs in a row whose images are gone, until the sweep stops
TRANSIENT = (KILLED.kind, LOST_FOLDER, "DiskFull", "OutOfMemory")  # another day the run may go on


class Display(Protocol):
    """What a sweep tells of its progress."""

    def begin(self, run: PlannedRun, number: int, total: int) -> None:
        """Run number (from 1) of total starts."""
        ...

    def advance(self, step: int, losses: Mapping[str, float], evaluation: Evaluation | None) -> None:
        """A step is done; losses and evaluation come with evaluations only."""
        ...

    def end(self, run: PlannedRun, record: Record) -> None:
        """The run's record is written."""
        ...

    def elsewhere(self, run: PlannedRun, record: Record) -> None:
        """Another process has written the run's record."""
        ...

    def note(self, run: PlannedRun, text: str) -> None:
        """Something about the run that is no error, such as a checkpoint that could not be written."""
        ...

    def handed(self, run: PlannedRun) -> None:
        """A worker elsewhere has got the run; it is not seen until it ends."""
        ...

    def wait(self, runs: Sequence[PlannedRun]) -> None:
        """All runs that are left are those that other processes have; told again and again."""
        ...


@dataclass
class SweepResult:
    """What a sweep did.

    Attributes:
        done: records that this sweep made.
        failed: those of runs that failed here.
        elsewhere: records, done or failed, that other processes made meanwhile.
        left: runs without a record of this sweep.
        interrupted: whether Ctrl-C ended it.
        device_lost: a run that failed has cost this process its GPU; the rest is left.
        lost: runs in a row, the last ones, that failed because their images are gone.
    """

    done: list[Record] = field(default_factory=list)
    failed: list[Record] = field(default_factory=list)
    elsewhere: list[Record] = field(default_factory=list)
    left: list[PlannedRun] = field(default_factory=list)
    interrupted: bool = False
    device_lost: DeviceLost | None = None
    lost: int = 0

    @property
    def has_failures(self) -> bool:
        """Whether a run failed, here or in another process."""
        return bool(self.failed) or any(record.status == "failed" for record in self.elsewhere)

    def add(self, record: Record) -> None:
        """Count a run of this sweep.

        Raises:
            UserError: the images of several runs in a row are gone: others would fail alike.
        """
        (self.done if record.status == "done" else self.failed).append(record)
        failure = record.failure
        self.lost = self.lost + 1 if failure is not None and failure.kind == LOST_FOLDER else 0
        if failure is not None and self.lost == MOST_LOST:
            raise UserError(
                f"{MOST_LOST} runs in a row have lost their images, the last one: {failure.message}",
                "the sweep stops, as the others would fail alike; bring the folder back and run the same "
                "command again",
            )


def work(
    run: PlannedRun,
    place: Place,
    observe: Observer,
    domains: OpenDomains | None = None,
    begin: Callable[[], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Record | None:
    """Do one run, if nobody else does or did it: claim it, run it or go on with it, publish its record.

    Args:
        run: as planned; its images are here.
        place: where and how.
        observe: told of every step.
        domains: images that are open already; None opens them once a process.
        begin: called when the run is this process's and starts.
        tell: told of what is no error, such as a checkpoint that could not be written.

    Returns:
        The record; None where another process has the run or did it, took it over meanwhile, or the time
        is up.

    Raises:
        DeviceLost: the GPU answers no more after the run, whose record is published.
        UserError: the results folder is full, read-only or gone.
        KeyboardInterrupt: SIGTERM came; the run has kept a checkpoint.
    """
    assert run.path is not None  # its images are here
    store = place.store
    try:
        held = persistently(partial(_claimed, run.path, place), place.lease)
        if held is None:
            return None
        with held:
            return _work(run, place, held, observe, domains or _opened(place.data), begin, tell)
    except Terminated:
        raise KeyboardInterrupt from None
    except TimeIsUp:
        return None
    except LeaseLost:
        place.require_results()
        return None
    except (OSError, ResultsError) as error:
        interrupt_if_asked()
        if place.listed is not None:
            place.require_results()
        if isinstance(error, ResultsError):
            raise
        raise store.unwritable(error) from error


def _claimed(path: Path, place: Place) -> Claim | None:
    """Claim a run in a results folder that is still there."""
    if place.listed is not None:
        place.require_results()
    require_plain(place.results, path.parent)
    return claim(path, place.lease)


def _work(
    run: PlannedRun,
    place: Place,
    held: Claim,
    observe: Observer,
    domains: OpenDomains,
    begin: Callable[[], None] | None,
    tell: Callable[[str], None] | None,
) -> Record | None:
    assert run.path is not None
    store = place.store
    if persistently(partial(_recovered, run, store), place.lease) is not None:
        return None  # published between a look at it and the claim

    boundaries = StepBoundaries()

    def check() -> None:
        held.check()
        boundaries.check()
        if place.deadline is not None:
            place.deadline.check()

    if begin is not None:
        begin()
    checkpoints = persistently(partial(checkpoints_of, run, place), place.lease)
    watching = tracked(run, place.trackers, store, observe, checkpoints.notes, tell)
    with boundaries, watching as tracker:
        if held.deaths >= MOST_ATTEMPTS:
            finished = Finished(failed_record(run, place.device, KILLED))
        else:
            folders = [folder for folder in (place.data, place.results) if folder is not None]
            finished = attempt(run, domains, place.device, tracker.advance, checkpoints, check, folders)
        record = persistently(
            partial(_published, run, finished, place, held, Room(checkpoints, held.confirm)), place.lease
        )
        if record is None:
            return None
        tracker.end(record)
    if record.failure is not None:
        try:
            require_device(place.device)  # a card that died is no fault of the run: its checkpoints stay
        except DeviceLost as error:
            error.record = record
            raise
    if record.failure is None or record.failure.kind not in TRANSIENT:
        checkpoints.drop()
    return record


def _published(run: PlannedRun, finished: Finished, place: Place, held: Claim, room: Room) -> Record | None:
    """Write the record of a run that is still this process's."""
    held.confirm()
    if place.listed is not None:
        place.require_results()
    try:
        return _publish(run, finished, place.store, place.device, room.make)
    except LeaseLost:
        raise
    except BaseException as error:
        with contextlib.suppress(OSError):
            room.put_back()
        if isinstance(error, ResultsError):
            held.confirm()  # who owns the run now may have cleared away what was to be published
        raise


def checkpoints_of(run: PlannedRun, place: Place) -> Checkpoints:
    """The checkpoints of a run. One that is made again goes on from those of this time alone."""
    assert run.path is not None
    of_run = identity(str(run.run_id), run.entry.source_sha256)
    again = replaced(run, place.store) if place.force else ""
    if again:
        of_run["replaces"] = again
    return Checkpoints(run.path, of_run, place.checkpoint_seconds)


def _publish(
    run: PlannedRun,
    finished: Finished,
    store: RecordStore,
    device: torch.device,
    room: Callable[[], bool] | None = None,
) -> Record | None:
    """Write the record, unless another one came first. A failure replaces no result of an earlier day.

    What a method gave and cannot be written down is a failure. ``room`` makes some on a full disk.
    """
    try:
        return _written(run, finished, store, room if finished.record.status == "done" else None)
    except (OSError, ResultsError, LeaseLost):
        raise
    except Exception as error:
        failed = failed_record(run, device, describe_failure(error, run.entry.file))
        return _written(run, Finished(failed), store)


def _written(
    run: PlannedRun, finished: Finished, store: RecordStore, room: Callable[[], bool] | None = None
) -> Record | None:
    assert run.path is not None
    record = finished.record
    if record.status == "failed":
        earlier = store.look(run.path)
        if isinstance(earlier, Record) and earlier.status == "done" and earlier.run_id == record.run_id:
            if store.stamp(run.path) != run.found:
                return None
            store.note_failed_again(run.path, record)
            return record
    return store.publish(record, finished.arrays, finished.validation, run.found, room)


def settled(run: PlannedRun, store: RecordStore) -> Record | None:
    """The run's record, if it was written after the plan was made; None where the run is still to do.

    A forced run that failed is settled as well: its failure lies beside the result that it does not replace.
    """
    try:
        return _newer_record(run, store)
    except OSError:  # at the next look somebody may tell
        return None


def _recovered(run: PlannedRun, store: RecordStore) -> Record | None:
    """As ``settled``, for who owns the run: a result that was left aside is put back first."""
    assert run.path is not None
    store.recover(run.path)
    return _newer_record(run, store)


def _newer_record(run: PlannedRun, store: RecordStore) -> Record | None:
    assert run.path is not None
    for path, found in ((run.path, run.found), (store.failed_again(run.path), run.found_failed)):
        stamp = store.stamp(path)
        record = store.look(path) if stamp not in (None, found) else None
        if isinstance(record, Record) and record.run_id == run.run_id:
            return record
    return None


@lru_cache(maxsize=1)
def _opened(data: Path | None) -> OpenDomains:
    """The images of a data folder, opened once a process."""
    return OpenDomains(data)


def run_one(
    run: PlannedRun, domains: OpenDomains, store: RecordStore, device: torch.device, observe: Observer
) -> Record:
    """Run once, whether it is done or not, and write the record: done, or failed with the reason.

    A failure does not replace the finished record of an earlier run of the same identity.
    """
    assert run.path is not None
    finished = attempt(run, domains, device, observe)
    return _publish(replace(run, found=store.stamp(run.path)), finished, store, device) or finished.record
