"""``dabench data``: what of each suite is on this machine, whether it is sound, how to get the rest."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dabench.errors import UserError
from dabench.terminal import standard_console, visible

if TYPE_CHECKING:
    from rich.progress import TaskID

    from dabench.cache import CacheEntry
    from dabench.datasets.download import Report
    from dabench.suite import Suite

__all__ = ["add_to"]

DataOption = Annotated[
    Path, typer.Option("--data", envvar="DABENCH_DATA", help="Data folder; it holds one folder a suite.")
]
SuiteArgument = Annotated[str, typer.Argument(help="Name of a suite, or the YAML file of one.")]


def add_to(app: typer.Typer) -> None:
    """Add the command ``data`` with its sub-commands."""
    data = typer.Typer(
        no_args_is_help=True, help="Say what data are here, check them, fetch them, clear the cache."
    )
    data.command()(status)
    data.command()(check)
    data.command()(fetch)
    data.command()(drop)
    app.add_typer(data, name="data")


def status(
    suite: Annotated[str | None, typer.Argument(help="A suite or its YAML file; all without one.")] = None,
    data: DataOption = Path("data"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say which domains are on this machine, where, what the cache holds, and how to get what is missing."""
    from dabench.cache import cache_entries, cache_folder
    from dabench.datasets.cached import cache_text, entry_row

    entries = cache_entries()
    rows = [row for item in _suites(suite) for row in _status_rows(item, data, entries)]
    if not as_json:
        _print_status(rows)
        standard_console().print(
            f"cache: {cache_text(entries)}", highlight=False, markup=False, soft_wrap=True
        )
        return
    for row in rows:
        row["cached"] = [entry_row(entry) for entry in row["cached"]]
    cache = {
        "folder": str(cache_folder()),
        "bytes": sum(entry.size_bytes for entry in entries),
        "entries": [*map(entry_row, entries)],
    }
    typer.echo(json.dumps({"domains": rows, "cache": cache}, indent=1))


def check(
    suite: SuiteArgument,
    data: DataOption = Path("data"),
    record: Annotated[
        bool, typer.Option("--record", help="Write checksums beside the data, for later checks.")
    ] = False,
) -> None:
    """Verify counts, class names, that every image decodes, and checksums once recorded.

    Exit code 0: all is well. 1: problems, each printed. 2: the check could not be made.
    """
    from dabench.datasets.verification import Verifiable, verify

    item = _suite(suite)
    loader = item.loader(data)
    states = loader.status()
    if not any(state.present for state in states):
        raise UserError(f"{item.name}: nothing to check: {states[0].found}", _how_to_get(item, data))
    if isinstance(loader, Verifiable):
        with _progress() as report:
            problems = verify(loader, lambda done, total: report("checking files", done, total), record)
    elif record:
        raise UserError(f"{item.name} consists of no files; there are no checksums to record")
    else:
        problems = loader.check()
    for text in problems:
        typer.echo(visible(text))
    if problems:
        typer.echo(f"{item.name}: {len(problems)} problem(s)")
        raise typer.Exit(1)
    typer.echo(f"{item.name}: all is well" + (", checksums recorded" if record else ""))


def fetch(
    suite: SuiteArgument,
    data: DataOption = Path("data"),
    archive: Annotated[
        Path | None, typer.Option("--archive", help="Unpack this archive, downloaded by hand.")
    ] = None,
) -> None:
    """Download what is missing, check it, and move it in whole; or say what to download by hand."""
    from dabench.datasets.fetch import fetch as fetch_suite
    from dabench.datasets.fetch import install

    item = _suite(suite)
    with _progress(in_bytes=True) as report:
        if archive is not None:
            messages = [install(item, data, archive, report)]
        else:
            messages = fetch_suite(item, data, report)
    for text in messages:
        typer.echo(text)


