"""From a results folder to a static site: read, aggregate, render, write."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dabench.discovery import discover_suites
from dabench.errors import UserError
from dabench.leaderboard.frame import tidy, to_csv
from dabench.leaderboard.page import GENERATOR, Content, render
from dabench.leaderboard.published import published_tables
from dabench.leaderboard.runs import Run, load
from dabench.leaderboard.scoring import known_rules, scored, selection_by
from dabench.leaderboard.table import SuiteInfo, Table, aggregate
from dabench.records import Problem, write_atomically
from dabench.suite import SUITES

__all__ = ["SiteReport", "known_suites", "read_runs", "write_site"]


@dataclass(frozen=True)
class SiteReport:
    """What was written from what.

    Attributes:
        index: the page to open.
        tables: as on the page.
        problems: files that were skipped, paths relative to the results folder.
        done, failed: runs by status.
    """

    index: Path
    tables: tuple[Table, ...]
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
    suites: Mapping[str, SuiteInfo] | None = None,
    select: str | None = None,
    advance: Callable[[int, int], None] | None = None,
) -> SiteReport:
    """Read all records below ``results`` and write the site into ``out``; equal input gives equal bytes.

    Selection rules are applied to what the runs have stored; their scores are kept beside the records, where
    the folder can be written.

    Args:
        results: the folder with records, at any depth.
        out: the site's folder; made where missing. Pages of rows that are gone are removed.
        suites: what is known of suites; by default those that ship with dabench.
        select: the rule that the tables' numbers are taken by; by default what each run's protocol says.
        advance: called with (runs scored, runs in all).

    Raises:
        UserError: there is no such results folder or rule, or ``out`` is a file.
    """
    selection, rules = selection_by(select), known_rules()
    runs, problems = read_runs(results)
    if out.exists() and not out.is_dir():
        raise UserError(f"'{out}' is a file, so no folder for the page", "name another with --out")
    runs = scored(results, runs, rules, advance=advance)
    tables = aggregate(runs, known_suites() if suites is None else suites, selection)
    pages = render(Content(tables, runs, problems, published_tables(), rules))
    files = {**pages, "results.csv": to_csv(tidy(tables, selection)), ".nojekyll": b""}
    for name in sorted(files, key=lambda name: (name == "index.html", name)):  # the index last: it links
        write_atomically(out / name, files[name])
        (out / name).chmod(0o644)  # temporary files are private, a page is there to be served
    _remove_old_pages(out, set(files))
    done = sum(run.record.status == "done" for run in runs)
    return SiteReport(out / "index.html", tables, tuple(problems), done, len(runs) - done)


def _remove_old_pages(out: Path, kept: set[str]) -> None:
    """Remove pages of rows that are gone; files that we did not write stay."""
    for path in sorted((out / "runs").glob("*.html")):
        if path.relative_to(out).as_posix() not in kept:
            with path.open("rb") as file:
                ours = f'content="{GENERATOR}"'.encode() in file.read(600)
            if ours:
                path.unlink()
