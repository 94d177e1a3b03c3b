"""What ``dabench run`` does: merge flags into the sweep, plan, show the plan or run it, sum up."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from dabench.display import SweepDisplay
from dabench.errors import MissingDataError, UserError
from dabench.hardware import resolve_device
from dabench.openings import OpenDomains
from dabench.plan import PlannedRun, check_weights, plan
from dabench.records import RecordStore
from dabench.resolve import parse_assignment
from dabench.sweep import SweepResult, run_sweep
from dabench.sweepfile import SweepConfig, read_sweep

__all__ = ["RunRequest", "execute"]

INTERRUPTED = 130
STATES: tuple[Literal["done", "to do", "failed"], ...] = ("done", "to do", "failed")


@dataclass(frozen=True)
class RunRequest:
    """The flags of ``dabench run``; None where a flag is not given."""

    data: Path
    results: Path
    config: str | None = None
    methods: list[str] | None = None
    suites: list[str] | None = None
    tasks: list[str] | None = None
    backbones: list[str] | None = None
    seeds: int | None = None
    seed: list[int] | None = None
    weights: str | None = None
    device: str = "auto"
    assignments: list[str] = field(default_factory=list)
    dry_run: bool = False
    force: bool = False
    fail_fast: bool = False


def execute(request: RunRequest) -> int:
    """Plan and run; return the exit code: 0, 1 after failed runs, 2 where data is missing, 130 after Ctrl-C.

    Raises:
        UserError: anything wrong in flags or configuration, before any run.
    """
    console = Console()
    sweep, file = _sweep(request)
    device = resolve_device(request.device)
    store = RecordStore(request.results)
    display = SweepDisplay(console, 0)
    domains = OpenDomains(request.data, display.decoding)
    flags = [parse_assignment(text) for text in request.assignments]
    runs = plan(sweep, file, flags, domains, store, device, request.force)
    if request.dry_run:
        _print_plan(console, runs)
    for note in dict.fromkeys(run.note for run in runs if run.state == "done" and run.note):
        console.print(f"[yellow]note:[/] {note}", highlight=False)
    blocked = [run for run in runs if run.state == "blocked"]
    if blocked:
        _report_missing(blocked)
        return 2
    todo = [run for run in runs if run.state != "done"]
    if request.dry_run:
        check_weights(todo)
        return 0
    if not todo:
        console.print(f"all {len(runs)} runs are done in {request.results}; --force runs them again")
        return 0
    check_weights(todo)
    if len(todo) < len(runs):
        console.print(f"{len(runs) - len(todo)} of {len(runs)} runs are done already")
    display.expect(len(todo))
    with display:
        result = run_sweep(todo, domains, store, device, display, request.fail_fast)
    return _sum_up(console, result, len(todo), request.results)


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
        "seeds": tuple(range(request.seeds)) if request.seeds is not None else request.seed,
    }
    update = {
        key: tuple(dict.fromkeys(value)) if isinstance(value, list) else value
        for key, value in given.items()
        if value
    }
    return sweep.model_copy(update=update), file


def _print_plan(console: Console, runs: list[PlannedRun]) -> None:
    """One row a task and method: how many runs, what is done, what is missing on this machine."""
    settings = {
        f"{run.suite.name}: {run.config.backbone}, {run.config.steps} steps, {run.config.precision}"
        for run in runs
    }
    for line in sorted(settings):
        console.print(line, highlight=False)
    table = Table(title=f"{len(runs)} runs", title_justify="left")
    for column in ("suite", "task", "method", "seeds", "done", "to do", "failed", "missing"):
        table.add_column(column, justify="right" if column in {"done", "to do", "failed"} else "left")
    rows: dict[tuple[str, str, str, str], list[PlannedRun]] = {}
    for run in runs:
        key = (run.suite.name, run.task.name, run.config.method, run.config.backbone)
        rows.setdefault(key, []).append(run)
    for key, group in rows.items():
        states = Counter(run.state for run in group)
        seeds = ", ".join(str(run.config.seed) for run in group)
        counts = [str(states[state]) if states[state] else "" for state in STATES]
        table.add_row(*key[:3], seeds, *counts, "images" if states["blocked"] else "")
    console.print(table)


def _report_missing(blocked: list[PlannedRun]) -> None:
    """Say once what is missing, and how to get it."""
    reasons = list(dict.fromkeys(run.note for run in blocked))
    shown = "\n".join(reasons)
    raise MissingDataError(f"images for {len(blocked)} runs are missing on this machine", shown)


def _sum_up(console: Console, result: SweepResult, planned: int, results: Path) -> int:
    finished = len(result.done) + len(result.failed)
    if result.interrupted:
        console.print(
            f"interrupted: {finished} of {planned} runs have their record; "
            "run the same command again to go on with the rest"
        )
        return INTERRUPTED
    console.print(f"{len(result.done)} runs done, {len(result.failed)} failed; records in {results}")
    for record in result.failed:
        message = record.failure.message.splitlines()[0] if record.failure else ""
        console.print(f"failed: {record.method} {record.task} seed {record.seed}: {message}", markup=False)
        console.print(f"  repeat: {record.command}", markup=False, highlight=False, soft_wrap=True)
    if result.failed:
        return 1
    console.print(
        "next: dabench leaderboard" + (f" --results {results}" if str(results) != "results" else "")
    )
    return 0
