"""All runs of a plan in this process, shared with whoever else works on the results folder."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dabench.budget import Expectation
from dabench.checkpoint import Checkpoints
from dabench.claims import claim, claim_file
from dabench.links import require_plain
from dabench.openings import OpenDomains
from dabench.plan import PlannedRun
from dabench.publishing import tidy
from dabench.records import Record
from dabench.running import DeviceLost
from dabench.signals import interrupt_if_asked
from dabench.sweep import Display, Place, SweepResult, checkpoints_of, settled, work

__all__ = ["finish_leftovers", "has_checkpoint", "share"]


def share(
    runs: Sequence[PlannedRun],
    place: Place,
    display: Display,
    domains: OpenDomains | None = None,
    expectation: Expectation | None = None,
) -> SweepResult:
    """Do what nobody else does of a plan, in order, until every run has a record.

    Runs of other processes are passed over and looked at again; one whose owner has died is taken over.
    Ctrl-C stops between or within runs: records and checkpoints that are written stay.

    Args:
        runs: to do.
        place: where and how.
        display: told of the progress.
        domains: images that are open already.
        expectation: what runs took, to start none that would not end before the deadline.
    """
    result, waiting = SweepResult(), list(runs)
    expectation = expectation or Expectation()
    late: list[PlannedRun] = []
    try:
        while waiting and not _over(place, result):
            interrupt_if_asked()
            if not _one_more(runs, waiting, late, place, display, domains, expectation, result) and waiting:
                display.wait(waiting)
                time.sleep(place.poll)
        if result.device_lost is not None:
            interrupt_if_asked()
    except KeyboardInterrupt:
        result.interrupted = True
    result.left = [*waiting, *late]
    return result


def _over(place: Place, result: SweepResult) -> bool:
    return place.out_of_time or result.device_lost is not None or (place.fail_fast and result.has_failures)


def _one_more(
    runs: Sequence[PlannedRun],
    waiting: list[PlannedRun],
    late: list[PlannedRun],
    place: Place,
    display: Display,
    domains: OpenDomains | None,
    expectation: Expectation,
    result: SweepResult,
) -> bool:
    """Do the first run that can be had; take off the list what is settled. False where none was to be had."""
    for run in tuple(waiting):
        other = settled(run, place.store)
        if other is not None:
            waiting.remove(run)
            result.elsewhere.append(other)
            expectation.add(other)
            display.elsewhere(run, other)
            if place.fail_fast and result.has_failures:
                return True
            continue
        config, left = run.config, place.deadline.left() if place.deadline else float("inf")
        fits = expectation.fits(run.suite.name, config.backbone, config.method, left)
        if not fits and not has_checkpoint(run):
            waiting.remove(run)
            late.append(run)
            continue
        number = len(runs) - len(waiting) - len(late) + 1

        def begin(run: PlannedRun = run, number: int = number) -> None:
            display.begin(run, number, len(runs))

        def tell(text: str, run: PlannedRun = run) -> None:
            display.note(run, text)

        try:
            record = work(run, place, display.advance, domains, begin, tell)
        except DeviceLost as error:
            record, result.device_lost = error.record, error
        if record is not None:
            waiting.remove(run)
            expectation.add(record)
            display.end(run, record)
            result.add(record)
            return True
        if place.out_of_time:
            return True
    return False


def has_checkpoint(run: PlannedRun) -> bool:
    """Whether somebody has begun the run, who may have had to stop: it comes to its end bit by bit."""
    return run.path is not None and bool(Checkpoints(run.path, {}, 0.0).steps())


def finish_leftovers(runs: Sequence[PlannedRun], place: Place) -> None:
    """Clear away claims, checkpoints and parts that processes left which died after they had published.

    Checkpoints of a forced run that is to go on stay, also where this sweep is none.
    """
    for run in runs:
        if run.path is not None and (run.state == "done" or (place.force and run.found is not None)):
            with contextlib.suppress(OSError):  # of another user's folder, or one that is away
                _finish(run, run.path, place)


def _finish(run: PlannedRun, path: Path, place: Place) -> None:
    left = {left.name for left in path.parent.glob(f".{path.stem}.*")} - {place.store.failed_again(path).name}
    if not left or (run.state != "done" and claim_file(path).name in left):
        return  # a dead owner's claim on a run that is to do counts its deaths
    require_plain(place.results, path.parent)
    held = claim(path, place.lease)
    if held is None:
        return
    with held:
        store = place.store
        store.recover(path)
        if not isinstance(store.look(path), Record):
            return
        checkpoints = checkpoints_of(run, replace(place, force=True))
        if next(checkpoints.newest_first(), None) is None:
            checkpoints.begin(0)
            checkpoints.drop(())
        tidy(path, lambda: store.named(path), owner=True)
