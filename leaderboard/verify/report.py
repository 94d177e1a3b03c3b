"""Verify a results folder and say what was found: the logic of ``dabench verify``."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from rich.console import Console

from dabench.leaderboard.ledger import LEDGER_FILE, Change, append, differences, read_ledger
from dabench.leaderboard.verdicts import Ledger, Status, Verdict
from dabench.leaderboard.verify.check import verify_runs
from dabench.leaderboard.verify.reading import read_folder
from dabench.leaderboard.verify.words import plain
from dabench.records import Problem

__all__ = ["FORMATS", "Report", "as_json", "print_report", "verify_folder"]

FORMATS = ("table", "json")
SOUND: frozenset[Status] = frozenset({"self-reported", "recomputed", "rerun agrees"})
LISTED = 10  # notes, and changes since the ledger, that a terminal shows
MOST_TOLD = 50  # files that cannot be read


@dataclass(frozen=True)
class Report:
    """What verifying a folder found.

    Attributes:
        verdicts: by file of the run.
        broken: files that look like records and are none.
        foreign: JSON files that are no records and do not say so.
        ledger: as it is now; None where there is none.
        added: lines that were added to it now.
        pending: what happened since its last line; empty after lines were added.
        skipped: files among the reruns that are no records.
    """

    verdicts: Mapping[str, Verdict]
    broken: Sequence[Problem] = ()
    foreign: Sequence[Problem] = ()
    ledger: Ledger | None = None
    added: int = 0
    pending: Sequence[Change] = ()
    skipped: Sequence[Problem] = ()

    @property
    def fine(self) -> bool:
        """Nothing is wrong."""
        sound = all(verdict.status in SOUND for verdict in self.verdicts.values())
        return sound and not self.broken and not (self.ledger and self.ledger.broken)

    @property
    def counts(self) -> dict[str, int]:
        """Number of runs by status, those that occur."""
        counts = Counter(verdict.status for verdict in self.verdicts.values())
        return {status: counts[status] for status in get_args(Status) if counts[status]}


def verify_folder(
    results: Path,
    reruns: Path | None = None,
    ledger: Path | None = None,
    reason: str = "",
    jobs: int = 0,
    advance: Callable[[int, int], None] | None = None,
) -> Report:
    """Check every record of a folder, and its ledger.

    Args:
        results: the folder.
        reruns: a folder with runs of the same configurations, made elsewhere.
        ledger: to append what happened to; by default the folder's own is read, if there is one, and
            nothing is written.
        reason: of removals and rescorings.
        jobs: processes; 0 for one a processor.
        advance: called with (runs checked, runs in all).

    Raises:
        UserError: there is no such folder; the ledger to append to is broken, cannot be written, or lacks a
            reason.
    """
    folder, skipped = read_folder(results), list[Problem]()
    if ledger is not None:  # before hours of checking
        changes = differences(ledger, results, folder.runs)
        written = append(ledger, changes, reason)
        verdicts = verify_runs(results, folder.runs, reruns, jobs, advance, skipped)
        return Report(verdicts, folder.broken, folder.foreign, written, len(changes), skipped=skipped)
    verdicts = verify_runs(results, folder.runs, reruns, jobs, advance, skipped)
    own = results / LEDGER_FILE
    if not own.exists() and not own.is_symlink():
        return Report(verdicts, folder.broken, folder.foreign, skipped=skipped)
    found = read_ledger(own)
    pending = () if found.broken else differences(own, results, folder.runs)
    return Report(verdicts, folder.broken, folder.foreign, found, 0, pending, skipped)


def as_json(report: Report) -> str:
    """One object with everything that was found."""
    content: dict[str, Any] = {
        "fine": report.fine,
        "counts": report.counts,
        "verdicts": {
            plain(file): {"status": verdict.status, "reasons": list(verdict.reasons)}
            for file, verdict in report.verdicts.items()
        },
        "broken": _problems(report.broken),
        "foreign": _problems(report.foreign),
        "skipped": _problems(report.skipped),
        "ledger": None,
    }
    if report.ledger is not None:
        content["ledger"] = {
            "lines": len(report.ledger.entries),
            "added": report.added,
            "head": report.ledger.head,
            "broken": report.ledger.broken,
            "pending": [str(change) for change in report.pending],
        }
    return json.dumps(content, indent=1) + "\n"


def _problems(problems: Sequence[Problem]) -> list[dict[str, str]]:
    return [{"file": plain(problem.path.as_posix()), "reason": problem.reason} for problem in problems]


def print_report(console: Console, report: Report) -> None:
    """Print to a terminal: what is wrong in full, notes in short, then the counts."""

    def say(text: str, style: str = "") -> None:
        console.print(text, style=style, soft_wrap=True, markup=False, highlight=False)

    for problem in report.broken[:MOST_TOLD]:
        say(f"no record: {plain(problem.path.as_posix())}", "bold red")
        say(f"  {problem.reason}")
    if len(report.broken) > MOST_TOLD:
        say(f"and {len(report.broken) - MOST_TOLD} more; --format json names them all", "bold red")
    for problem in report.skipped[:MOST_TOLD]:
        say(f"skipped among the reruns: {plain(problem.path.as_posix())}: {problem.reason}")
    if len(report.skipped) > MOST_TOLD:
        say(f"and {len(report.skipped) - MOST_TOLD} more; --format json names them all")
    for file, verdict in report.verdicts.items():
        if verdict.status not in SOUND:
            say(f"{verdict.status}: {plain(file)}", "bold red")
            for reason in verdict.reasons:
                say(f"  {reason}")
    noted = [
        f"{plain(file)}: {reason}"
        for file, verdict in report.verdicts.items()
        if verdict.status in SOUND
        for reason in verdict.reasons
    ]
    _list(say, "Notes", noted)
    _list(say, "JSON files that are no records, passed by", [plain(str(one.path)) for one in report.foreign])
    _print_ledger(say, report)
    runs = len(report.verdicts)
    counts = ", ".join(f"{count} {status}" for status, count in report.counts.items())
    say(f"{runs} run{'s' if runs > 1 else ''}: {counts}" if runs else "There are no records here.")
    if not report.fine:
        say("Something is wrong.", "bold red")


def _list(say: Callable[[str], None], title: str, lines: Sequence[str]) -> None:
    if lines:
        more = f", {LISTED} of {len(lines)} (all with --format json)" if len(lines) > LISTED else ""
        say(f"{title}{more}:")
        for line in lines[:LISTED]:
            say(f"  {line}")


def _print_ledger(say: Callable[..., None], report: Report) -> None:
    ledger = report.ledger
    if ledger is None:
        return
    if ledger.broken:
        say(f"The ledger is broken: {ledger.broken}", "bold red")
        return
    _list(say, "Not in the ledger yet (--ledger FILE adds it)", [str(change) for change in report.pending])
    added = f", {report.added} of them new" if report.added else ""
    say(f"Ledger: {len(ledger.entries)} lines{added}; SHA-256 of the last: {ledger.head}")
