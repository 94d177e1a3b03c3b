"""What a results folder holds and lacks, from the folder alone.

Read only, while others write, and on any folder: runs are those that sweeps have listed
(``dabench.expected``), those with a record and those with a claim, and nothing that a file says is trusted
further than to be shown.
"""

import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from dabench.budget import Expectation
from dabench.claims import claim_file, read_holder
from dabench.errors import UserError
from dabench.expected import Expected, ExpectedRun, read_expected
from dabench.holder import LONGEST_LEASE, Holder
from dabench.records import SCORES_SUFFIX, Record, RecordStore
from dabench.walking import walk

__all__ = ["RunStatus", "State", "Status", "SweepStatus", "read_status"]

State = Literal["done", "running", "failed", "missing", "stale"]
MOST_NAMED = 3
CLAIM = re.compile(r"\.(seed\d{1,9}-[0-9a-f]{16})\.claim")


@dataclass(frozen=True)
class RunStatus:
    """One run, as the folder has it.

    Attributes:
        path: of its record, below the results folder.
        state: ``stale`` where a process has it that gives no sign of life.
        suite: from the list of its sweep, the record or the path.
        method: likewise.
        backbone: likewise; empty where only a claim is there.
        reason: kind and message of a failure.
        repeat: the command that repeats a failed run, without folders.
        holder: who has it; None unless it is running or stale.
        quiet: seconds since that process gave a sign of life, by this machine's clock.
    """

    path: PurePosixPath
    state: State
    suite: str
    method: str
    backbone: str = ""
    reason: str = ""
    repeat: str = ""
    holder: Holder | None = None
    quiet: float = 0.0


@dataclass(frozen=True)
class SweepStatus:
    """One sweep.

    Attributes:
        about: suites, methods and the number of seeds.
        done: how many of its runs are done.
        runs: how many it has.
    """

    about: str
    done: int
    runs: int


@dataclass
class Status:
    """A results folder.

    Attributes:
        runs: by path.
        problems: a line for each file that should be a record or list of runs and is none.
        sweeps: by name.
        seconds_left: for what is missing and running, with the processes that are at work, or one; None where
            nothing is known of some of the runs.
    """

    runs: dict[PurePosixPath, RunStatus] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    sweeps: dict[str, SweepStatus] = field(default_factory=dict)
    seconds_left: float | None = None

    def of(self, state: State) -> list[RunStatus]:
        """The runs in a state, sorted by path."""
        return [run for _, run in sorted(self.runs.items()) if run.state == state]


def read_status(root: Path) -> Status:
    """Look at a results folder.

    Raises:
        UserError: there is none.
    """
    if not root.is_dir():
        raise UserError(f"{root} is no results folder", "name one with --results")
    store, status, expectation = RecordStore(root), Status(), Expectation()
    sweeps, status.problems = read_expected(root)
    listed = {_place(run): run for sweep in sweeps.values() for run in sweep.runs}
    records, claims = _files(root, status)
    for path in records:
        record = store.read(root / path)
        if not isinstance(record, Record):
            status.problems.append(f"{path}: {record.reason}")
            continue
        expectation.add(record)
        reason = f"{record.failure.kind}: {record.failure.message}" if record.failure else ""
        repeat = record.command if record.failure else ""
        status.runs[path] = RunStatus(
            path, record.status, record.suite, record.method, record.backbone, reason, repeat
        )  # fmt: skip
    for path in claims:
        found = _claimed(root, path, status.runs.get(path), listed.get(path))
        if found is not None:
            status.runs[path] = found
    for path, run in listed.items():
        if path not in status.runs:
            status.runs[path] = RunStatus(path, "missing", run.suite, run.method, run.backbone)
    status.sweeps = {name: _progress(sweep, status) for name, sweep in sweeps.items()}
    status.seconds_left = _seconds_left(status, expectation)
    return status


def _files(root: Path, status: Status) -> tuple[list[PurePosixPath], list[PurePosixPath]]:
    """Paths of the records, and of the records-to-be that are claimed, below the folder."""
    records: list[PurePosixPath] = []
    claims: list[PurePosixPath] = []
    for path, is_folder in walk(root, lambda path, reason: status.problems.append(f"{path}: {reason}")):
        if is_folder:
            continue
        place = PurePosixPath(path)
        claim = CLAIM.fullmatch(place.name)
        if claim:
            claims.append(place.with_name(f"{claim[1]}.json"))
        elif place.suffix == ".json" and not place.name.endswith(SCORES_SUFFIX) and place.name[0] != ".":
            records.append(place)
    return records, claims


def _claimed(
    root: Path, path: PurePosixPath, known: RunStatus | None, listed: ExpectedRun | None
) -> RunStatus | None:
    """A run that somebody has; None where the claim is of yesterday, or makes no sense."""
    holder = read_holder(root / path)
    if holder is None or len(path.parts) != 4 or (known is not None and known.state == "done"):
        return None
    try:
        quiet = max(0.0, time.time() - claim_file(root / path).stat().st_mtime)
    except OSError:  # released a moment ago
        return None
    stale = holder.gone() or quiet > 2 * min(holder.lease, LONGEST_LEASE)
    suite, _, method, _ = path.parts
    backbone = listed.backbone if listed else known.backbone if known else ""
    state: State = "stale" if stale else "running"
    return RunStatus(path, state, suite, method, backbone, holder=holder, quiet=quiet)


def _place(run: ExpectedRun) -> PurePosixPath:
    path = RecordStore(Path()).place(run.suite, run.task, run.method, run.seed, run.run_id)
    return PurePosixPath(path.as_posix())


def _progress(sweep: Expected, status: Status) -> SweepStatus:
    states = [status.runs[_place(run)].state for run in sweep.runs]
    suites, methods = (_some([getattr(run, key) for run in sweep.runs]) for key in ("suite", "method"))
    seeds = len({run.seed for run in sweep.runs})
    about = f"{suites}: {methods}, {seeds} seed{'' if seeds == 1 else 's'}"
    return SweepStatus(about, states.count("done"), len(states))


def _some(names: Sequence[str]) -> str:
    """The first few of several names."""
    found = list(dict.fromkeys(names))
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    return ", ".join(found[:MOST_NAMED]) + more


def _seconds_left(status: Status, expectation: Expectation) -> float | None:
    """Work that is left, shared among those that are at it."""
    total, working = 0.0, status.of("running")
    for run in (*status.of("missing"), *status.of("stale"), *working):
        seconds = expectation.seconds(run.suite, run.backbone, run.method)
        if seconds is None:
            return None
        spent = _spent(run.holder) if run.holder is not None and run.state == "running" else 0.0
        total += max(0.0, seconds - spent)
    total /= max(1, len({(run.holder.host, run.holder.pid) for run in working if run.holder}))
    return total if math.isfinite(total) else None


def _spent(holder: Holder) -> float:
    """Seconds that somebody has had a run: a beat is a third of a lease."""
    return holder.beat * min(holder.lease, LONGEST_LEASE) / 3
