"""What a page's files say besides the cells: what makes each row honest, and the words of the caption.

The script of the page writes the files of what is shown; the words stand here only.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from dabench.leaderboard import view
from dabench.leaderboard.boards import Reading
from dabench.leaderboard.checks import NOT_CHECKED, Checks
from dabench.leaderboard.groups import BOUND, REFERENCE
from dabench.leaderboard.order_facts import reason, status
from dabench.leaderboard.printed import caption
from dabench.leaderboard.rows import Row, Table
from dabench.leaderboard.verify.words import plain

__all__ = ["exports"]

STATUSES = ("wrong", "rerun differs", "recomputed", "rerun agrees", "self-reported", NOT_CHECKED)


def exports(reading: Reading, checked: Mapping[str, Checks], level: float) -> dict[str, Any]:
    """All that the script needs for the files of a table, as plain JSON.

    Args:
        reading: the table.
        checked: by key of the row, what recomputing found.
        level: of the intervals.
    """
    table = reading.table
    return {
        "about": _about(reading, level),
        "caption": caption(reading, level),
        "captions": _captions(table, level),
        "rows": [_row(table, row, checked[row.group.key]) for row in table.rows],
    }


def _about(reading: Reading, level: float) -> dict[str, Any]:
    """What holds for all rows."""
    table = reading.table
    cells = [cell.interval for row in table.rows for cell in row.cells.values()]
    return {
        "suite": table.suite,
        "suite title": table.info.title,
        "backbone": table.backbone,
        "protocol": table.protocol,
        "metric": table.metric,
        "rule": " or ".join(table.rules),
        "tasks": "; ".join(table.tasks),
        "only tasks of all rows": reading.way.common,
        "unit": "percent, gains in points, times in seconds",
        "interval": view.interval_names([*cells, *(row.average for row in table.rows)]),
        "level": level,
        "test": reading.standings.test if reading.standings.rows else table.test.words,
    }


def _captions(table: Table, level: float) -> dict[str, str]:
    """Sentences on columns that not every table has, by kind of the column."""
    words = {
        "gain": f"Gain: difference of the averages to {REFERENCE} in points, ± half-width of its "
        f"{100 * level:g} % interval ({plain(table.test.words)}).",
        "share": f"Gap closed: part of the gap between {REFERENCE} and {BOUND}, in percent.",
        "class": "Worst class: mean over runs, of the last step."
        if table.metric == "mean_class_accuracy"
        else "Mean class: mean of the classes' accuracies.",
        "time": "Training time: mean of a run.",
    }
    counts = {cell.interval.n for row in table.rows for cell in row.cells.values() if cell.interval}
    return (
        {**words, "method": "Fewer seeds than the most are said in the cell."} if len(counts) > 1 else words
    )


def _row(table: Table, row: Row, checked: Checks) -> dict[str, Any]:
    why = reason(row, table.tasks, row.min_seeds)
    facts = {
        "status": status(row),
        "not ranked": why,
        "chosen on target labels": row.chosen,
        "tuned": row.tuned,
        "failed": row.failed,
        "collapsed": row.collapsed,
        "without rule": row.unavailable,
        **{name: checked.counts.get(name, 0) for name in STATUSES},
        "notes": "; ".join(row.notes),
    }
    return {"facts": facts, "marks": list(_marks(row, checked, why)), "incomplete": row.average is None}


def _marks(row: Row, checked: Checks, why: str) -> Iterator[str]:
    """Footnotes of a row: what a reader of its numbers must know."""
    if checked.wrong:
        yield (
            f"{_runs(checked.wrong)} of {checked.runs} wrong: contradicted by the record itself or its own "
            "files; still counted here"
        )
    if checked.differing:
        yield f"{_runs(checked.differing)} of {checked.runs} outside the interval of a rerun"
    if row.upper_bound:
        yield "Upper bound: trained on target labels, never ranked"
    elif row.chosen:
        yield f"{view.capital(row.chosen)}, never ranked"
    elif why and not row.origins.trial and not any(note.startswith(why) for note in row.notes):
        yield f"Not ranked: {why}"
    if row.tuned:
        yield view.capital(row.tuned)
    if row.failed:
        yield f"{_runs(row.failed)} failed, in no mean"
    if row.collapsed:
        yield f"{_runs(row.collapsed)} collapsed, in the mean"
    for note in row.notes:
        yield view.capital(note)


def _runs(count: int) -> str:
    return f"{count} run{'s' if count != 1 else ''}"
