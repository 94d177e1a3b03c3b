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
from dabench.leaderboard.plots.svg import WIDTH, document, number, points_path, tag, text_at, tip
from dabench.leaderboard.plots.words import adapted, mean_words, metric_words, row_name, shown
from dabench.leaderboard.rows import Row
from dabench.leaderboard.statistics.intervals import Interval
from dabench.leaderboard.view import duration

__all__ = ["accuracy_against_time", "front", "training_seconds"]

LEFT, RIGHT, TOP, BOTTOM = 40.0, WIDTH - 10.0, 26.0, 290.0
SIZE = 13
ROUND_SECONDS = tuple(
    unit * step
    for unit, steps in (
        (0.001, (1, 2, 5, 10, 20, 50, 100, 200, 500)), (1, (1, 2, 3, 5, 7, 10, 15, 20, 30)),
        (60, (1, 2, 3, 5, 7, 10, 15, 20, 30)), (3600, (1, 2, 3, 5, 7, 12, 24, 48, 120, 240, 480, 960, 2400)),
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
    known = [row for row in adapted(reading.table.rows) if _point(row) is not None]
    rows, rest = shown(known)
    points = [point for row in rows if (point := _point(row)) is not None]
    if len(points) < 2:
        return None
    across = _time_scale([point.seconds for point in points])
    down = _value_scale([point.average for point in points])
    counting = [point for point in points if point.counts]
    best = [counting[k] for k in front([(point.seconds, point.average.mean) for point in counting])]
    at = [(across(point.seconds), down(100 * point.average.mean)) for point in points]
    steps = [(across(point.seconds), down(100 * point.average.mean)) for point in best]
    marks = _time_marks(across)
    parts = [
        text_at(8, 14, metric_words(reading.table), "tick"),
        *left_axis(down, LEFT, RIGHT),
        *bottom_axis(across, [(TOP, BOTTOM)], BOTTOM, "mean training time of a run", marks),
    ]
    if len(steps) > 1:
        parts.append(tag("path", d=_stairs(steps), class_="front"))
    labels = _labels(points, best, at, steps, down)
    for point, (x, _) in zip(points, at, strict=True):
        parts += _spread(point.average, x, down)
    for point, (x, y), label in zip(points, at, labels, strict=True):
        parts += _leader(x, y, label)
        parts.append(mark(x, y, point.shape, tip(point.words)))
    for point, label in zip(points, labels, strict=True):
        class_ = " ".join(filter(None, ("label", label.anchor, "lead" if point in best else "")))
        parts.append(text_at(label.x, label.y, _short(point), class_, point.name))
    text = _text(points, best) + rest
    return document("accuracy-against-time", "Accuracy against training time", text, BOTTOM + 40, parts)


def _point(row: Row) -> _Point | None:
    seconds = training_seconds(row)
    if row.average is None or seconds is None:
        return None
    return _Point(row_name(row), seconds, row.average, shape_of(row), not row.on_target_labels)


def _value_scale(averages: Sequence[Interval]) -> Scale:
    """Holds all means, and of the intervals what lies not much further out."""
    means = [100 * one.mean for one in averages]
    spread = max(max(means) - min(means), 1.0) / 3
    ends = [100 * end for one in averages for end in (one.low, one.high) if end is not None]
    kept = [min(max(end, min(means) - spread), max(means) + spread) for end in ends]
    return around([*means, *kept], BOTTOM, TOP, (0, 100))


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
    down: Scale,
) -> list[Label]:
    """Labels in the points' order; those on the front choose first."""
    lines = [
        Box(x - 1.5, down(100 * one.high), x + 1.5, down(100 * one.low))
        for one, (x, _) in zip((point.average for point in points), at, strict=True)
        if one.low is not None and one.high is not None
    ]
    for (x, y), (right, upper) in pairwise([*steps, (RIGHT, steps[-1][1])] if len(steps) > 1 else []):
        lines += [Box(x, y - 1.5, right, y + 1.5), Box(right - 1.5, upper, right + 1.5, y)]
    order = sorted(range(len(points)), key=lambda k: (points[k] not in best, k))
    # Bold letters are wider.
    widths = [text_width(_short(points[k]), SIZE) * (1.1 if points[k] in best else 1.0) for k in order]
    area = Box(LEFT, TOP - 8, RIGHT, BOTTOM)
    placed = place_labels([at[k] for k in order], widths, area, lines)
    return [label for _, label in sorted(zip(order, placed, strict=True), key=lambda pair: pair[0])]


def _short(point: _Point) -> str:
    return fit(point.name, 150, SIZE)


def _spread(average: Interval, x: float, down: Scale) -> list[Markup]:
    """The interval of an average, upright."""
    if average.low is None or average.high is None:
        return []
    ends = number(down(100 * average.low)), number(down(100 * average.high))
    return [tag("path", d=f"M{number(x)} {ends[0]}V{ends[1]}", class_="spread")]


def _leader(x: float, y: float, label: Label) -> list[Markup]:
    """A line from a point to a label that lies apart."""
    if not label.far:
        return []
    near = min(max(x, label.box.left), label.box.right), min(max(y, label.box.top), label.box.bottom)
    return [tag("path", d=points_path([(x, y), near]), class_="leader")]


def _text(points: Sequence[_Point], best: Sequence[_Point]) -> str:
    return (
        f"Average and mean training time of a run. {'; '.join(point.words for point in points)}. "
        "The stepped line is the Pareto front, rows that none beats in both: "
        f"{', '.join(point.name for point in best)}. Rows chosen on target labels do not count for it, upper "
        "bounds are left out. Upright lines are intervals of the averages."
    )
