"""What ``dabench run`` was asked for, and what it says at the end."""

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dabench.failures import first_line
from dabench.records import Record
from dabench.sweep import SweepResult

__all__ = ["RunRequest", "say", "sum_up", "tell_failures"]

INTERRUPTED = 130
MOST_TOLD = 20  # failed runs that are told one by one


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
    protocol: str | None = None
    recipes: list[Path] | None = None
    frozen_backbone: bool = False
    dry_run: bool = False
    force: bool = False
    fail_fast: bool = False
    executor: str | None = None
    jobs: int | None = None
    address: str | None = None
    lease: float | None = None
    checkpoint_every: float | None = None
    max_time: str | None = None
    order: Path | None = None
    trackers: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


def say(console: Console, text: str) -> None:
    """Print a line as it is: the terminal wraps it, and commands and paths can be copied."""
    console.print(text, soft_wrap=True, markup=False, highlight=False)


def sum_up(console: Console, result: SweepResult, planned: int, request: RunRequest) -> int:
    """Say what a sweep did and how to go on; return its exit code.

    Args:
        console: to print to.
        result: of the sweep.
        planned: runs that were to do.
        request: the flags.
    """
    results = request.results
    failed = [*result.failed, *(record for record in result.elsewhere if record.status == "failed")]
    finished = len(result.done) + len(result.failed) + len(result.elsewhere)
    if result.interrupted:
        say(
            console,
            f"{finished} of {planned} runs have their record in {results}; "
            "run the same command again to go on with the rest, the last one from its last checkpoint",
        )
        return INTERRUPTED
    others = f", {len(result.elsewhere)} by other processes" if result.elsewhere else ""
    say(console, f"{len(result.done)} runs done, {len(result.failed)} failed{others}; records in {results}")
    if failed:
        tell_failures(console, failed, request)
    if result.left:
        reason = "--fail-fast" if request.fail_fast and result.has_failures else "the time is up"
        command = shlex.join(["dabench", *request.words])
        say(console, f"{reason}: {len(result.left)} of {planned} runs are left; go on with: {command}")
    elif not failed:
        say(console, "next: dabench leaderboard" + _option("--results", results, "results"))
    return 1 if failed else 0


def tell_failures(console: Console, failed: Sequence[Record], request: RunRequest) -> None:
    """A table of what went wrong how often, and the runs one by one with the command that repeats each."""
    kinds = Counter(
        (record.failure.kind if record.failure else "", record.method, record.suite) for record in failed
    )
    if len(failed) > 1:
        table = Table(title=f"{len(failed)} failed runs", title_justify="left")
        for column in ("what", "method", "suite", "runs"):
            table.add_column(column, justify="right" if column == "runs" else "left", overflow="fold")
        for (kind, method, suite), count in kinds.most_common():
            table.add_row(kind, method, suite, str(count))
        console.print(table)
    for record in failed[:MOST_TOLD]:
        message = first_line(record.failure)
        say(console, f"failed: {record.method} {record.suite} {record.task} seed {record.seed}: {message}")
        force = " --force" if request.force else ""
        say(console, f"  repeat: {record.command}{_folders(request)}{force}")
    if len(failed) > MOST_TOLD:
        more = _option("--results", request.results, "results")
        say(console, f"and {len(failed) - MOST_TOLD} more; dabench status{more} names them all")


def _folders(request: RunRequest) -> str:
    """Where a command is to read and write; records leave it out, for they travel."""
    return _option("--data", request.data, "data") + _option("--results", request.results, "results")


def _option(flag: str, folder: Path, usual: str) -> str:
    return "" if str(folder) == usual else f" {flag} {shlex.quote(str(folder))}"
