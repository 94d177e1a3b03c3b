"""A process in which a method's code runs: ``python -m dabench.checks.worker JOB.json REPORT.json``."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from dabench.checks.contracts import CONTRACTS
from dabench.checks.leaks import HANDED, PLAIN_IMAGES, STAGES, Stage, run_stage
from dabench.checks.loading import load, own_files
from dabench.checks.outcome import Outcome
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
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    methods: tuple[str, ...]
    changed: bool = False
    tasks: tuple[Task, ...] = ()
    contracts: bool = False


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
        left: files in the working directory and the temporary folder that no part of dabench wrote.
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
    watch = Watch((), home)
    watch.install()
    try:
        entries = [entry for text in job.methods for entry in load(text, lambda file: watch.add([file]))]
    except UserError as error:
        report.error, report.hint = str(error), error.hint
        return report
    report.methods = [entry.name for entry in entries]
    for entry in entries:
        watch.add(own_files(entry))
        report.events[entry.name] = list(watch.events)  # while its file was imported
    _each(entries, watch, report, lambda entry: _run_tasks(entry, job, home, report))
    if job.contracts:
        _each(entries, watch, report, lambda entry: _check(entry, home, report))
    report.left = [*left_behind(home, HOLDS), *left_behind(Path(os.environ["TMPDIR"]), ())]
    return report


def _each(
    entries: Sequence[MethodEntry], watch: Watch, report: Report, act: Callable[[MethodEntry], None]
) -> None:
    """Act on each method, and note what its code did meanwhile."""
    for entry in entries:
        watch.events.clear()
        act(entry)
        report.events[entry.name] += [
            event for event in watch.events if event not in report.events[entry.name]
        ]


def _run_tasks(entry: MethodEntry, job: Job, home: Path, report: Report) -> None:
    if entry.cls.uses_target_labels:  # nothing to find out; and no other method shall learn from it
        return
    for task in job.tasks:
        stage = RECOGNISABLE if task.stage is None else STAGES[task.stage]
        try:
            outcome = run_stage(entry, home, job.changed, stage, task.task, task.stage or "plain")
        except CheckFailed as failure:
            report.failures.setdefault(task.key, {})[entry.name] = str(failure)
        else:
            report.outcomes.setdefault(task.key, {})[entry.name] = outcome


def _check(entry: MethodEntry, home: Path, report: Report) -> None:
    for number, check in enumerate((*CONTRACTS, HANDED)):
        report.verdicts.append(check.verdict(entry, home / "checks" / entry.name / str(number)))


def main() -> None:
    """Read the job, do it, write the report."""
    source, target = map(Path, sys.argv[1:])
    job = Job.model_validate_json(source.read_text(encoding="utf-8"))
    target.write_text(work(job, Path.cwd()).model_dump_json(), encoding="utf-8")


if __name__ == "__main__":
    main()
