"""A process in which a method's code runs: ``python -m dabench.checks.worker JOB.json REPORT.json``."""

import gc
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from dabench.checks.contracts import CONTRACTS
from dabench.checks.leaks import HANDED, PLAIN_IMAGES, STAGES, Stage, run_stage
from dabench.checks.loading import load, own_files
from dabench.checks.outcome import Outcome
from dabench.checks.parts import Parts
from dabench.checks.recount import RECOUNT
from dabench.checks.verdict import CheckFailed, Verdict
from dabench.checks.watch import Event, Watch, left_behind
from dabench.errors import UserError
from dabench.method import MethodEntry

__all__ = ["Job", "Report", "Task", "work"]

HOLDS = ("data", "results", "cache", "checks")  # what the engine and the checks write to
RECOGNISABLE = Stage("arrays", "images as they are", PLAIN_IMAGES)


class Task(BaseModel):
    """One run of each method.

    Attributes:
        key: names the outcome.
        stage: of ``STAGES``; None for images as they are.
        task: A2B, or B2A.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    stage: str | None = None
    task: str = "A2B"


class Job(BaseModel):
    """What a process is to do, in this order, in its working directory.

    Attributes:
        methods: files or names.
        changed: whether the target's labels are the other ones.
        tasks: runs.
        contracts: whether to run the checks that one process can do by itself.
        salt: of the images of the tasks; processes that are compared have the same.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    methods: tuple[str, ...]
    changed: bool = False
    tasks: tuple[Task, ...] = ()
    contracts: bool = False
    salt: int = 0


class Report(BaseModel):
    """What came of a job.

    Attributes:
        methods: names that were found.
        error: why nothing could be done: a mistake of the user's.
        hint: how to go on then.
        outcomes: key of the task, method, outcome.
        failures: key of the task, method, why the run failed.
        verdicts: of the checks that were asked for.
        events: what each method's code did.
        left: files in the working directory, the temporary folder and the home folder that no part of dabench
            wrote, nor a library while it was imported.
    """

    model_config = ConfigDict(extra="forbid")

    methods: list[str] = []
    error: str = ""
    hint: str = ""
    outcomes: dict[str, dict[str, Outcome]] = {}
    failures: dict[str, dict[str, str]] = {}
    verdicts: list[Verdict] = []
    events: dict[str, list[Event]] = {}
    left: list[str] = []


def work(job: Job, home: Path) -> Report:
    """Do a job in a folder, which is the working directory."""
    report = Report()
    temporary = Path(os.environ["TMPDIR"])
    watch, parts = Watch((), home, temporary), Parts()
    watch.install()
    entries: list[MethodEntry] = []
    for text in job.methods:
        watch.events.clear()

        def before(file: Path) -> None:
            watch.add([file])
            parts.extend()  # with the methods that dabench has

        try:
            found = load(text, before)
        except UserError as error:
            report.error, report.hint = str(error), error.hint
            return report
        imported = [*watch.events, *_replaced(parts, "while it is imported")]
        report.events |= {entry.name: imported.copy() for entry in found}
        entries += found
    report.methods = [entry.name for entry in entries]
    for entry in entries:
        watch.add(own_files(entry))
    parts.extend()
    _each(entries, watch, parts, report, lambda entry: _run_tasks(entry, job, home, report))
    if job.contracts:
        _each(entries, watch, parts, report, lambda entry: _check(entry, home, report))
    gc.collect()  # temporary folders go with their objects
    report.events = {name: watch.settled(events) for name, events in report.events.items()}
    left = [*left_behind(home, HOLDS), *left_behind(temporary), *left_behind(Path.home())]
    report.left = [path for path in map(watch.shown, map(str, left)) if path not in watch.imports]
    return report


def _replaced(parts: Parts, when: str) -> list[Event]:
    return [Event(kind="engine", what=name, where=when) for name in parts.changed()]


def _each(
    entries: Sequence[MethodEntry],
    watch: Watch,
    parts: Parts,
    report: Report,
    act: Callable[[MethodEntry], None],
) -> None:
    """Act on each method, and note what its code did meanwhile."""
    for entry in entries:
        watch.events.clear()
        act(entry)
        events = [*watch.events, *_replaced(parts, "while it runs")]
        report.events[entry.name] += [event for event in events if event not in report.events[entry.name]]


def _run_tasks(entry: MethodEntry, job: Job, home: Path, report: Report) -> None:
    if entry.cls.uses_target_labels:  # nothing to find out; and no other method shall learn from it
        return
    for task in job.tasks:
        stage = RECOGNISABLE if task.stage is None else STAGES[task.stage]
        name = task.stage or "plain"
        try:
            outcome = run_stage(entry, home, job.changed, stage, task.task, name, job.salt)
        except CheckFailed as failure:
            report.failures.setdefault(task.key, {})[entry.name] = str(failure)
        else:
            report.outcomes.setdefault(task.key, {})[entry.name] = outcome


def _check(entry: MethodEntry, home: Path, report: Report) -> None:
    for number, check in enumerate((*CONTRACTS, HANDED, RECOUNT)):
        report.verdicts.append(check.verdict(entry, home / "checks" / entry.name / str(number)))


def main() -> None:
    """Read the job, do it, write the report."""
    source, target = map(Path, sys.argv[1:])
    job = Job.model_validate_json(source.read_text(encoding="utf-8"))
    target.write_text(work(job, Path.cwd()).model_dump_json(), encoding="utf-8")


if __name__ == "__main__":
    main()
