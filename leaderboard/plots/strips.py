"""Every seed of every row: one mark a run, so that no spread hides behind a mean."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.plots.axes import Scale, around, bottom_axis
from dabench.leaderboard.plots.lanes import LEFT, PITCH, RIGHT, Column, heads, lane_words
from dabench.leaderboard.plots.marks import cross
from dabench.leaderboard.plots.picture import Picture
from dabench.leaderboard.plots.svg import document, number, tag, tip
from dabench.leaderboard.plots.words import count, metric_words, row_name
from dabench.leaderboard.rows import Row
from dabench.leaderboard.view import arrow, slug

__all__ = ["seed_strips", "stacked"]

COLUMNS = (Column("failed", RIGHT - 148), Column("n", RIGHT - 116), Column("lowest to highest", RIGHT))
TOP, MIDDLE, RADIUS = 24.0, 27.0, 3.6


@dataclass(frozen=True)
class _Strip:
    """Seeds of one row with their values in percent, and how many runs have none."""

    name: str
    values: dict[int, float]
    failed: int
    bound: bool

    @property
    def range(self) -> str:
        low, high = (f"{edge(self.values.values()):.2f}" for edge in (min, max))
        return low if low == high else f"{low} to {high}"


def seed_strips(reading: Reading, task: str | None = None) -> Picture | None:
    """Every seed's value: of the average over tasks, or of one task. None where there is none."""
    strips = [strip for row in reading.table.rows if (strip := _strip(row, task)).values or strip.failed]
    values = [value for strip in strips for value in strip.values.values()]
    if not values:
        return None
    failures = any(strip.failed for strip in strips)
    scale = around(values, LEFT + (16 if failures else 4), RIGHT - 4, (0, 100))
    bottom = TOP + PITCH * len(strips)
    where = f"{metric_words(reading.table)}, {arrow(task)}" if task else f"mean {metric_words(reading.table)}"
    columns = COLUMNS if failures else COLUMNS[1:]
    parts = [*bottom_axis(scale, TOP - 2, bottom, where), *heads(columns, 14)]
    for place, strip in enumerate(strips):
        parts += _draw(strip, columns, scale, TOP + place * PITCH)
    name = f"seed-strips-{slug(task)}" if task else "seed-strips"
    title = f"Every seed on {arrow(task)}" if task else "Every seed"
    return document(name, title, _text(strips, where), bottom + 40, parts)


def _strip(row: Row, task: str | None) -> _Strip:
    if task is None:
        values, failed = row.averages, row.failed
    else:
        cell = row.cells[task]
        values, failed = cell.values, cell.failed
    known = {seed: 100 * values[seed] for seed in sorted(values)}
    return _Strip(row_name(row), known, failed, row.upper_bound)


def stacked(places: Sequence[float], size: float) -> list[int]:
    """The level of each mark: 0, 1, -1, 2, ... so that marks of one level are at least ``size`` apart.

    >>> stacked([10, 11, 30], 5)
    [0, 1, 0]
    """
    levels = [0] * len(places)
    taken: dict[int, float] = {}
    for index in sorted(range(len(places)), key=lambda k: (places[k], k)):
        level = next(
            one for k in range(2 * len(places) + 1)
            if taken.get(one := (k + 1) // 2 * (1 if k % 2 else -1), -size) <= places[index] - size
        )  # fmt: skip
        levels[index] = level
        taken[level] = places[index]
    return levels


def _draw(strip: _Strip, columns: Sequence[Column], scale: Scale, top: float) -> list[Markup]:
    words = [
        str(strip.failed) if strip.failed else "",
        str(len(strip.values)),
        strip.range if strip.values else "–",
    ]
    parts = lane_words(strip.name, words[-len(columns) :], columns, top)
    middle = top + MIDDLE
    parts.append(
        tag("path", d=f"M{number(scale.start)} {number(middle)}H{number(scale.stop)}", class_="grid")
    )
    if strip.failed:
        parts.append(cross(LEFT + 4, middle, tip(f"{strip.name}: {count(strip.failed, 'failed run')}")))
    if strip.values:
        mean = number(scale(sum(strip.values.values()) / len(strip.values)))
        parts.append(tag("path", d=f"M{mean} {number(middle - 8)}v16", class_="mean"))
    places = [scale(value) for value in strip.values.values()]
    for (seed, value), x, level in zip(
        strip.values.items(), places, stacked(places, 2 * RADIUS), strict=True
    ):
        label = tip(f"{strip.name}, seed {seed}: {value:.2f}")
        y = middle - level * 3.0
        parts.append(
            tag("circle", label, cx=x, cy=y, r=RADIUS, class_="seed bound" if strip.bound else "seed")
        )
    return parts


def _text(strips: Sequence[_Strip], where: str) -> str:
    listed = []
    for strip in strips:
        failed = f", {count(strip.failed, 'run')} failed" if strip.failed else ""
        values = f"{strip.range} over {count(len(strip.values), 'seed')}" if strip.values else "no value"
        listed.append(f"{strip.name}: {values}{failed}")
    return (
        f"One circle a seed, {where}; the upright line is their mean. Crosses count runs that failed. "
        f"{'; '.join(listed)}."
    )
