"""``dabench check-method``: run every check on a method and say what was found, a line each."""

import contextlib
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from dabench.checks.findings import verdicts
from dabench.checks.loading import given_file
from dabench.checks.processes import WORDS, Crashed, check_in_processes
from dabench.checks.verdict import Verdict
from dabench.errors import UserError
from dabench.terminal import error_console, standard_console

__all__ = ["execute"]

MARKS = {"passed": ("pass", "green"), "failed": ("FAIL", "bold red"), "skipped": ("skip", "yellow")}
CAUTION = "a method that passes all checks may still leak: docs/leaks.md says what they cannot see"


def execute(method: str, verbose: bool) -> int:
    """Check a method; return the exit code: 0, or 1 where a check failed.

    Args:
        method: a file, or the name of a registered method.
        verbose: whether to say what each check does.

    Raises:
        UserError: there is no such file or method, or the file registers none.
    """
    file = given_file(method)
    console = standard_console()
    started = time.perf_counter()
    with _ending_on_request(), error_console().status(f"checking {method} in processes of its own") as status:
        counted = iter(range(1, len(WORDS) + 1))

        def finished(what: str, seconds: float) -> None:
            line = Text(f"{next(counted)} of {len(WORDS)} processes: {what}, {seconds:.0f} s", style="dim")
            _say(status.console, line)

        reports = check_in_processes([str(file or method)], finished)
    for report in reports.values():
        if not isinstance(report, Crashed) and report.error:
            raise UserError(_relative(report.error), report.hint)
    found = verdicts(reports)
    if not found:
        crashed = next(report for report in reports.values() if isinstance(report, Crashed))
        _say(console, Text.assemble(("FAIL", "bold red"), f"  {crashed}"))
        return 1
    for name in dict.fromkeys(verdict.method for verdict in found):
        _show(console, name, [verdict for verdict in found if verdict.method == name], verbose)
    return _sum_up(console, found, time.perf_counter() - started)


@contextlib.contextmanager
def _ending_on_request() -> Iterator[None]:
    """A request to end (SIGTERM) ends the command as an error does: nothing of it is left."""

    def leave(number: int, frame: Any) -> None:
        sys.exit(128 + number)

    earlier = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier)


def _show(console: Console, name: str, found: Sequence[Verdict], verbose: bool) -> None:
    _say(console, Text(name, style="bold"))
    for verdict in found:
        mark, style = MARKS[verdict.state]
        note = f": {verdict.message}" if verdict.message and verdict.state != "failed" else ""
        _say(console, Text.assemble("  ", (mark, style), f"  {verdict.title}{note}"))
        if verdict.state == "failed":
            _say(console, Text(f"        {verdict.message}"))
            _say(console, Text(f"        to do: {verdict.advice}"))
        if verbose:
            _say(console, Text(f"        {verdict.about}", style="dim"))


def _sum_up(console: Console, found: Sequence[Verdict], seconds: float) -> int:
    failed = [verdict for verdict in found if verdict.state == "failed"]
    skipped = sum(verdict.state == "skipped" for verdict in found)
    counts = f"{len(found) - len(failed) - skipped} checks passed, {len(failed)} failed, {skipped} skipped"
    _say(console, Text(f"{counts} in {seconds:.0f} s"))
    leaks = [verdict for verdict in failed if verdict.leak]
    if leaks:
        names = ", ".join(dict.fromkeys(verdict.method for verdict in leaks))
        _say(console, Text(f"{names}: do not trust results until the leak checks pass", style="bold red"))
    elif not failed:
        _say(console, Text(CAUTION))
    return 1 if failed else 0


def _relative(text: str) -> str:
    """Paths as the user gave them."""
    return text.replace(f"{Path.cwd()}/", "")


def _say(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True, highlight=False)
