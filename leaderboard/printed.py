"""A table as it is printed, in LaTeX, in Markdown and in the terminal: the words of its heads and cells."""

from collections.abc import Iterable
from dataclasses import dataclass

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.order_facts import reason
from dabench.leaderboard.rows import Cell, Row
from dabench.leaderboard.standing_notes import place_span, row_name
from dabench.leaderboard.statistics.intervals import Interval
from dabench.leaderboard.verify.words import plain
from dabench.leaderboard.view import half_width, interval_names, metric_name, percent, step_words

__all__ = ["DASH", "PrintedRow", "caption", "place", "printed_rows"]

DASH = "–"


@dataclass(frozen=True)
class PrintedRow:
    """One row in words; accuracies in percent with their half-widths.

    Attributes:
        place: rank interval with tie letters, or a dash.
        best: among the rows that no other is significantly better than.
        incomplete: it has no average; ``average`` then says how many tasks it has.
        bound: trained on target labels.
    """

    method: str
    place: str
    average: str
    cells: tuple[str, ...]
    best: bool
    incomplete: bool
    bound: bool


def printed_rows(reading: Reading) -> tuple[PrintedRow, ...]:
    """The rows of a table in its order."""
    table = reading.table
    found = []
    for row in table.rows:
        standing = reading.standings.rows.get(row.group.key)
        fewest = row.min_seeds
        why = "" if row.average is None else reason(row, table.tasks, fewest)
        name = plain(row_name(row))
        said = "; ".join(plain(one) for one in (row.tuned, why) if one)
        average = _number(row.average) or f"{row.tasks_done}/{len(table.tasks)} tasks"
        found.append(
            PrintedRow(
                f"{name} ({said})" if said else name,
                place(row, reading),
                average,
                tuple(_cell(row.cells[task]) for task in table.tasks),
                standing is not None and standing.best_group,
                row.average is None,
                row.upper_bound,
            )
        )
    return tuple(found)


def place(row: Row, reading: Reading) -> str:
    """The places that a row may have, and the letters it shares with rows that it is not told apart from."""
    standing = reading.standings.rows.get(row.group.key)
    if row.rank is None:
        return DASH
    letters = standing.letters if standing else ""
    return f"{place_span(row, reading.standings)} {letters}".strip()


def _number(interval: Interval | None) -> str:
    return "" if interval is None else f"{percent(interval.mean)} {half_width(interval)}".strip()


def _cell(cell: Cell) -> str:
    marks = [(cell.failed, "failed"), (cell.collapsed, "collapsed")]
    words = ", ".join(f"{count} {what}" for count, what in marks if count)
    number = _number(cell.interval) or DASH
    return f"{number} ({words})" if words else number


def caption(reading: Reading, level: float) -> str:
    """What the numbers are, in sentences.

    Args:
        reading: the table.
        level: of its intervals.
    """
    table = reading.table
    counted = [row for row in table.rows if row.average is not None]
    kinds = interval_names([row.average for row in counted] + [c.interval for c in _cells(table.rows)])
    sentences = [
        f"{plain(table.info.title)}: {metric_name(table.metric)} on the target in percent, "
        f"{plain(step_words(table.rules))}, backbone {plain(table.backbone)}, "
        f"protocol {plain(table.protocol)}",
        f"Mean ± half-width of the {100 * level:g} % {kinds} interval over {_seeds(counted)}",
    ]
    if reading.standings.rows:
        sentences += [
            f"Bold: rows that no other is significantly better than ({reading.standings.test})",
            "Rank: interval of places, rows that share a letter are not told apart",
        ]
    if reading.way.common:
        sentences.append("Only the tasks that every row has")
    if any(row.average is None for row in table.rows):
        sentences.append("† tasks or seeds are missing: no average, no rank")
    return ". ".join(sentences) + "."


def _cells(rows: Iterable[Row]) -> list[Cell]:
    return [cell for row in rows for cell in row.cells.values()]


def _seeds(rows: Iterable[Row]) -> str:
    counts = sorted({row.average.n for row in rows if row.average is not None})
    if not counts:
        return "seeds"
    span = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{span} seed{'s' if counts[-1] > 1 else ''}"
