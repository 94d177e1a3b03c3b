"""From a results folder to a static site: read, aggregate, render, write."""

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

from dabench.errors import UserError
from dabench.leaderboard.addresses import FOLDERS, INDEX
from dabench.leaderboard.against import Changes, compare
from dabench.leaderboard.boards import Reading, Site, Way, boards, common_way
from dabench.leaderboard.frame import tidy, to_csv
from dabench.leaderboard.ledger import LEDGER_FILE, read_ledger
from dabench.leaderboard.older import read_older
from dabench.leaderboard.pages.about import about_pages
from dabench.leaderboard.pages.changes import changes_pages
from dabench.leaderboard.pages.methods import MethodRows, method_pages
from dabench.leaderboard.pages.published import published_pages
from dabench.leaderboard.pages.renderer import GENERATOR, Page, Renderer
from dabench.leaderboard.pages.rows import row_pages
from dabench.leaderboard.pages.runs import run_pages
from dabench.leaderboard.pages.tables import board_pages, empty_index
from dabench.leaderboard.pages.tasks import task_pages
from dabench.leaderboard.progress import Advance
from dabench.leaderboard.published import published_tables
from dabench.leaderboard.reading import known_suites, read_runs
from dabench.leaderboard.runs import Run
from dabench.leaderboard.scoring import known_rules, scored, selection_by
from dabench.leaderboard.settings import Settings
from dabench.leaderboard.table import SuiteInfo, Table
from dabench.leaderboard.verdicts import Verdict
from dabench.leaderboard.verify.check import verify_runs
from dabench.limited import open_regular
from dabench.publishing import beside
from dabench.records import Problem

__all__ = ["MANY_RUNS", "Extent", "Order", "Pages", "SiteReport", "write_site"]

Extent = Literal["auto", "all", "none"]
Pages = Literal["auto", "all", "none", "tables"]
# Beyond so many runs, pages of single runs are written, and runs recomputed, on demand only.
MANY_RUNS = 3000
# Runs whose page shows their stored features: reading and projecting them takes longer than all the rest.
WITH_FEATURES = 200


@dataclass(frozen=True)
class Order:
    """What the site shall be made by.

    Attributes:
        select: the rule that the tables' numbers are taken by; None for what each run's protocol says.
        settings: intervals and comparisons.
        suites: what is known of suites; None for those that ship with dabench.
        pages: which runs have a page of their own; ``auto``: all of them in a folder of at most
            ``MANY_RUNS`` runs, else none. ``tables`` leaves out all pages that a cell leads to, and those of
            other selection rules: a few files to show around.
        verify: which runs are recomputed from their files; ``auto`` likewise.
        reruns: a results folder with runs of the same configurations, made elsewhere.
        against: an older results folder, or ``results.csv`` of an older site, to compare with.
        common: the report's readings are on the tasks that every row has; the pages are the same.
        ledger: what happened to records; None for ``ledger.jsonl`` in the results folder, if it is there.
    """

    select: str | None = None
    settings: Settings = field(default_factory=Settings)
    suites: Mapping[str, SuiteInfo] | None = None
    pages: Pages = "auto"
    verify: Extent = "auto"
    reruns: Path | None = None
    against: Path | None = None
    ledger: Path | None = None
    common: bool = False


@dataclass(frozen=True)
class SiteReport:
    """What was written from what.

    Attributes:
        index: the page to open.
        readings: every board in its default way, as on the pages, or on its common tasks.
        problems: files that were skipped, paths relative to the results folder.
        done, failed: runs by status.
        verdicts: by a run's file; a run that was not checked is absent.
        changes: against an older state; None where none was named.
    """

    index: Path
    readings: tuple[Reading, ...]
    problems: tuple[Problem, ...]
    done: int
    failed: int
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    changes: Changes | None = None

    @property
    def tables(self) -> tuple[Table, ...]:
        """The readings' tables."""
        return tuple(reading.table for reading in self.readings)


def write_site(
    results: Path,
    out: Path,
    order: Order | None = None,
    advance: Advance | None = None,
) -> SiteReport:
    """Read all records below ``results`` and write the site into ``out``; equal input gives equal bytes.

    Selection rules are applied to what the runs have stored; their scores are kept beside the records, where
    the folder can be written.

    Args:
        results: the folder with records, at any depth.
        out: the site's folder; made where missing. Pages of ours that are no longer made are removed.
        order: rule, settings and suites.
        advance: called with what is being done, how much of it is, and of how much.

    Raises:
        UserError: there is no such results folder, older state or rule, or ``out`` is a file or has links in
            the place of folders.
    """
    order = order or Order()
    if out.exists() and not out.is_dir():
        raise UserError(f"'{out}' is a file, so no folder for the page", "name another with --out")
    _require_plain(out)
    advance = advance or _silent
    site = _site(results, order, advance)
    readings = tuple(site.read(board, Way()) for board in site.boards)
    site = replace(site, with_features=_with_features(site, readings))
    changes = None
    problems = list(site.problems)
    if order.against is not None:
        older = read_older(order.against, order.select, order.settings, site.suites, problems)
        changes = compare(older, readings, order.against.name, order.settings.ci.level)
    written: set[str] = set()
    expected = _pages(site, readings)
    with _records_left_alone():
        for path, content in _files(site, readings, changes):
            _write(out / path, content)
            written.add(path)
            advance("writing pages", len(written), expected)
    tables = [reading.table for reading in readings]
    _write(out / "results.csv", to_csv(tidy(tables, site.selection(Way()))))
    _write(out / ".nojekyll", b"")
    _remove_old_pages(out, written)
    done = sum(run.record.status == "done" for run in site.runs)
    counts = done, len(site.runs) - done
    if order.common:
        readings = tuple(site.read(board, common_way(board)) for board in site.boards)
    return SiteReport(out / INDEX, readings, tuple(problems), *counts, site.verdicts, changes)


