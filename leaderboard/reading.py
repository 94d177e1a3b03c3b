"""From a results folder to readings of its boards, without writing a page."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dabench.discovery import discover_suites
from dabench.errors import UserError
from dabench.leaderboard.boards import Reading, Site, Way, boards, common_way
from dabench.leaderboard.rows import SuiteInfo
from dabench.leaderboard.runs import Run, load
from dabench.leaderboard.scoring import known_rules, scored, selection_by
from dabench.leaderboard.settings import Settings
from dabench.records import Problem
from dabench.suite import SUITES

__all__ = ["ReadResults", "known_suites", "read_boards", "read_runs", "read_scored"]

SLIM_FROM = 2  # confusion matrices are for pages of single runs


@dataclass(frozen=True)
class ReadResults:
    """Every board of a results folder in its default way, or on its common tasks.

    Attributes:
        problems: files that were skipped, paths relative to the results folder.
        done, failed: runs by status.
    """

    readings: tuple[Reading, ...]
    problems: tuple[Problem, ...]
    done: int
    failed: int


def known_suites() -> dict[str, SuiteInfo]:
    """Title, tasks and classes of every suite that ships with dabench."""
    discover_suites()
    suites = {name: SUITES.get(name) for name in SUITES}
    return {
        name: SuiteInfo(
            suite.manifest.title, tuple(task.name for task in suite.tasks()), suite.manifest.classes
        )
        for name, suite in suites.items()
    }


def read_runs(results: Path, slim_from: int | None = None) -> tuple[list[Run], list[Problem]]:
    """All runs below a results folder, and the files that are none; ``slim_from`` as ``runs.load``.

    Raises:
        UserError: there is no such folder.
    """
    if not results.is_dir():
        raise UserError(
            f"no results folder at '{results}'",
            "name it with --results, or make runs first: dabench demo, or dabench run --help",
        )
    return load(results, slim_from)


def read_boards(
    results: Path,
    select: str | None = None,
    settings: Settings | None = None,
    suites: Mapping[str, SuiteInfo] | None = None,
    advance: Callable[[int, int], None] | None = None,
    common: bool = False,
) -> ReadResults:
    """Read and aggregate a results folder.

    Args:
        results: the folder.
        select: the rule that numbers are taken by; None for what each run's protocol says.
        settings: intervals and comparisons.
        suites: what is known of suites.
        advance: called with (runs scored, runs in all).
        common: on the tasks that every row has.

    Raises:
        UserError: there is no such folder or rule.
    """
    selection = selection_by(select)
    runs, problems = read_runs(results, SLIM_FROM)
    wanted = {selection.rule_of(run) for run in runs}  # a rule that is not installed is said of each run
    rules = {name: entry for name, entry in known_rules().items() if name in wanted}
    runs = scored(results, runs, rules, advance=advance)
    done = sum(run.record.status == "done" for run in runs)
    readings = read_scored(runs, select, settings, suites, common)
    return ReadResults(readings, tuple(problems), done, len(runs) - done)


def read_scored(
    runs: list[Run],
    select: str | None,
    settings: Settings | None,
    suites: Mapping[str, SuiteInfo] | None,
    common: bool = False,
) -> tuple[Reading, ...]:
    """Aggregate runs whose scores are known; every board in its default way, or on its common tasks."""
    peeking = selection_by(select).peeking
    split = boards(runs, (), select)
    site = Site(split, suites or {}, settings or Settings(), select=select, peeking=peeking)
    return tuple(site.read(board, common_way(board) if common else Way()) for board in site.boards)
