"""Tables in Markdown, the best tie group in bold."""

import re
from collections.abc import Sequence

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.printed import PrintedRow, caption, printed_rows
from dabench.leaderboard.verify.words import plain
from dabench.leaderboard.view import arrow

__all__ = ["as_markdown", "escape"]

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&])")


def escape(text: str) -> str:
    r"""A text that Markdown shows as it is, HTML included.

    >>> print(escape("a|b *c* <i>"))
    a\|b \*c\* \<i\>
    """
    return SPECIAL.sub(r"\\\1", plain(text))


def as_markdown(readings: Sequence[Reading], level: float) -> str:
    """One table a reading, with its caption below a heading."""
    return "\n".join(_table(reading, level) for reading in readings)


def _table(reading: Reading, level: float) -> str:
    table = reading.table
    heads = ["Method", "Rank", "Average", *(escape(arrow(task)) for task in table.tasks)]
    title = " · ".join(escape(part) for part in (table.suite, table.backbone, table.protocol))
    lines = [heads, ["---", "---", *["---:"] * (len(heads) - 2)], *map(_cells, printed_rows(reading))]
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    words = SPECIAL.sub(r"\\\1", caption(reading, level))
    return f"### {title}\n\n{words}\n\n{body}\n"


def _cells(row: PrintedRow) -> list[str]:
    method, average = escape(row.method), escape(row.average)
    if row.best:
        method, average = f"**{method}**", f"**{average}**"
    return [f"{method}{'†' if row.incomplete else ''}", row.place, average, *map(escape, row.cells)]