def _site(results: Path, order: Order, advance: Advance) -> Site:
    """Read and score all runs, and recompute them as far as the order wants it."""
    selection, rules = selection_by(order.select), known_rules()
    slim = MANY_RUNS + 1 if order.pages != "all" and order.verify != "all" else None
    runs, problems = read_runs(results, slim)
    runs = scored(results, runs, rules, advance=partial(advance, "scoring runs"))
    tables_only = order.pages == "tables"
    checked, checks = _within(order.verify, runs), partial(advance, "checking runs")
    suites = known_suites() if order.suites is None else order.suites
    verdicts = verify_runs(results, checked, order.reruns, 0, checks, problems) if checked else {}
    return Site(
        boards=boards(runs, () if tables_only else rules, order.select, suites),
        suites=suites,
        settings=order.settings,
        problems=problems,
        published=published_tables(),
        rules=rules,
        verdicts=verdicts,
        ledger=read_ledger(order.ledger or results / LEDGER_FILE),
        detailed=frozenset(run.file for run in _within(order.pages, runs)),
        tables_only=tables_only,
        compared=order.against is not None,
        results=results,
        select=order.select,
        peeking=selection.peeking,
    )


def _silent(words: str, done: int, total: int) -> None:
    pass


def _pages(site: Site, readings: Sequence[Reading]) -> int:
    """About how many pages there will be."""
    tables = (reading.table for reading in readings)
    of_boards = sum(len(table.rows) + len(table.tasks) for table in tables)
    return len(site.detailed) + of_boards + sum(len(board.ways) for board in site.boards)


def _within(extent: Pages, runs: Sequence[Run]) -> Sequence[Run]:
    """The runs that an extent means."""
    return runs if extent == "all" or (extent == "auto" and len(runs) <= MANY_RUNS) else ()


def _with_features(site: Site, readings: Sequence[Reading]) -> frozenset[str]:
    """The first seed of each row and task, as far as it has a page and stored features."""
    found: list[str] = []
    for reading in readings:
        for row in reading.table.rows:
            first: dict[str, Run] = {}
            for run in row.used:  # sorted by task and seed
                first.setdefault(run.record.task, run)
            found += [run.file for run in first.values() if run.record.validation_file]
    return frozenset([file for file in found if file in site.detailed][:WITH_FEATURES])


def _files(site: Site, readings: tuple[Reading, ...], changes: Changes | None) -> Iterator[Page]:
    renderer = Renderer(site)
    methods: MethodRows = {}
    for reading in () if site.tables_only else readings:
        yield from run_pages(renderer, reading)
        yield from row_pages(renderer, reading)
        yield from task_pages(renderer, reading)
        for row in reading.table.rows:
            methods.setdefault(row.method, []).append((reading, row))
    yield from method_pages(renderer, methods)
    yield from about_pages(renderer)
    yield from published_pages(renderer)
    yield from changes_pages(renderer, changes)
    for reading in reversed(readings):  # the index last: it links to all others
        yield from reversed(list(board_pages(renderer, reading.board, reading)))
    if not readings:
        yield empty_index(renderer)


@contextmanager
def _records_left_alone() -> Iterator[None]:
    """Keep the cyclic garbage collector from walking through all records again and again."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _require_plain(out: Path) -> None:
    """Refuse a site's folder that leads out of itself: it may have been somebody else's."""
    for folder in FOLDERS:
        if (out / folder).is_symlink():
            raise UserError(f"'{out / folder}' is a link, so no folder for pages", "name another with --out")


def _write(path: Path, content: bytes) -> None:
    """Write a page so that a reader sees the old one or the new one; pages can be made again, so no fsync."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = beside(path)
    try:
        with part.open("xb") as file:
            file.write(content)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _remove_old_pages(out: Path, kept: set[str]) -> None:
    """Remove pages of rows that are gone; files that we did not write stay."""
    folders = (out, *(out / folder for folder in FOLDERS))
    for path in sorted(path for folder in folders for path in folder.glob("*.html")):
        if path.relative_to(out).as_posix() not in kept:
            try:
                with open_regular(path, links=False) as file:
                    ours = f'content="{GENERATOR}"'.encode() in file.read(600)
            except OSError:  # a link, a pipe, or gone by now
                continue
            if ours:
                path.unlink(missing_ok=True)
