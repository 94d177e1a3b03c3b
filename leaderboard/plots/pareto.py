"""Accuracy against training time, with the rows that none beats in both."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.plots.axes import (
    Scale,
    around,
    bottom_axis,
    fit,
    left_axis,
    text_width,
    tick_text,
    ticks,
)
from dabench.leaderboard.plots.labels import Box, Label, place_labels
from dabench.leaderboard.plots.marks import Shape, mark, shape_of
from dabench.leaderboard.plots.picture import Picture
from dabench.leaderboard.plots.svg import WIDTH, document, number, tag, text_at, tip
from dabench.leaderboard.plots.words import mean_words, metric_words, row_name
from dabench.leaderboard.rows import Row
from dabench.leaderboard.statistics.intervals import Interval
from dabench.leaderboard.view import duration

__all__ = ["accuracy_against_time", "front", "training_seconds"]

LEFT, RIGHT, TOP, BOTTOM = 40.0, WIDTH - 10.0, 26.0, 290.0
SIZE = 13
ROUND_SECONDS = tuple(
    unit * step
    for unit, steps in (
        (0.001, (1, 2, 5, 10, 20, 50, 100, 200, 500)), (1, (1, 2, 5, 10, 20, 30)),
        (60, (1, 2, 5, 10, 20, 30)), (3600, (1, 2, 5, 10, 24, 48, 120, 240, 480, 960, 2400)),
    )
    for step in steps
)  # fmt: skip


@dataclass(frozen=True)
class _Point:
    name: str
    seconds: float
    average: Interval
    shape: Shape
    counts: bool

    @property
    def words(self) -> str:
        return f"{self.name}: {mean_words(self.average)} in {duration(self.seconds)}"


def training_seconds(row: Row) -> float | None:
    """Mean training time of a row's runs; None where no run tells or it is zero."""
    known = [run.record.timing.training_seconds for run in row.used if run.record.timing]
    mean = sum(known) / len(known) if known else 0.0
    return mean if mean > 0 else None


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points that no other one beats, by rising cost.

    Args:
        points: (cost, value) each; less cost and more value are better.

    >>> front([(2, 70), (1, 60), (3, 65), (4, 80)])
    [1, 0, 3]
    """
    found: list[int] = []
    best = -math.inf
    for index in sorted(range(len(points)), key=lambda k: (points[k][0], -points[k][1], k)):
        if points[index][1] > best:
            best = points[index][1]
            found.append(index)
    return found


def accuracy_against_time(reading: Reading) -> Picture | None:
    """Every row's average against the mean training time of its runs. None below two rows with both."""
    points = [point for row in reading.table.rows if (point := _point(row)) is not None]
    if len(points) < 2:
        return None
    across = _time_scale([point.seconds for point in points])
    down = around([100 * point.average.mean for point in points], BOTTOM, TOP, (0, 100))
    counting = [point for point in points if point.counts]
    best = [counting[k] for k in front([(point.seconds, point.average.mean) for point in counting])]
    at = [(across(point.seconds), down(100 * point.average.mean)) for point in points]
    steps = [(across(point.seconds), down(100 * point.average.mean)) for point in best]
    marks = _time_marks(across)
    parts = [
        text_at(8, 14, metric_words(reading.table), "tick"),
        *left_axis(down, LEFT, RIGHT),
        *bottom_axis(across, TOP, BOTTOM, "mean training time of a run", marks),
    ]
    if len(steps) > 1:
        parts.append(tag("path", d=_stairs(steps), class_="front"))
    labels = _labels(points, best, at, steps)
    for point, (x, y), label in zip(points, at, labels, strict=True):
        parts += _draw(point, x, y, label, point in best)
    text = _text(points, best)
    return document("accuracy-against-time", "Accuracy against training time", text, BOTTOM + 40, parts)


def _point(row: Row) -> _Point | None:
    seconds = training_seconds(row)
    if row.average is None or seconds is None:
        return None
    counts = not (row.upper_bound or row.on_target_labels)
    return _Point(row_name(row), seconds, row.average, shape_of(row), counts)


def _time_scale(seconds: Sequence[float]) -> Scale:
    """Logarithmic, with air for marks; at least a factor of two wide."""
    low, high = min(seconds), max(seconds)
    air = max((high / low) ** 0.06, (2 * low / high) ** 0.5)
    return Scale(low / air, high * air, LEFT, RIGHT, log=True)


def _time_marks(scale: Scale) -> list[tuple[float, str]]:
    inside = [value for value in ROUND_SECONDS if scale.holds(value)]
    if len(inside) < 2:
        inside = ticks(scale.low, scale.high, 4)
        return [(value, f"{tick_text(value, inside)} s") for value in inside]
    kept: list[float] = []
    for value in inside:
        if not kept or scale(value) - scale(kept[-1]) > 58:
            kept.append(value)
    return [(value, _round_time(value)) for value in kept]


def _round_time(seconds: float) -> str:
    for unit, name in ((3600, "h"), (60, "min"), (1, "s")):
        if seconds >= unit:
            return f"{seconds / unit:g} {name}"
    return f"{1000 * seconds:g} ms"


def _stairs(steps: Sequence[tuple[float, float]]) -> str:
    """A line that goes right at the best value so far, and up where a better one is reached."""
    d = f"M{number(steps[0][0])} {number(steps[0][1])}"
    for x, y in steps[1:]:
        d += f"H{number(x)}V{number(y)}"
    return d + f"H{number(RIGHT)}"


def _labels(
    points: Sequence[_Point],
    best: Sequence[_Point],
    at: Sequence[tuple[float, float]],
    steps: Sequence[tuple[float, float]],
) -> list[Label]:
    """Labels in the points' order; those on the front choose first."""
    lines = []
    for (x, y), (right, upper) in pairwise([*steps, (RIGHT, steps[-1][1])] if len(steps) > 1 else []):
        lines += [Box(x, y - 1.5, right, y + 1.5), Box(right - 1.5, upper, right + 1.5, y)]
    order = sorted(range(len(points)), key=lambda k: (points[k] not in best, k))
    widths = [text_width(_short(points[k]), SIZE) for k in order]
    area = Box(LEFT, TOP - 8, RIGHT, BOTTOM)
    placed = place_labels([at[k] for k in order], widths, area, lines)
    return [label for _, label in sorted(zip(order, placed, strict=True), key=lambda pair: pair[0])]


def _short(point: _Point) -> str:
    return fit(point.name, 150, SIZE)


def _draw(point: _Point, x: float, y: float, label: Label, leads: bool) -> list[Markup]:
    parts = []
    if label.far:
        near_x = min(max(x, label.box.left), label.box.right)
        near_y = min(max(y, label.box.top), label.box.bottom)
        d = f"M{number(x)} {number(y)}L{number(near_x)} {number(near_y)}"
        parts.append(tag("path", d=d, class_="leader"))
    parts.append(mark(x, y, point.shape, tip(point.words), size=5))
    parts.append(text_at(label.x, label.y, _short(point), "label lead" if leads else "label", point.name))
    return parts


def _text(points: Sequence[_Point], best: Sequence[_Point]) -> str:
    return (
        f"Average and mean training time of a run. {'; '.join(point.words for point in points)}. "
        "The stepped line is the Pareto front, rows that none beats in both: "
        f"{', '.join(point.name for point in best)}. Upper bounds (diamonds) and rows chosen on target labels "
        "do not count for it."
    )
