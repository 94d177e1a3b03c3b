"""``dabench leaderboard``: from records to a page that opens from the disk."""

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from dabench.leaderboard.site import SiteReport
    from dabench.leaderboard.table import Row, Table

__all__ = ["add_to", "build", "show"]


def build(results: Path, out: Path) -> "SiteReport":
    """Write the site; see ``dabench.leaderboard.site.write_site``."""
    from dabench.leaderboard.site import write_site  # pandas and Jinja2 only when they are needed

    return write_site(results, out)


def add_to(app: typer.Typer) -> None:
    """Add the command to the command line."""

    @app.command()
    def leaderboard(
        results: Annotated[
            Path, typer.Option(envvar="DABENCH_RESULTS", help="Folder with the records of runs.")
        ] = Path("results"),
        out: Annotated[Path, typer.Option(help="Folder to write the page into.")] = Path("site"),
        open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    ) -> None:
        """Write the leaderboard of all runs in a results folder as a static page."""
        report = build(results, out)
        show(report)
        if open_page:
            webbrowser.open(report.index.resolve().as_uri())


def show(report: "SiteReport") -> None:
    """Print the averages to the terminal, skipped files to stderr, and where the page is."""
    from rich.console import Console

    errors = Console(stderr=True, soft_wrap=True, markup=False, highlight=False)
    for problem in report.problems:
        errors.print(f"skipped {problem.path}: {problem.reason}")
    console = Console(highlight=False)
    for table in report.tables:
        console.print(_rich(table))
    if not report.done + report.failed:
        console.print("There are no runs here yet. Make some: dabench demo, or dabench run --help")
    elif report.failed:
        console.print(f"{report.failed} of {report.done + report.failed} runs failed; the page says why")
    console.print(f"Leaderboard: {report.index}", soft_wrap=True, markup=False)


def _rich(table: "Table") -> "RichTable":
    from rich import box
    from rich.markup import escape
    from rich.table import Table as RichTable

    from dabench.leaderboard.table import REFERENCE
    from dabench.leaderboard.view import metric_name

    title = f"{table.suite} · {table.backbone} · {table.protocol} · {metric_name(table.metric)}, percent"
    shown = RichTable(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD)
    shown.add_column("#", justify="right")
    shown.add_column("method")
    shown.add_column("tasks", justify="right")
    shown.add_column("average", justify="right")
    shown.add_column(f"over {REFERENCE}", justify="right")
    for row in table.rows:
        name = row.method + (" (upper bound)" if row.upper_bound else "")
        label = f"{name}\n  {row.group.label}" if row.group.label else name
        tasks = f"{row.tasks_done}/{len(table.tasks)}"
        shown.add_row(str(row.rank or "–"), escape(label), tasks, *_numbers(row))
    return shown


def _numbers(row: "Row") -> tuple[str, str]:
    from dabench.leaderboard.view import half_width, percent, points

    if row.average is None:
        average = "–"
    else:
        average = f"{percent(row.average.mean)} {half_width(row.average)} n={row.average.n}"
    if row.gain is None:
        return average, "–"
    return average, f"{points(row.gain.interval.mean)} {half_width(row.gain.interval)}"
