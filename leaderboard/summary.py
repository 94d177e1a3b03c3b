"""What ``dabench leaderboard`` prints: averages, gains, what is missing, and where the page is."""

from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from dabench.leaderboard.groups import REFERENCE
from dabench.leaderboard.rows import Row, Table
from dabench.leaderboard.site import SiteReport
from dabench.leaderboard.view import half_width, metric_name, percent, points, share_range, step_words
from dabench.records import Problem

__all__ = ["NO_RUNS", "say", "show", "skipped"]

NO_RUNS = "There are no runs here yet. Make some: dabench demo, or dabench run --help"
DASH = "–"


def say(console: Console, text: str) -> None:
    """Print a line as it is: the terminal wraps it, and commands and paths can be copied."""
    console.print(text, soft_wrap=True, markup=False, highlight=False)


def skipped(problems: Iterable[Problem]) -> None:
    """Name the files that could not be read, on stderr."""
    errors = Console(stderr=True)
    for problem in problems:
        say(errors, f"skipped {problem.path}: {problem.reason}")


def show(report: SiteReport) -> None:
    """Print the averages to the terminal, skipped files to stderr, and where the page is."""
    skipped(report.problems)
    console = Console(highlight=False)
    for table in report.tables:
        console.print(_rich(table))
        for note in table.notes:
            say(console, f"  {note}")
        for one in table.absent:
            say(console, f"  {one.method} was not run: {one.command}")
    if not report.done + report.failed:
        say(console, NO_RUNS)
    elif report.failed:
        console.print(f"{report.failed} of {report.done + report.failed} runs failed; the page says why")
    say(console, f"Leaderboard: {report.index}")


def _rich(table: Table) -> RichTable:
    title = (
        f"{table.suite} · {table.backbone} · {table.protocol} · {metric_name(table.metric)}, percent, "
        f"{step_words(table.rules)}"
    )
    shown = RichTable(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD)
    shown.add_column("#", justify="right")
    shown.add_column("method")
    shown.add_column("tasks", justify="right")
    shown.add_column("average", justify="right")
    shown.add_column(f"over {REFERENCE}", justify="right")
    shown.add_column("gap closed", justify="right")
    for row in table.rows:
        tasks = f"{row.tasks_done}/{len(table.tasks)}"
        shown.add_row(str(row.rank or DASH), escape(_label(row)), tasks, *_numbers(row))
    return shown


def _label(row: Row) -> str:
    marks = [
        "upper bound" if row.upper_bound else "",
        row.chosen,
        row.tuned,
        "worse than not adapting" if row.harmful else "",
    ]
    words = ", ".join(filter(None, marks))
    name = f"{row.method} ({words})" if words else row.method
    return f"{name}\n  {row.group.label}" if row.group.label else name


def _numbers(row: Row) -> tuple[str, str, str]:
    average = gain = DASH
    if row.average is not None:
        average = f"{percent(row.average.mean)} {half_width(row.average)} n={row.average.n}"
    if row.gain is not None:
        gain = f"{points(row.gain.interval.mean)} {half_width(row.gain.interval)}"
    return average, gain, _share(row)


def _share(row: Row) -> str:
    if row.share is None:
        return DASH
    if row.share.value is None:
        return "not resolved"
    between = share_range(row.share)
    return f"{100 * row.share.value:.1f} %" + (f" ({between})" if between else "")
