"""Every seed of every row: one mark a run, so that no spread hides behind a mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.plots.axes import Scale, around, bottom_axis
from dabench.leaderboard.plots.lanes import LEFT, MARK, PITCH, RIGHT, Column, band, heads, lane_words, spans
from dabench.leaderboard.plots.marks import cross
from dabench.leaderboard.plots.picture import Picture
from dabench.leaderboard.plots.svg import document, number, tag, tip
from dabench.leaderboard.plots.words import count, metric_words, row_name, shown
from dabench.leaderboard.rows import Cell, Row
from dabench.leaderboard.view import arrow, slug

__all__ = ["collapsed_seeds", "seed_strips", "stacked"]

COLUMNS = (Column("n", RIGHT - 100), Column("range", RIGHT))
TOP, RADIUS = 22.0, 3.4


@dataclass(frozen=True)
class _Strip:
    """Seeds of one row with their values in percent, those that collapsed, and how many runs failed."""

    name: str
    values: Mapping[int, float]
    collapsed: frozenset[int]
    failed: int
    bound: bool

    @property
    def range(self) -> str:
        if not self.values:
            return "–"
        low, high = (f"{edge(self.values.values()):.2f}" for edge in (min, max))
        return low if low == high else f"{low}–{high}"

    @property
    def trouble(self) -> str:
        failed = f"{self.failed} failed" if self.failed else ""
        collapsed = f"{len(self.collapsed)} collapsed" if self.collapsed else ""
        return ", ".join(filter(None, (failed, collapsed)))


def collapsed_seeds(cell: Cell) -> list[int]:
    """The seeds of a cell that collapsed: as many as it counts, the lowest ones."""
    return sorted(cell.values, key=lambda seed: (cell.values[seed], seed))[: cell.collapsed]


def seed_strips(reading: Reading, task: str | None = None) -> Picture | None:
    """Every seed's value: of the average over tasks, or of one task. None where there is none."""
    rows, rest = shown(reading.table.rows)
    found = [_strip(row, task) for row in rows]
    strips = [strip for strip in found if strip.values or strip.failed]
    values = [value for strip in strips for value in strip.values.values()]
    if not values:
        return None
    gutter = 12 if any(strip.failed for strip in strips) else 0
    scale = around(values, LEFT + 4 + gutter, RIGHT - 4, (0, 100))
    bottom = TOP + PITCH * len(strips)
    where = f"{metric_words(reading.table)}, {arrow(task)}" if task else f"mean {metric_words(reading.table)}"
    drawn = [_draw(strip, scale, place) for place, strip in enumerate(strips)]
    parts = [
        *(one for place in range(len(strips)) for one in band(TOP + place * PITCH, place)),
        *heads(COLUMNS, 14),
        *(one for words, _ in drawn for one in words),
        *bottom_axis(scale, spans(TOP, len(strips)), bottom, where),
        *(one for _, marks in drawn for one in marks),
    ]
    name = f"seed-strips-{slug(task)}" if task else "seed-strips"
    title = f"Every seed on {arrow(task)}" if task else "Every seed"
    return document(name, title, _text(strips, where) + rest, bottom + 40, parts)


def _strip(row: Row, task: str | None) -> _Strip:
    """Of one task, or of the averages: there a seed counts as collapsed where it did so on any task."""
    cells = row.cells.values() if task is None else [row.cells[task]]
    values = row.averages if task is None else row.cells[task].values
    collapsed = {seed for cell in cells for seed in collapsed_seeds(cell)}
    return _Strip(
        row_name(row),
        {seed: 100 * values[seed] for seed in sorted(values)},
        frozenset(collapsed & set(values)),
        sum(cell.failed for cell in cells),
        row.upper_bound,
    )


def stacked(places: Sequence[float], size: float) -> list[int]:
    """The level of each mark: 0, 1, -1, 2, ... so that marks of one level are at least ``size`` apart.

    >>> stacked([10, 11, 30], 5)
    [0, 1, 0]
    """
    levels = [0] * len(places)
    last: dict[int, float] = {}
    for index in sorted(range(len(places)), key=lambda k: (places[k], k)):
        level = 0
        while last.get(level, -size) > places[index] - size and abs(level) <= len(places):
            level = -level if level > 0 else 1 - level
        levels[index] = level
        last[level] = places[index]
    return levels


def _draw(strip: _Strip, scale: Scale, place: int) -> tuple[list[Markup], list[Markup]]:
    """The words of a lane, and its marks."""
    top = TOP + place * PITCH
    words = (str(len(strip.values)), strip.range)
    middle = top + MARK
    marks = []
    if strip.failed:
        marks.append(cross(LEFT + 2, middle, tip(f"{strip.name}: {count(strip.failed, 'failed run')}")))
    if strip.values:
        mean = scale(sum(strip.values.values()) / len(strip.values))
        marks.append(tag("path", d=f"M{number(mean)} {number(middle - 9)}v18", class_="mean"))
    places = [scale(value) for value in strip.values.values()]
    levels = stacked(places, 2 * RADIUS)
    most = max(map(abs, levels), default=0)
    lift = min(2 * RADIUS, 8.0 / most) if most else 0.0
    for (seed, value), x, level in zip(strip.values.items(), places, levels, strict=True):
        marks.append(_seed(strip, seed, value, x, middle - level * lift))
    return lane_words(strip.name, words, COLUMNS, top, strip.trouble), marks


def _seed(strip: _Strip, seed: int, value: float, x: float, y: float) -> Markup:
    if seed in strip.collapsed:
        return cross(x, y, tip(f"{strip.name}, seed {seed}: {value:.2f}, collapsed"))
    label = tip(f"{strip.name}, seed {seed}: {value:.2f}")
    return tag("circle", label, cx=x, cy=y, r=RADIUS, class_="seed bound" if strip.bound else "seed")


def _text(strips: Sequence[_Strip], where: str) -> str:
    listed = []
    for strip in strips:
        values = f"{strip.range} over {count(len(strip.values), 'seed')}" if strip.values else "no value"
        listed.append(", ".join(filter(None, (f"{strip.name}: {values}", strip.trouble))))
    return (
        f"One circle a seed, {where}; the upright line is their mean. Crosses are seeds that collapsed and, "
        f"at the left, runs that failed. {'; '.join(listed)}."
    )
