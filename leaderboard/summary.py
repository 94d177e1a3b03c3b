"""What ``dabench leaderboard`` prints: averages, ranks and their worth, changes, where the page is."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import get_args

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from dabench.leaderboard import change_words as words
from dabench.leaderboard.against import BoardChange, Changes
from dabench.leaderboard.boards import Reading
from dabench.leaderboard.printed import DASH, place
from dabench.leaderboard.rows import Row
from dabench.leaderboard.site import SiteReport
from dabench.leaderboard.verdicts import Status, Verdict
from dabench.leaderboard.verify.words import plain
from dabench.leaderboard.view import (
    MINUS,
    half_width,
    interval_names,
    metric_name,
    percent,
    points,
    share_range,
    step_words,
)
from dabench.records import Problem
from dabench.terminal import standard_console, visible

__all__ = ["NO_RUNS", "say", "show", "show_changes", "skipped"]

NO_RUNS = "There are no runs here yet. Make some: dabench demo, or dabench run --help"
NAMED_WRONG = 5


def say(console: Console, text: str) -> None:
    """Print a line, whoever wrote it: the terminal wraps it, and commands and paths can be copied."""
    console.print(visible(text), soft_wrap=True, markup=False, highlight=False)


def skipped(problems: Iterable[Problem]) -> None:
    """Name the files that could not be read, on stderr."""
    errors = Console(stderr=True)
    for problem in problems:
        say(errors, f"skipped {plain(str(problem.path))}: {plain(problem.reason)}")


def show(report: SiteReport) -> None:
    """Print the tables to the terminal, skipped files to stderr, and where the page is."""
    skipped(report.problems)
    console = standard_console()
    for reading in report.readings:
        console.print(_rich(reading), highlight=False)
        _show_notes(console, reading)
    if not report.done + report.failed:
        say(console, NO_RUNS)
    elif report.failed:
        say(console, f"{report.failed} of {report.done + report.failed} runs failed; the page says why")
    _show_verdicts(console, report.verdicts)
    if report.changes is not None:
        show_changes(console, report.changes)
    say(console, f"Leaderboard: {report.index}")


def _show_notes(console: Console, reading: Reading) -> None:
    table, order = reading.table, reading.standings
    if reading.way.common:
        say(console, f"  Not the whole suite, only what every row has run: {plain(', '.join(table.tasks))}")
    if any(row.average for row in table.rows):
        kinds = interval_names([row.average for row in table.rows])
        say(console, f"  ± of an average is the half-width of its {kinds} interval over seeds")
        if any(row.gain for row in table.rows):
            say(console, f"  ± of a gain, not corrected: {table.test.words}")
    if order.rows:
        say(console, "  Ranks are intervals of places; rows that share a letter are not told apart:")
        say(console, f"  {order.test}")
    for note in (*table.notes, *order.notes):
        say(console, f"  {plain(note)}")
    for one in table.absent:
        note = f"\n    ({one.note})" if one.note else ""
        say(console, f"  {one.method} was not run: {plain(one.command)}{note}")


def _show_verdicts(console: Console, verdicts: Mapping[str, Verdict]) -> None:
    """How many runs have which badge, and the first that contradict their files."""
    counts = Counter(verdict.status for verdict in verdicts.values())
    if counts:
        found = [f"{counts[status]} {status}" for status in get_args(Status) if counts[status]]
        say(console, f"Runs checked against their files: {', '.join(found)} (dabench verify says more)")
    wrong = [(file, verdict) for file, verdict in verdicts.items() if verdict.status == "wrong"]
    for file, verdict in wrong[:NAMED_WRONG]:
        say(console, f"  wrong: {plain(file)}: {verdict.reasons[0] if verdict.reasons else ''}")


def _rich(reading: Reading) -> RichTable:
    table = reading.table
    title = (
        f"{table.suite} · {table.backbone} · {table.protocol} · {metric_name(table.metric)}, percent, "
        f"{step_words(table.rules)}"
    )
    reference = reading.settings.compare.reference
    shown = RichTable(title=escape(plain(title)), title_justify="left", box=box.SIMPLE_HEAD)
    shown.add_column("rank", no_wrap=True)
    shown.add_column("method", overflow="fold")
    shown.add_column("tasks", justify="right", no_wrap=True)
    shown.add_column("average", justify="right")
    shown.add_column(escape(f"over {plain(reference)}"), justify="right")
    shown.add_column("gap closed", justify="right")
    runs = any(row.failed or row.collapsed for row in table.rows)
    if runs:
        shown.add_column("failed, collapsed", justify="right")
    for row in table.rows:
        cells = [place(row, reading), _label(row), f"{row.tasks_done}/{len(table.tasks)}", *_numbers(row)]
        if runs:
            cells.append(f"{row.failed}, {row.collapsed}" if row.failed or row.collapsed else "")
        shown.add_row(*map(escape, cells))
    return shown


def _label(row: Row) -> str:
    marks = [
        "upper bound" if row.upper_bound else "",
        row.chosen,
        row.tuned,
        "worse than not adapting" if row.harmful else "",
    ]
    said = ", ".join(filter(None, marks))
    name = plain(f"{row.method} ({said})" if said else row.method)
    return f"{name}\n  {plain(row.group.label)}" if row.group.label else name


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
    return f"{100 * row.share.value:.1f} %".replace("-", MINUS) + (f" ({between})" if between else "")


def show_changes(console: Console, changes: Changes) -> None:
    """Print what is new, changed or removed against an older state."""
    older = f" against {plain(changes.older)}" if changes.older else ""
    say(console, f"Changes{older}: {words.summary(changes)}")
    for board in changes.boards:
        if words.rows_that_moved(board.rows):
            console.print(_changed(board), highlight=False)


def _changed(board: BoardChange) -> RichTable:
    title = f"{board.suite} · {board.backbone} · {board.protocol}"
    shown = RichTable(title=escape(plain(title)), title_justify="left", box=box.SIMPLE_HEAD)
    for head in ("method", "change", "average", "difference", "rank", "what"):
        shown.add_column(head)
    for row in words.rows_that_moved(board.rows):
        told = words.told(row)
        name = f"{plain(row.method)}\n  {plain(row.label)}" if row.label else plain(row.method)
        tasks, rescored = (
            _counted(len(row.cells), "task", ""),
            _counted(len(row.rescored), "run", " rescored"),
        )
        facts = ", ".join(filter(None, (row.seeds, tasks, rescored, plain(row.settings))))
        averages = words.averages(row.before, row.now)
        shown.add_row(*map(escape, (name, row.kind, averages, told or DASH, words.ranks(row), facts)))
    return shown


def _counted(count: int, what: str, more: str) -> str:
    return f"{count} {what}{'s' if count > 1 else ''}{more}" if count else ""
