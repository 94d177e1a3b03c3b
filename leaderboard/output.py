"""The leaderboard for those who never open a browser: CSV, JSON, LaTeX and Markdown on standard output.

CSV and JSON have one line a row and task, and one for the row's average (task ``average``); accuracies are in
[0, 1] there, percent only in LaTeX and Markdown.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.latex import as_latex
from dabench.leaderboard.markdown import as_markdown
from dabench.leaderboard.order_facts import status
from dabench.leaderboard.rows import Row
from dabench.leaderboard.select_output import as_csv
from dabench.leaderboard.statistics.intervals import Difference, Interval

__all__ = ["AVERAGE", "FORMATS", "as_text", "lines"]

FORMATS = ("table", "csv", "json", "latex", "markdown")
AVERAGE = "average"  # stands for the task in a row's own line
Line = dict[str, Any]


def as_text(readings: Sequence[Reading], style: str, level: float) -> str:
    """All tables in one of the formats but ``table``.

    Args:
        readings: the tables.
        style: csv, json, latex or markdown.
        level: of the intervals.
    """
    if style == "csv":
        return as_csv(lines(readings, level))
    if style == "json":
        return _json(readings, level)
    return as_latex(readings, level) if style == "latex" else as_markdown(readings, level)


def lines(readings: Sequence[Reading], level: float) -> list[Line]:
    """One line a row and task, and one for each row's average; all have the same keys."""
    return [line for reading in readings for row in reading.table.rows for line in _row(reading, row, level)]


def _row(reading: Reading, row: Row, level: float) -> Iterator[Line]:
    table = reading.table
    standing = reading.standings.rows.get(row.group.key)
    head: Line = {
        "suite": table.suite,
        "backbone": table.backbone,
        "protocol": table.protocol,
        "metric": table.metric,
        "selection": row.rule,
        "method": row.method,
        "configuration": row.group.configuration,
        "label": row.group.label,
        "status": status(row),
        "rank": row.rank,
        "rank_low": standing.low if standing else None,
        "rank_high": standing.high if standing else None,
        "ties": standing.letters if standing else "",
    }
    whole = {"failed": row.failed, "collapsed": row.collapsed, "unavailable": row.unavailable}
    yield {**head, "task": AVERAGE, **_numbers(row.average, row.gain, level), **whole}
    for task in table.tasks:
        cell = row.cells[task]
        counts = {"failed": cell.failed, "collapsed": cell.collapsed, "unavailable": cell.unavailable}
        yield {**head, "task": task, **_numbers(cell.interval, cell.gain, level), **counts}


def _numbers(interval: Interval | None, gain: Difference | None, level: float) -> Line:
    return {
        "mean": interval.mean if interval else None,
        "half_width": interval.half_width if interval else None,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "n": interval.n if interval else 0,
        "interval": interval.kind if interval and interval.half_width is not None else "",
        "level": level,
        "gain": gain.interval.mean if gain else None,
        "gain_half_width": gain.interval.half_width if gain else None,
    }


def _json(readings: Sequence[Reading], level: float) -> str:
    tables = [
        {
            "suite": reading.table.suite,
            "backbone": reading.table.backbone,
            "protocol": reading.table.protocol,
            "metric": reading.table.metric,
            "tasks": list(reading.table.tasks),
            "test": reading.standings.test,
            "notes": [*reading.table.notes, *reading.standings.notes],
        }
        for reading in readings
    ]
    return json.dumps({"level": level, "tables": tables, "lines": lines(readings, level)}, indent=1) + "\n"
