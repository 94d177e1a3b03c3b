"""From a results folder to a static site: read, aggregate, render, write."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dabench.discovery import discover_suites
from dabench.errors import UserError
from dabench.leaderboard.boards import Reading, Site, Way, boards
from dabench.leaderboard.frame import tidy, to_csv
from dabench.leaderboard.pages.about import about_pages
from dabench.leaderboard.pages.methods import MethodRows, method_pages
from dabench.leaderboard.pages.renderer import GENERATOR, Page, Renderer
from dabench.leaderboard.pages.rows import row_pages
from dabench.leaderboard.pages.runs import run_pages
from dabench.leaderboard.pages.tables import board_pages, empty_index
from dabench.leaderboard.pages.tasks import task_pages
from dabench.leaderboard.published import published_tables
from dabench.leaderboard.runs import Run, load
from dabench.leaderboard.scoring import known_rules, scored, selection_by
from dabench.leaderboard.settings import Settings
from dabench.leaderboard.table import SuiteInfo, Table
from dabench.records import Problem
from dabench.suite import SUITES

__all__ = ["Order", "SiteReport", "known_suites", "read_runs", "write_site"]

PAGE_FOLDERS = ("tables", "tasks", "methods", "rows", "runs")


@dataclass(frozen=True)
class Order:
    """What the site shall be made by.

    Attributes:
        select: the rule that the tables' numbers are taken by; None for what each run's protocol says.
        settings: intervals and comparisons.
        suites: what is known of suites; None for those that ship with dabench.
    """

    select: str | None = None
    settings: Settings = field(default_factory=Settings)
    suites: Mapping[str, SuiteInfo] | None = None


@dataclass(frozen=True)
class SiteReport:
    """What was written from what.

    Attributes:
        index: the page to open.
        readings: every board in its default way, as on the pages.
        problems: files that were skipped, paths relative to the results folder.
        done, failed: runs by status.
    """

    index: Path
    readings: tuple[Reading, ...]
    problems: tuple[Problem, ...]
    done: int
    failed: int

    @property
    def tables(self) -> tuple[Table, ...]:
        """The readings' tables."""
        return tuple(reading.table for reading in self.readings)


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


def read_runs(results: Path) -> tuple[list[Run], list[Problem]]:
    """All runs below a results folder, and the files that are none.

    Raises:
        UserError: there is no such folder.
    """
    if not results.is_dir():
        raise UserError(
            f"no results folder at '{results}'",
            "name it with --results, or make runs first: dabench demo, or dabench run --help",
        )
    return load(results)


def write_site(
    results: Path,
    out: Path,
    order: Order | None = None,
    advance: Callable[[int, int], None] | None = None,
) -> SiteReport:
    """Read all records below ``results`` and write the site into ``out``; equal input gives equal bytes.

    Selection rules are applied to what the runs have stored; their scores are kept beside the records, where
    the folder can be written.

    Args:
        results: the folder with records, at any depth.
        out: the site's folder; made where missing. Pages of ours that are no longer made are removed.
        order: rule, settings and suites.
        advance: called with (runs scored, runs in all).

    Raises:
        UserError: there is no such results folder or rule, or ``out`` is a file.
    """
    order = order or Order()
    if out.exists() and not out.is_dir():
        raise UserError(f"'{out}' is a file, so no folder for the page", "name another with --out")
    selection, rules = selection_by(order.select), known_rules()
    runs, problems = read_runs(results)
    runs = scored(results, runs, rules, advance=advance)
    site = Site(
        boards(runs, rules, order.select), known_suites() if order.suites is None else order.suites,
        order.settings, problems, published_tables(), rules, select=order.select, peeking=selection.peeking,
    )  # fmt: skip
    readings = tuple(site.read(board, Way()) for board in site.boards)
    written = set()
    for path, content in _files(site, readings):
        _write(out / path, content)
        written.add(path)
    tables = [reading.table for reading in readings]
    _write(out / "results.csv", to_csv(tidy(tables, selection)))
    _write(out / ".nojekyll", b"")
    _remove_old_pages(out, written)
    done = sum(run.record.status == "done" for run in runs)
    return SiteReport(out / "index.html", readings, tuple(problems), done, len(runs) - done)


def _files(site: Site, readings: tuple[Reading, ...]) -> Iterator[Page]:
    renderer = Renderer(site)
    methods: MethodRows = {}
    for reading in readings:
        yield from run_pages(renderer, reading)
        yield from row_pages(renderer, reading)
        yield from task_pages(renderer, reading)
        for row in reading.table.rows:
            methods.setdefault(row.method, []).append((reading, row))
    yield from method_pages(renderer, methods)
    yield from about_pages(renderer)
    for reading in reversed(readings):  # the index last: it links to all others
        yield from reversed(list(board_pages(renderer, reading.board, reading)))
    if not readings:
        yield empty_index(renderer)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)  # a reader sees the old page or the new one


def _remove_old_pages(out: Path, kept: set[str]) -> None:
    """Remove pages of rows that are gone; files that we did not write stay."""
    for path in sorted(path for folder in PAGE_FOLDERS for path in (out / folder).glob("*.html")):
        if path.relative_to(out).as_posix() not in kept:
            with path.open("rb") as file:
                ours = f'content="{GENERATOR}"'.encode() in file.read(600)
            if ours:
                path.unlink()
