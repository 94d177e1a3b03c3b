"""Averages with their intervals: a forest plot of a table's rows, upper bounds apart."""

from collections.abc import Sequence

from markupsafe import Markup

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.groups import REFERENCE
from dabench.leaderboard.plots.axes import Scale, around, bottom_axis
from dabench.leaderboard.plots.lanes import LEFT, PITCH, RIGHT, Column, Lane, draw_lanes, heads
from dabench.leaderboard.plots.marks import shape_of
from dabench.leaderboard.plots.picture import Picture
from dabench.leaderboard.plots.svg import document, number, tag
from dabench.leaderboard.plots.words import (
    adapted,
    bounds,
    count,
    mean_words,
    metric_words,
    place_words,
    row_name,
)
from dabench.leaderboard.rows import Row

__all__ = ["interval_dots"]

COLUMNS = (Column("rank", RIGHT - 152), Column("n", RIGHT - 116), Column("mean ± half-width", RIGHT))
TOP, GAP = 24.0, 10.0


def interval_dots(reading: Reading) -> Picture | None:
    """Every row's average over tasks with its interval, number of seeds and rank interval.

    None where no row has an average.
    """
    ranked = [row for row in adapted(reading.table.rows) if row.average is not None]
    apart = [row for row in bounds(reading.table.rows) if row.average is not None]
    if not ranked and not apart:
        return None
    scale = _scale([*ranked, *apart])
    lower = TOP + PITCH * len(ranked) + (GAP if apart else 0)
    bottom = lower + PITCH * len(apart)
    parts = [
        *bottom_axis(scale, TOP - 2, bottom, f"mean {metric_words(reading.table)}"),
        *heads(COLUMNS, 14),
        *_reference(ranked, scale, bottom),
        *draw_lanes([_lane(reading, row) for row in ranked], COLUMNS, scale, TOP),
    ]
    if apart:
        line = number(lower - GAP / 2)
        parts.append(tag("path", d=f"M{number(LEFT)} {line}H{number(RIGHT)}", class_="rule"))
        parts += draw_lanes([_lane(reading, row) for row in apart], COLUMNS, scale, lower)
    title = "Averages and how sure they are"
    return document("interval-dots", title, _text(reading, ranked, apart), bottom + 40, parts)


def _scale(rows: Sequence[Row]) -> Scale:
    """Holds all means, and the intervals but for those far wider than all means are apart."""
    known = [row.average for row in rows if row.average is not None]
    means = [100 * one.mean for one in known]
    spread = max(max(means) - min(means), 2.0)
    ends = [100 * end for one in known for end in (one.low, one.high) if end is not None]
    kept = [end for end in ends if min(means) - spread <= end <= max(means) + spread]
    return around([*means, *kept], LEFT + 4, RIGHT - 4, (0, 100))


def _reference(rows: Sequence[Row], scale: Scale, bottom: float) -> list[Markup]:
    found = [row.average for row in rows if row.method == REFERENCE and row.average is not None]
    if len(found) != 1:
        return []
    x = number(scale(100 * found[0].mean))
    return [tag("path", d=f"M{x} {number(TOP - 2)}V{number(bottom)}", class_="reference")]


def _lane(reading: Reading, row: Row) -> Lane:
    average = row.average
    assert average is not None
    low, high = average.low, average.high
    place = "bound" if row.upper_bound else place_words(reading, row) or "–"
    return Lane(
        row_name(row),
        (place, str(average.n), mean_words(average)),
        100 * average.mean,
        None if low is None else 100 * low,
        None if high is None else 100 * high,
        shape_of(row),
        tip=_sentence(reading, row),
    )


def _sentence(reading: Reading, row: Row) -> str:
    average = row.average
    assert average is not None
    place = place_words(reading, row)
    rank = "upper bound" if row.upper_bound else f"rank {place}" if place else "not ranked"
    return f"{row_name(row)}: {mean_words(average)} ({count(average.n, 'seed')}, {rank})"


def _text(reading: Reading, ranked: Sequence[Row], apart: Sequence[Row]) -> str:
    listed = "; ".join(_sentence(reading, row) for row in (*ranked, *apart))
    return (
        f"Mean {metric_words(reading.table)} over all tasks, with 95 % Student-t intervals over seeds. "
        f"{listed}. Full circles are ranked rows, hollow ones are not ranked, diamonds are upper bounds "
        f"trained on target labels. The dashed line is {REFERENCE}."
    )