def drop(
    suite: Annotated[str | None, typer.Argument(help="A suite or its YAML file.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Everything, also what no suite is known of.")
    ] = False,
) -> None:
    """Remove decoded images and features from the cache; they are made again when a run needs them."""
    from dabench.datasets.cached import drop as drop_cached
    from dabench.datasets.cached import entry_text, size_text
    from dabench.discovery import discover_suites
    from dabench.suite import SUITES

    if (suite is None) != everything:
        raise UserError("name a suite, or give --all for everything", "dabench data status lists the suites")
    discover_suites()
    known = set(SUITES)
    if suite is not None and _is_file(suite):
        suite = _suite(suite).name
        known.add(suite)
    dropped = drop_cached(suite, known)
    for entry in dropped:
        about = f"{entry.label}: {entry_text(entry)}" if entry.label else f"{entry_text(entry)}: {entry.path}"
        typer.echo(f"{about}, {size_text(entry.size_bytes)}")
    freed = size_text(sum(entry.size_bytes for entry in dropped))
    typer.echo(f"{len(dropped)} removed, {freed} freed" if dropped else "the cache holds nothing of it")


def _is_file(suite: str) -> bool:
    return Path(suite).suffix in (".yaml", ".yml")


def _suite(name: str) -> "Suite":
    from dabench.discovery import discover_suites, read_manifest
    from dabench.suite import SUITES, Suite

    discover_suites()
    if _is_file(name):
        path = Path(name)
        return Suite(read_manifest(path), path.resolve().parent, str(path))
    return SUITES.get(name)


def _suites(name: str | None) -> list["Suite"]:
    from dabench.discovery import discover_suites
    from dabench.suite import SUITES

    discover_suites()
    return [_suite(name)] if name is not None else [SUITES.get(key) for key in SUITES]


def _status_rows(suite: "Suite", data: Path, entries: list["CacheEntry"]) -> list[dict[str, Any]]:
    from dabench.datasets.cached import entries_of

    rows: list[dict[str, Any]] = []
    for state in suite.loader(data).status():
        row: dict[str, Any] = {"suite": suite.name, "domain": state.domain, "present": state.present}
        row |= {"found": state.found, "images": state.images}
        row["cached"] = entries_of(entries, suite.name, state.domain)
        rows.append(row | {"how_to_get": "" if state.present else _how_to_get(suite, data)})
    return rows


def _how_to_get(suite: "Suite", data: Path) -> str:
    from dabench.datasets.places import by_hand

    if any(not address.manual for address in suite.manifest.sources):
        return f"dabench data fetch {suite.file if suite.base else suite.name} --data {data}"
    return by_hand(suite.manifest, data)


def _print_status(rows: list[dict[str, Any]]) -> None:
    """Print the table. Its column on the cache is left out where the cache holds none of the domains."""
    from rich.markup import escape
    from rich.table import Column, Table

    from dabench.datasets.cached import entry_text, size_text

    any_cached = any(row["cached"] for row in rows)
    table = Table("suite", "domain", "here", Column("images", justify="right"))
    if any_cached:
        table.add_column("in the cache")
    table.add_column("where, or what is missing", overflow="fold")
    hints: dict[str, str] = {}
    last = None
    for row in rows:
        name = str(row["suite"])
        images = "" if row["images"] is None else f"{row['images']:,}"
        here = "[green]yes[/]" if row["present"] else "[yellow]no[/]"
        shown = "" if name == last else escape(name)
        lines = [f"{entry_text(entry)}, {size_text(entry.size_bytes)}" for entry in row["cached"]]
        cached = [escape("\n".join(lines))] if any_cached else []
        table.add_row(shown, escape(str(row["domain"])), here, images, *cached, escape(str(row["found"])))
        if row["how_to_get"]:
            hints[name] = str(row["how_to_get"])
        last = name
    console = standard_console()
    console.print(table)
    for name, hint in hints.items():
        console.print(f"[bold]{escape(name)}[/]: {escape(hint)}", highlight=False, soft_wrap=True)


@contextmanager
def _progress(in_bytes: bool = False) -> Iterator["Report"]:
    """A progress bar on the terminal's error stream; nothing is shown where that is no terminal.

    Args:
        in_bytes: what is counted is bytes; files without it.
    """
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    count = progress.DownloadColumn() if in_bytes else progress.MofNCompleteColumn()
    text = progress.TextColumn("{task.description}")
    columns = (text, progress.BarColumn(), count, progress.TimeRemainingColumn())
    with progress.Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what)
            bar.update(tasks[what], completed=done, total=total)

        yield report
