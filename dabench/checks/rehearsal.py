"""One run of a method on the squares, planned, trained and recorded as ``dabench run`` does it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dabench.checks.spy import Spy, spied
from dabench.checks.verdict import CheckFailed
from dabench.errors import UserError
from dabench.method import MethodEntry
from dabench.openings import OpenDomains
from dabench.plan import PlannedRun, plan
from dabench.records import Failure, Record, RecordStore
from dabench.sweep import run_one
from dabench.sweepfile import SweepConfig

__all__ = ["Rehearsal", "planned_run", "rehearse"]

PROCESSOR = torch.device("cpu")


@dataclass(frozen=True)
class Rehearsal:
    """A finished run.

    Attributes:
        run: as it was planned.
        record: as it was written.
        arrays: what lies beside the record, all files together.
        spy: holds network and method.
    """

    run: PlannedRun
    record: Record
    arrays: Mapping[str, NDArray[Any]]
    spy: Spy


def planned_run(
    entry: MethodEntry,
    manifest: Path,
    results: Path,
    task: str = "A2B",
    seed: int = 0,
    weights: Path | None = None,
    settings: Mapping[str, Any] | None = None,
) -> PlannedRun:
    """Plan one run of a registered method.

    Raises:
        CheckFailed: the method's configuration or recipes do not allow it.
    """
    sweep = SweepConfig(
        suites=(str(manifest),),
        methods=(entry.name,),
        tasks=(task,),
        seeds=(seed,),
        weights=None if weights is None else str(weights),
    )
    domains, store = OpenDomains(manifest.parent.parent), RecordStore(results)
    try:
        (run,) = plan(sweep, None, list((settings or {}).items()), domains, store, PROCESSOR, force=True)
    except UserError as error:
        raise CheckFailed(f"a run cannot be planned: {error} {error.hint}".strip()) from error
    return replace(run, entry=entry)


def rehearse(run: PlannedRun, results: Path, spy: Spy | None = None) -> Rehearsal:
    """Run once on the processor and read back what was stored.

    Raises:
        CheckFailed: the run failed; the message is the run's, and the line of the method's file.
    """
    spy = spy or Spy()
    watched = replace(run, entry=replace(run.entry, cls=spied(run.entry.cls, spy)))
    store, domains = RecordStore(results), OpenDomains(Path(str(run.suite.base)).parent)
    record = run_one(watched, domains, store, PROCESSOR, lambda *_: None)
    if record.failure is not None:
        raise CheckFailed(_reason(record.failure, run.entry))
    path = store.path(record)
    stored = store.read(path)
    if not isinstance(stored, Record):
        raise CheckFailed(f"the run's record cannot be read: {stored.reason}")
    arrays: dict[str, NDArray[Any]] = {}
    for kind, name in (("npz", stored.predictions_file), ("validation.npz", stored.validation_file)):
        if name is not None:
            with np.load(path.with_name(name), allow_pickle=False) as file:
                arrays |= {f"{kind} {key}": file[key] for key in file.files}
    return Rehearsal(run, stored, arrays, spy)


def _reason(failure: Failure, entry: MethodEntry) -> str:
    """Why a run failed, in one line."""
    if failure.kind == CheckFailed.__name__:  # of a spy
        return failure.message
    found = re.findall(r'File "([^"]*)", line (\d+), in (\S+)', failure.traceback)
    own = [place for place in found if entry.file and Path(place[0]).name == entry.file.name]
    where = f" ({Path(own[-1][0]).name}, line {own[-1][1]}, in {own[-1][2]})" if own else ""
    return f"training fails: {failure.kind}: {failure.message}{where}"
