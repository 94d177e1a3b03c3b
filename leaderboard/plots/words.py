"""Names and numbers of plots in words: percent with two decimals as in the tables, names kept apart."""

import unicodedata
from collections.abc import Sequence

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.groups import REFERENCE
from dabench.leaderboard.rows import Row, Table
from dabench.leaderboard.standing_notes import place_span
from dabench.leaderboard.standing_notes import row_name as plain_name
from dabench.leaderboard.statistics.intervals import Interval
from dabench.leaderboard.view import MINUS, half_width, interval_names, metric_name, percent, points

__all__ = [
    "adapted",
    "averaged",
    "count",
    "difference_words",
    "intervals_words",
    "isolated",
    "mean_words",
    "metric_words",
    "place_words",
    "row_name",
    "short_points",
    "shown",
]

MOST_ROWS = 30
ISOLATE, POP = "\u2068", "\u2069"
TURNING = {"R", "AL", "RLE", "RLO", "RLI", "LRO", "LRE", "FSI", "LRI", "PDI", "PDF"}


def isolated(text: str) -> str:
    """The text; one that could turn the direction of its surroundings is enclosed in marks against that."""
    if any(unicodedata.bidirectional(letter) in TURNING for letter in text):
        return f"{ISOLATE}{text}{POP}"
    return text


def row_name(row: Row) -> str:
    """Method, and how the row differs from others of the same method."""
    return isolated(plain_name(row))


def metric_words(table: Table) -> str:
    """The table's metric with its unit."""
    return f"{metric_name(table.metric)}, %"


def mean_words(interval: Interval) -> str:
    """A mean and its half-width, in percent."""
    return f"{percent(interval.mean)} {half_width(interval)}".rstrip()


def difference_words(interval: Interval, sign: float = 1.0) -> str:
    """A difference and its half-width, in points; with a sign of -1 the other way round."""
    return f"{points(sign * interval.mean)} {half_width(interval)}".rstrip()


def intervals_words(intervals: Sequence[Interval], level: float) -> str:
    """What intervals are called.

    >>> intervals_words([Interval(0.5, 0.1, 3)], 0.95)
    '95 % Student-t intervals over seeds'
    """
    return f"{100 * level:g} % {interval_names(intervals)} intervals over seeds"


def short_points(gain: float) -> str:
    """A difference for a small cell: two digits and the sign.

    >>> short_points(0.0123), short_points(-0.163), short_points(0.0999), short_points(-0.0001)
    ('+1.2', '−16', '+10', '0.0')
    """
    value = round(100 * gain, 1)
    if not value:
        return "0.0"
    return (f"{value:+.1f}" if abs(value) < 10 else f"{value:+.0f}").replace("-", MINUS)


def count(number: int, thing: str, things: str = "") -> str:
    """A number and what it counts.

    >>> count(1, "seed"), count(3, "seed"), count(3, "class", "classes")
    ('1 seed', '3 seeds', '3 classes')
    """
    return f"{number} {thing if number == 1 else things or thing + 's'}"


def place_words(reading: Reading, row: Row) -> str:
    """The rank interval of a row; its rank where there is none; empty where it is not ranked."""
    return place_span(row, reading.standings)


def shown(rows: Sequence[Row], most: int = MOST_ROWS) -> tuple[list[Row], str]:
    """The rows that a picture has room for, in the table's order, and a sentence on those left out.

    The reference and upper bounds stay, but for more than three of them.
    """
    apart = [row for row in rows if row.upper_bound or row.method == REFERENCE][:3]
    others = [row for row in rows if not row.upper_bound and row.method != REFERENCE]
    kept = {row.group.key for row in (*apart, *others[: most - len(apart)])}
    found = [row for row in rows if row.group.key in kept]
    left = len(rows) - len(found)
    return found, f" {count(left, 'row')} of the table left out." if left else ""


def adapted(rows: Sequence[Row]) -> list[Row]:
    """The rows that are no upper bounds."""
    return [row for row in rows if not row.upper_bound]


def averaged(rows: Sequence[Row]) -> list[tuple[Row, Interval]]:
    """The rows that have an average, each with it."""
    return [(row, row.average) for row in rows if row.average is not None]
