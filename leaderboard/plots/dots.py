"""Averages with their intervals: a forest plot of a table's rows, upper bounds apart."""

from collections.abc import Sequence

from markupsafe import Markup

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.groups import REFERENCE
from dabench.leaderboard.plots.axes import Scale, around, bottom_axis
from dabench.leaderboard.plots.lanes import (
    LEFT,
    PITCH,
    RIGHT,
    Column,
    Lane,
    draw_lanes,
    heads,
    spans,
    upright,
)
from dabench.leaderboard.plots.marks import shape_of
from dabench.leaderboard.plots.picture import Picture
from dabench.leaderboard.plots.svg import document, number, tag
from dabench.leaderboard.plots.words import (
    averaged,
    count,
    intervals_words,
    mean_words,
    metric_words,
    place_words,
    row_name,
    shown,
)
from dabench.leaderboard.rows import Row
from dabench.leaderboard.statistics.intervals import Interval

__all__ = ["interval_dots"]

COLUMNS = (Column("rank", RIGHT - 128), Column("n", RIGHT - 98), Column("mean", RIGHT))
TOP, GAP = 22.0, 10.0


def interval_dots(reading: Reading) -> Picture | None:
    """Every row's average over tasks with its interval, number of seeds and rank interval.

    Args:
        reading: the table and what its order is worth.

    Returns:
        None where no row has an average.
    """
    known, rest = shown([row for row, _ in averaged(reading.table.rows)])
    found = averaged(known)
    if not found:
        return None
    rows = [pair for pair in found if not pair[0].upper_bound]
    apart = [pair for pair in found if pair[0].upper_bound]
    scale = _scale([average for _, average in found])
    lower = TOP + PITCH * len(rows) + (GAP if apart and rows else 0)
    bottom = lower + PITCH * len(apart)
    places = [*spans(TOP, len(rows)), *spans(lower, len(apart))]
    lines = [*bottom_axis(scale, places, bottom, f"mean {metric_words(reading.table)}")]
    bases = [average.mean for row, average in rows if row.method == REFERENCE]
    if len(bases) == 1:
        lines.append(tag("path", d=upright(scale(100 * bases[0]), places), class_="reference"))
    parts = [
        *heads(COLUMNS, 14),
        *draw_lanes([_lane(reading, *pair) for pair in rows], COLUMNS, scale, TOP, lines),
        *draw_lanes([_lane(reading, *pair) for pair in apart], COLUMNS, scale, lower),
        *_rule(lower - GAP / 2 if apart and rows else None),
    ]
    words = intervals_words([average for _, average in found], reading.settings.ci.level)
    text = _text(reading, rows, apart, words)
    return document("interval-dots", "Averages and how sure they are", text + rest, bottom + 40, parts)


def _rule(y: float | None) -> list[Markup]:
    """A line between the rows and the upper bounds."""
    return [] if y is None else [tag("path", d=f"M0 {number(y)}H{number(RIGHT + LEFT)}", class_="rule")]


def _scale(averages: Sequence[Interval]) -> Scale:
    """Holds all means, and the intervals but for those far wider than the means are apart."""
    means = [100 * one.mean for one in averages]
    spread = max(max(means) - min(means), 2.0)
    ends = [100 * end for one in averages for end in (one.low, one.high) if end is not None]
    kept = [end for end in ends if min(means) - spread <= end <= max(means) + spread]
    return around([*means, *kept], LEFT + 4, RIGHT - 4, (0, 100))


def _lane(reading: Reading, row: Row, average: Interval) -> Lane:
    low, high = average.low, average.high
    place = "bound" if row.upper_bound else place_words(reading, row) or "–"
    return Lane(
        row_name(row),
        (place, str(average.n), mean_words(average)),
        100 * average.mean,
        None if low is None else 100 * low,
        None if high is None else 100 * high,
        shape_of(row),
        tip=_sentence(reading, row, average),
    )


def _sentence(reading: Reading, row: Row, average: Interval) -> str:
    place = place_words(reading, row)
    rank = "upper bound" if row.upper_bound else f"rank {place}" if place else "not ranked"
    return f"{row_name(row)}: {mean_words(average)} ({count(average.n, 'seed')}, {rank})"


def _text(
    reading: Reading,
    rows: Sequence[tuple[Row, Interval]],
    apart: Sequence[tuple[Row, Interval]],
    intervals: str,
) -> str:
    listed = "; ".join(_sentence(reading, *pair) for pair in (*rows, *apart))
    based = f" The dashed line is {REFERENCE}." if any(row.method == REFERENCE for row, _ in rows) else ""
    return (
        f"Mean {metric_words(reading.table)} over all tasks, with {intervals}. {listed}. Full circles are "
        f"ranked rows, hollow ones are not ranked, diamonds are upper bounds trained on target labels.{based}"
    )
