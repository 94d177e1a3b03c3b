"""GSDA's ablation, its Table 1: what each level of the hierarchy adds to the one before."""

from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.groups import REFERENCE
from dabench.leaderboard.plots.axes import around, bottom_axis
from dabench.leaderboard.plots.lanes import LEFT, MARK, PITCH, RIGHT, Column, Lane, draw_lanes, heads
from dabench.leaderboard.plots.marks import shape_of
from dabench.leaderboard.plots.picture import Picture
from dabench.leaderboard.plots.svg import document, number, tag
from dabench.leaderboard.plots.words import mean_words, metric_words, row_name
from dabench.leaderboard.rows import Row
from dabench.leaderboard.statistics.intervals import Interval
from dabench.leaderboard.view import points

__all__ = ["RUNGS", "ablation_ladder"]

# Method, and what it has that the rung above has not.
RUNGS = (
    (REFERENCE, "no adaptation"),
    ("gsda-glb", "+ global level"),
    ("gsda-glb-cls", "+ class level"),
    ("gsda-glb-cls-grp", "+ group level"),
    ("gsda", "+ synchronisation"),
)
COLUMNS = (Column("step, points", RIGHT - 118), Column("mean ± half-width", RIGHT))
TOP = 24.0


def ablation_ladder(reading: Reading) -> Picture | None:
    """The rungs of GSDA's ablation and the steps between them. None below two of GSDA's own rungs.

    Where a method has several rows, the best ranked one counts.
    """
    rungs = [(row, what) for method, what in RUNGS if (row := _row(reading, method)) is not None]
    if sum(row.method != REFERENCE for row, _ in rungs) < 2:
        return None
    averages = [row.average for row, _ in rungs if row.average is not None]
    ends = [100 * end for one in averages for end in (one.mean, one.low, one.high) if end is not None]
    scale = around(ends, LEFT + 4, RIGHT - 4, (0, 100))
    bottom = TOP + PITCH * len(rungs)
    steps = [
        None,
        *(_step(reading, above, row) for (above, _), (row, _) in pairwise(rungs)),
    ]
    lanes = [
        Lane(
            f"{row_name(row)}: {what}" if row.method == REFERENCE else f"{row_name(row)}",
            (points(step.mean) if step else "", mean_words(average)),
            100 * average.mean,
            None if average.low is None else 100 * average.low,
            None if average.high is None else 100 * average.high,
            shape_of(row),
            tip=f"{row_name(row)} ({what}): {mean_words(average)}",
        )
        for (row, what), average, step in zip(rungs, averages, steps, strict=True)
    ]
    stairs = [(scale(100 * one.mean), TOP + k * PITCH + MARK) for k, one in enumerate(averages)]
    parts: list[Markup] = [
        *bottom_axis(scale, TOP - 2, bottom, f"mean {metric_words(reading.table)}"),
        *heads(COLUMNS, 14),
        tag("path", d=_stairs(stairs), class_="front"),
        *draw_lanes(lanes, COLUMNS, scale, TOP),
    ]
    return document("ablation-ladder", "What each part of GSDA adds", _text(rungs, steps), bottom + 40, parts)


def _row(reading: Reading, method: str) -> Row | None:
    found = (row for row in reading.table.rows if row.method == method and row.average is not None)
    return next(found, None)


def _step(reading: Reading, above: Row, row: Row) -> Interval | None:
    """The difference of two neighbouring rungs: as the standings compared them, else of the means alone."""
    key = row.group.key, above.group.key
    pairs = reading.standings.pairs
    if key in pairs:
        return pairs[key].interval
    if key[::-1] in pairs:
        found = pairs[key[::-1]].interval
        return Interval(-found.mean, found.half_width, found.n)
    if row.average is None or above.average is None:
        return None
    return Interval(row.average.mean - above.average.mean, None, min(row.average.n, above.average.n))


def _stairs(places: Sequence[tuple[float, float]]) -> str:
    d = f"M{number(places[0][0])} {number(places[0][1])}"
    for x, y in places[1:]:
        d += f"V{number(y)}H{number(x)}"
    return d


def _text(rungs: Sequence[tuple[Row, str]], steps: Sequence[Interval | None]) -> str:
    listed = []
    for (row, what), step in zip(rungs, steps, strict=True):
        average = row.average
        assert average is not None
        moved = ""
        if step is not None:
            half = "" if step.half_width is None else f" ±{100 * step.half_width:.2f}"
            moved = f", {points(step.mean)}{half} points against the rung above"
        listed.append(f"{row_name(row)} ({what}): {mean_words(average)}{moved}")
    return f"Table 1 of the GSDA paper, measured here. {'; '.join(listed)}."
