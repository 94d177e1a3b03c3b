"""Names and numbers of plots in words: percent with two decimals as in the tables, names kept apart."""

import unicodedata
from collections.abc import Sequence

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.rows import Row, Table
from dabench.leaderboard.statistics.intervals import Interval
from dabench.leaderboard.view import metric_name, percent

__all__ = ["adapted", "bounds", "count", "isolated", "mean_words", "metric_words", "place_words", "row_name"]

LEFT_TO_RIGHT_ISOLATE, FIRST_STRONG_ISOLATE, POP = "\u2066", "\u2068", "\u2069"
TURNING = {"R", "AL", "RLE", "RLO", "RLI", "LRO", "LRE", "FSI", "LRI", "PDI", "PDF"}


def isolated(text: str) -> str:
    """The text; one that could turn the direction of its surroundings is enclosed in marks against that."""
    if any(unicodedata.bidirectional(letter) in TURNING for letter in text):
        return f"{FIRST_STRONG_ISOLATE}{text}{POP}"
    return text


def row_name(row: Row) -> str:
    """Method, and how the row differs from others of the same method."""
    label = f" ({row.group.label})" if row.group.label else ""
    return isolated(f"{row.method}{label}")


def metric_words(table: Table) -> str:
    """The table's metric with its unit."""
    return f"{metric_name(table.metric)}, %"


def mean_words(interval: Interval) -> str:
    """A mean and its half-width, in percent."""
    width = "" if interval.half_width is None else f" ±{percent(interval.half_width)}"
    return f"{percent(interval.mean)}{width}"


def count(number: int, thing: str) -> str:
    """A number and what it counts.

    >>> count(1, "seed"), count(3, "seed")
    ('1 seed', '3 seeds')
    """
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def place_words(reading: Reading, row: Row) -> str:
    """The rank interval of a row; its rank where there is none; empty where it is not ranked."""
    standing = reading.standings.rows.get(row.group.key)
    if standing is None:
        return "" if row.rank is None else str(row.rank)
    return str(standing.low) if standing.low == standing.high else f"{standing.low}–{standing.high}"


def adapted(rows: Sequence[Row]) -> list[Row]:
    """The rows that are no upper bounds."""
    return [row for row in rows if not row.upper_bound]


def bounds(rows: Sequence[Row]) -> list[Row]:
    """The upper bounds."""
    return [row for row in rows if row.upper_bound]
