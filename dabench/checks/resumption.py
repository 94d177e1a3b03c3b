"""Whether a run of a method can be interrupted and resumed: the check for state that nobody sees."""

from dataclasses import replace
from pathlib import Path

import torch

from dabench.checkpoint import Checkpoints, TimeIsUp, identity
from dabench.checks.outcome import Outcome, differences
from dabench.checks.rehearsal import Rehearsal, planned_run, rehearse
from dabench.checks.spy import Spy, spied
from dabench.checks.squares import write_suite
from dabench.checks.verdict import Check, CheckFailed, Claim
from dabench.method import MethodEntry
from dabench.openings import OpenDomains
from dabench.plan import PlannedRun
from dabench.running import Finished, attempt

__all__ = ["RESUMPTION"]


def resumes(entry: MethodEntry, folder: Path) -> str | None:
    """Compare a run with one that is interrupted before every step; return why that cannot be done."""
    if not entry.cls.trains_network:
        return "it takes no steps"
    manifest = write_suite(folder / "data" / "squares", "arrays")
    run = planned_run(entry, manifest, folder / "results")
    whole = Outcome.of(rehearse(run, folder / "results"))
    differing = differences(whole, Outcome.of(_interrupted(run, folder)))
    if differing and differences(whole, Outcome.of(rehearse(run, folder / "results"))):
        return "cannot be told: two equal runs differ (see 'repeats itself')"
    if differing:
        raise CheckFailed(
            f"interrupted before every step and resumed, {', '.join(differing)} come out differently: "
            "some of its state is neither in parameters, nor in buffers, nor in get_extra_state"
        )
    return None


def _interrupted(run: PlannedRun, folder: Path) -> Rehearsal:
    """Run one step after the other, each with a new network and a new method.

    Raises:
        CheckFailed: a part fails, or cannot be resumed.
    """
    domains = OpenDomains(Path(str(run.suite.base)).parent)
    for stop in range(1, run.config.steps + 1):
        spy = Spy()
        part = replace(run, entry=replace(run.entry, cls=spied(run.entry.cls, spy)))
        checkpoints = Checkpoints(
            folder / "checkpoints" / "run.json", identity("run", None), every=float("inf")
        )
        finished = _part(part, domains, checkpoints, stop)
        if checkpoints.notes:
            raise CheckFailed(checkpoints.notes[0])
    assert finished is not None  # of the last step
    arrays = {f"npz {key}": value for key, value in (finished.arrays or {}).items()}
    arrays |= {f"validation.npz {key}": value for key, value in (finished.validation or {}).items()}
    return Rehearsal(run, finished.record, arrays, spy)


def _part(run: PlannedRun, domains: OpenDomains, checkpoints: Checkpoints, stop: int) -> Finished | None:
    """Go on with a run until so many steps are taken; None where it was stopped."""
    taken = 0

    def observe(step: int, *_: object) -> None:
        nonlocal taken
        taken = step

    def check() -> None:
        if taken == stop:
            raise TimeIsUp

    try:
        finished = attempt(run, domains, torch.device("cpu"), observe, checkpoints, check)
    except TimeIsUp:
        return None
    failure = finished.record.failure
    if failure is not None:
        raise CheckFailed(f"training fails before step {stop}: {failure.kind}: {failure.message}")
    return finished


RESUMPTION = Check(
    Claim(
        "can be interrupted and resumed",
        "a run that is interrupted before every step, and resumed each time with a new network and a new "
        "method, agrees bit for bit with one that is left alone",
        "keep what changes from step to step in parameters or buffers (register_buffer), or give it out by "
        "get_extra_state and take it back by set_extra_state",
    ),
    resumes,
)
