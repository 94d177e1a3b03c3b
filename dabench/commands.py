"""What ``dabench run`` does: merge flags into the sweep, plan, show the plan or run it, sum up."""

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dabench.backbones import default_weights_here
from dabench.budget import Deadline, Expectation, parse_duration
from dabench.display import SweepDisplay
from dabench.errors import MissingDataError, UserError
from dabench.execution import Execution
from dabench.executor import Executor, find_executor
from dabench.expected import write_expected
from dabench.forcing import Forced
from dabench.hardware import processors, resolve_device
from dabench.openings import OpenDomains
from dabench.order import in_order, read_order
from dabench.plan import PlannedRun, check_weights, plan
from dabench.records import Record, RecordStore
from dabench.restarting import go_on, time_left, tried
from dabench.sharing import finish_leftovers
from dabench.signals import terminated_as_interrupted
from dabench.summary import RunRequest, say, sum_up, tell_failures
from dabench.sweep import Place, SweepResult
from dabench.sweepfile import SweepConfig, flag_values, read_sweep
from dabench.terminal import standard_console
from dabench.trackers import require_trackers

__all__ = ["RunRequest", "execute"]

STATES: tuple[Literal["done", "to do", "failed"], ...] = ("done", "to do", "failed")


def execute(request: RunRequest) -> int:
    """Plan and run; return the exit code: 0, 1 after failed runs, 2 where data is missing, 130 after Ctrl-C.

    SIGTERM, which batch systems send before they kill, counts as Ctrl-C.

    Raises:
        UserError: anything wrong in flags or configuration, before any run.
    """
    console = standard_console()
    whole = parse_duration(request.max_time) if request.max_time is not None else None
    deadline = None if whole is None else Deadline(time_left() or whole)
    priorities = read_order(request.order) if request.order else []
    sweep, file = _sweep(request)
    execution = _execution(sweep, request)
    require_trackers(execution.trackers)
    executor = find_executor(execution.executor, execution.jobs, execution.address)
    device = resolve_device(request.device, elsewhere=execution.address is not None)
    store = RecordStore(request.results)
    display = SweepDisplay(console, 0)
    domains = OpenDomains(request.data, display.preparing)
    flags = flag_values(request.assignments, request.protocol, request.frozen_backbone)
    runs = plan(sweep, file, flags, domains, store, device, request.force)
    if request.dry_run:
        _print_plan(console, runs)
        for line in _absent_weights(runs):
            say(console, line)
    for note in dict.fromkeys(run.note for run in runs if run.state in ("done", "to do") and run.note):
        console.print(Text.assemble(("note:", "yellow"), " ", note), soft_wrap=True)
    blocked = [run for run in runs if run.state == "blocked"]
    if blocked:
        _report_missing(blocked)
        return 2
    runs = in_order(runs, priorities)
    for number, priority in enumerate(priorities, start=1):
        if not any(priority.fits(run) for run in runs):
            say(console, f"note: entry {number} of {request.order} fits no run of this sweep")
    if request.dry_run:
        check_weights([run for run in runs if run.state != "done" and run.weights != "default"])
        return 0
    forced = None
    if request.force:
        store.require_writable()
        forced = Forced.begin(runs, store)
        runs = forced.runs
    todo = [run for run in runs if run.state != "done" and run.run_id not in tried()]
    place = Place(
        data=request.data, results=request.results, device=device, lease=execution.lease,
        checkpoint_seconds=execution.checkpoint_every, force=request.force, fail_fast=request.fail_fast,
        deadline=deadline, trackers=execution.trackers,
    )  # fmt: skip
    crowded = _crowded(todo, execution, device)
    if crowded:
        say(console, crowded)
    if not todo:
        with contextlib.suppress(OSError):  # a folder that is done may be read-only
            finish_leftovers(runs, place)
        if tried():
            say(console, f"the other runs are done in {request.results}")
        else:
            say(console, f"all {len(runs)} runs are done in {request.results}; --force runs them again")
        if forced is not None:
            forced.end()
        return int(bool(tried()))
    check_weights(todo)
    store.require_writable()
    place = replace(place, listed=write_expected(store, runs))
    finish_leftovers(runs, place)
    done = sum(run.state == "done" for run in runs)
    if done:
        say(console, f"{done} of {len(runs)} runs are done already{_how_to_begin(forced)}")
    display.expect(len(todo))
    with display, terminated_as_interrupted():
        expectation = _expectation(runs, place, whole)
        result = _carried_out(executor, todo, place, display, domains, expectation, request)
    lost = result.device_lost is not None and result.left
    if lost and not request.fail_fast and not result.interrupted:
        _go_on_elsewhere(result, place, request)
    ended = {r.run_id for r in (*result.done, *result.elsewhere) if r.status == "done"}
    with contextlib.suppress(OSError):  # what is over needs nothing of what killed processes left
        finish_leftovers([replace(run, state="done") for run in todo if run.run_id in ended], place)
    if forced is not None and not result.left and not result.interrupted:
        forced.end()
    return sum_up(console, result, len(todo), request) or int(bool(tried()))


def _carried_out(
    executor: Executor,
    runs: Sequence[PlannedRun],
    place: Place,
    display: SweepDisplay,
    domains: OpenDomains,
    expectation: Expectation,
    request: RunRequest,
) -> SweepResult:
    """Carry out the runs; a sweep that breaks off tells of its failures first."""
    try:
        return executor.run(runs, place, display, domains, expectation)
    except UserError:
        failed = [record for record in display.ended if record.status == "failed"]
        if failed:
            tell_failures(standard_console(), failed, request)
        raise


