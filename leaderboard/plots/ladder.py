"""GSDA's ablation, its Table 1: what each level of the hierarchy adds to the one before."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.groups import REFERENCE, unlike
from dabench.leaderboard.plots.axes import Scale, around, bottom_axis
from dabench.leaderboard.plots.lanes import LEFT, MARK, PITCH, RIGHT, Column, Lane, draw_lanes, heads, spans
from dabench.leaderboard.plots.marks import shape_of
from dabench.leaderboard.plots.picture import Picture
from dabench.leaderboard.plots.svg import document, number, tag
from dabench.leaderboard.plots.words import (
    averaged,
    difference_words,
    intervals_words,
    mean_words,
    metric_words,
    row_name,
)
from dabench.leaderboard.rows import Row
from dabench.leaderboard.statistics.intervals import Interval
from dabench.leaderboard.view import points

__all__ = ["RUNGS", "ablation_ladder"]

# Method, and the level (or more) that it has and the rung above has not.
RUNGS = (
    (REFERENCE, "no adaptation"),
    ("gsda-glb", "+ global"),
    ("gsda-glb-cls", "+ class"),
    ("gsda-glb-cls-grp", "+ group"),
    ("gsda", "+ synchronisation"),
)
COLUMNS = (Column("step", RIGHT - 92), Column("mean", RIGHT))
TOP = 22.0


@dataclass(frozen=True)
class _Rung:
    """A row of the ladder: its average, what it adds, and the step from the rung above."""

    row: Row
    average: Interval
    what: str
    step: Interval | None

    @property
    def words(self) -> str:
        step = f", {difference_words(self.step)} points against the rung above" if self.step else ""
        return f"{row_name(self.row)} ({self.what}): {mean_words(self.average)}{step}"


def ablation_ladder(reading: Reading) -> Picture | None:
    """The rungs of GSDA's ablation and the steps between them.

    Args:
        reading: a table with rows of GSDA's variants. Where one has several rows, the one whose settings
            agree most with those of the last rung counts.

    Returns:
        None below two of GSDA's own rungs.
    """
    rungs = _rungs(reading)
    if sum(rung.row.method != REFERENCE for rung in rungs) < 2:
        return None
    averages = [rung.average for rung in rungs]
    ends = [100 * end for one in averages for end in (one.mean, one.low, one.high) if end is not None]
    scale = around(ends, LEFT + 4, RIGHT - 4, (0, 100))
    bottom = TOP + PITCH * len(rungs)
    lines: list[Markup] = [
        *bottom_axis(scale, spans(TOP, len(rungs)), bottom, f"mean {metric_words(reading.table)}"),
        tag("path", d=_steps([100 * one.mean for one in averages], scale), class_="step"),
    ]
    parts = [*heads(COLUMNS, 14), *draw_lanes([_lane(rung) for rung in rungs], COLUMNS, scale, TOP, lines)]
    text = _text(rungs, intervals_words(averages, reading.settings.ci.level))
    return document("ablation-ladder", "What each part of GSDA adds", text, bottom + 40, parts)


def _rungs(reading: Reading) -> list[_Rung]:
    known = averaged(reading.table.rows)
    order = {method: place for place, (method, _) in enumerate(RUNGS)}
    last = max(
        (row for row, _ in known if row.method in order), key=lambda row: order[row.method], default=None
    )
    found: list[_Rung] = []
    for method, what in RUNGS:
        rows = [pair for pair in known if pair[0].method == method]
        if last is not None and rows:
            row, average = min(rows, key=lambda pair: len(unlike(pair[0].group, last.group)))
            step = _step(reading, found[-1], row, average) if found else None
            found.append(_Rung(row, average, what, step))
    return found


def _step(reading: Reading, above: _Rung, row: Row, average: Interval) -> Interval:
    """The difference to the rung above: as the standings compared them, else of the means alone."""
    key = row.group.key, above.row.group.key
    pairs = reading.standings.pairs
    if key in pairs:
        return pairs[key].interval
    if key[::-1] in pairs:
        found = pairs[key[::-1]].interval
        return Interval(-found.mean, found.half_width, found.n)
    return Interval(average.mean - above.average.mean, None, min(average.n, above.average.n))


def _lane(rung: _Rung) -> Lane:
    average = rung.average
    return Lane(
        row_name(rung.row),
        (points(rung.step.mean) if rung.step else "", mean_words(average)),
        100 * average.mean,
        None if average.low is None else 100 * average.low,
        None if average.high is None else 100 * average.high,
        shape_of(rung.row),
        rung.what,
        rung.words,
    )


def _steps(means: Sequence[float], scale: Scale) -> str:
    """In each lane but the first, a bar from the mean of the rung above to its own."""
    return "".join(
        f"M{number(scale(above))} {number(TOP + k * PITCH + MARK)}H{number(scale(mean))}"
        for k, (above, mean) in enumerate(pairwise(means), 1)
    )


def _text(rungs: Sequence[_Rung], intervals: str) -> str:
    differs = any(unlike(rung.row.group, rungs[-1].row.group) for rung in rungs)
    note = " The rungs differ in other settings too." if differs else ""
    listed = "; ".join(rung.words for rung in rungs)
    return (
        f"Table 1 of the GSDA paper, measured here, with {intervals}; bars lead from rung to rung. "
        f"{listed}.{note}"
    )