def _go_on_elsewhere(result: SweepResult, place: Place, request: RunRequest) -> None:
    """Do the rest in a process that has its GPU; who has called this one without a command line does it.

    Raises:
        DeviceLost: there is no command line.
    """
    assert result.device_lost is not None
    console = standard_console()
    tell_failures(console, result.failed, request)
    if not request.words:
        raise result.device_lost
    say(console, f"{result.device_lost}: a new process goes on with the other {len(result.left)} runs")
    left = None if place.deadline is None else place.deadline.left()
    go_on(request.words, {record.run_id for record in result.failed}, str(place.device), left)


def _crowded(runs: Sequence[PlannedRun], execution: Execution, device: torch.device) -> str:
    """What to say of more threads at once than this machine has processors; nothing where there are none."""
    if execution.executor == "inline" or execution.address is not None:
        return ""
    jobs = execution.jobs or (torch.cuda.device_count() if device.type == "cuda" else 1)
    threads = max((run.config.threads or 1 for run in runs), default=1)
    if jobs * threads <= max(processors(), jobs):
        return ""
    return (
        f"note: {jobs} runs at a time with {threads} threads each on {processors()} processors hold each "
        f"other up; --set threads={max(processors() // jobs, 1)} is faster (and part of a run's identity)"
    )


def _how_to_begin(forced: Forced | None) -> str:
    if forced is None:
        return ""
    return f" by the --force that is gone on with; without {forced.path} it begins anew"


def _expectation(runs: Sequence[PlannedRun], place: Place, whole: float | None) -> Expectation:
    """What those of the runs took that are done, and how long the whole sweep may take."""
    store = place.store
    expectation = Expectation(float("inf") if whole is None else whole)
    for run in runs:
        record = store.read(run.path) if run.state == "done" and run.path is not None else None
        if isinstance(record, Record):
            expectation.add(record)
    return expectation


def _sweep(request: RunRequest) -> tuple[SweepConfig, Path | None]:
    """The sweep file with the flags over it."""
    sweep, file = read_sweep(request.config) if request.config else (SweepConfig(), None)
    if request.seeds is not None and request.seed:
        raise UserError("--seeds and --seed exclude each other", "--seeds 5 means 0 to 4; --seed 7 names one")
    given: dict[str, Any] = {
        "methods": request.methods,
        "suites": request.suites,
        "tasks": request.tasks,
        "backbones": request.backbones,
        "weights": request.weights,
        "recipes": request.recipes and [str(path) for path in request.recipes],
        "seeds": tuple(range(request.seeds)) if request.seeds is not None else request.seed,
    }
    update = {
        key: tuple(dict.fromkeys(value)) if isinstance(value, list) else value
        for key, value in given.items()
        if value
    }
    return sweep.model_copy(update=update), file


def _execution(sweep: SweepConfig, request: RunRequest) -> Execution:
    """The section of the sweep file with the flags over it."""
    return sweep.execution.over({
        "executor": request.executor, "jobs": request.jobs, "address": request.address,
        "lease": request.lease, "checkpoint_every": request.checkpoint_every,
        "trackers": request.trackers or None,
    })  # fmt: skip


def _print_plan(console: Console, runs: list[PlannedRun]) -> None:
    """One row a task and method: how many runs, what is done, what is missing on this machine."""
    settings = {
        f"{run.suite.name}: {run.config.backbone}, {run.protocol}, {run.config.steps} steps, "
        f"{run.config.precision}"
        for run in runs
    }
    changes = {
        f"protocol {run.config.protocol} is changed for {run.config.method} on {run.suite.name}: "
        f"{', '.join(run.changed)}"
        for run in runs
        if run.changed
    }
    for line in [*sorted(settings), *sorted(changes)]:
        say(console, line)
    several = len({run.config.backbone for run in runs}) > 1
    table = Table(title=f"{len(runs)} runs", title_justify="left")
    backbone = ("backbone",) if several else ()
    for column in ("suite", "task", "method", *backbone, "seeds", *STATES, "missing"):
        justify: Literal["left", "right"] = "right" if column in STATES else "left"
        table.add_column(column, justify=justify, overflow="fold")
    rows: dict[tuple[str, str, str, str], list[PlannedRun]] = {}
    for run in runs:
        key = (run.suite.name, run.task.name, run.config.method, run.config.backbone)
        rows.setdefault(key, []).append(run)
    for key, group in rows.items():
        states = Counter(run.state for run in group)
        seeds = ", ".join(str(run.config.seed) for run in group)
        counts = [str(states[state]) if states[state] else "" for state in STATES]
        names = key if several else key[:3]
        table.add_row(*names, seeds, *counts, "images" if states["blocked"] else "")
    console.print(table)


def _absent_weights(runs: list[PlannedRun]) -> list[str]:
    """Which backbones' own weights a run would have to download."""
    names = {
        run.config.backbone
        for run in runs
        if run.weights == "default" and not default_weights_here(run.config.backbone)
    }
    return [
        f"weights of {name} are not on this machine: a run downloads them; --weights FILE takes a local file"
        for name in sorted(names)
    ]


def _report_missing(blocked: list[PlannedRun]) -> None:
    """Say once what is missing, and once how to get it."""
    missing = dict.fromkeys(run.missing for run in blocked if run.missing)
    lines = dict.fromkeys(str(error) for error in missing)
    help_ = dict.fromkeys(error.hint.strip() for error in missing if error.hint)
    raise MissingDataError(
        f"images for {len(blocked)} runs are missing on this machine", "\n".join([*lines, *help_])
    )
