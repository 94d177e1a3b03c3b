"""Gains over the reference by method and task, as a heat map with the number in each cell."""

from collections.abc import Sequence

from markupsafe import Markup

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.groups import REFERENCE
from dabench.leaderboard.plots.axes import fit, text_width
from dabench.leaderboard.plots.picture import Picture
from dabench.leaderboard.plots.svg import WIDTH, document, tag, text_at, tip
from dabench.leaderboard.plots.words import adapted, isolated, row_name
from dabench.leaderboard.rows import Row
from dabench.leaderboard.statistics.intervals import Difference
from dabench.leaderboard.view import MINUS, arrow, points

__all__ = ["STEPS", "gain_heat_map", "heat_class"]

# In points; a gain of at least STEPS[k] has the colour k + 1. Smaller ones have none.
STEPS = (0.5, 2.0, 5.0, 10.0)
HEIGHT, TOP = 26.0, 40.0
LONGEST_NAME = 150.0


def heat_class(gain: float) -> str:
    """The class of a cell's colour by its gain, a part of one.

    >>> heat_class(0.03), heat_class(-0.2), heat_class(0.001)
    ('heat-2', 'heat-m4', 'heat-0')
    """
    step = sum(round(100 * abs(gain), 9) >= border for border in STEPS)
    return f"heat-m{step}" if step and gain < 0 else f"heat-{step}"


def gain_heat_map(reading: Reading) -> Picture | None:
    """What every row gains over the reference on every task. None where no row has a gain."""
    rows = [row for row in reading.table.rows if any(cell.gain for cell in row.cells.values())]
    if not rows:
        return None
    tasks = reading.table.tasks
    single = len(tasks) == 1
    names = min(max(text_width(row_name(row)) for row in rows) + 12, LONGEST_NAME)
    needed = max([text_width(arrow(task), 13) for task in tasks])
    column = max(44.0, min(needed + 8, 110.0))
    columns = len(tasks) + (0 if single else 1)
    column = max(column, min((WIDTH - names - 14) / columns, 90.0))
    width = max(WIDTH, names + columns * column + 14)
    parts: list[Markup] = []
    for place, task in enumerate(tasks):
        parts.append(_head(names + (place + 0.5) * column, isolated(arrow(task)), column))
    if not single:
        parts.append(_head(names + 6 + (columns - 0.5) * column, "average", column))
    for place, row in enumerate(rows):
        y = TOP + place * HEIGHT
        name = row_name(row)
        parts.append(text_at(names - 8, y + 18, fit(name, names - 10), "name end", name))
        for index, task in enumerate(tasks):
            gain = row.cells[task].gain
            parts += _cell(names + index * column, y, column, gain, f"{name}, {arrow(task)}")
        if not single:
            parts += _cell(names + 6 + (columns - 1) * column, y, column, row.gain, f"{name}, average")
    bottom = TOP + len(rows) * HEIGHT
    parts += _legend(names, bottom + 14)
    text = _text(reading, rows)
    return document("gain-heat-map", f"Gain over {REFERENCE}", text, bottom + 52, parts, width)


def _head(x: float, text: str, room: float) -> Markup:
    return text_at(x, TOP - 10, fit(text, room, 13), "tick mid", text)


def _cell(x: float, y: float, width: float, gain: Difference | None, where: str) -> list[Markup]:
    if gain is None:
        return [text_at(x + width / 2, y + 18, "–", "tick mid")]
    mean = gain.interval.mean
    half = gain.interval.half_width
    words = f"{where}: {points(mean)} points" + ("" if half is None else f" ±{100 * half:.2f}")
    text = f"{100 * mean:+.1f}".replace("-", MINUS)
    text = "0.0" if text in ("+0.0", f"{MINUS}0.0") else text
    sure = " sure" if gain.verdict != "unclear" else ""
    color = heat_class(mean)
    return [
        tag(
            "g",
            tip(words),
            tag("rect", x=x + 1, y=y + 1, width=width - 2, height=HEIGHT - 2, rx=3, class_=f"cell {color}"),
            text_at(x + width / 2, y + 17.5, text, f"in {color}{sure}"),
        )
    ]


def _legend(left: float, top: float) -> list[Markup]:
    """The steps of the colours, losses left and gains right."""
    names = [f"heat-m{k}" for k in (4, 3, 2, 1)] + ["heat-0"] + [f"heat-{k}" for k in (1, 2, 3, 4)]
    borders = [*(f"{MINUS}{step:g}" for step in reversed(STEPS)), *(f"+{step:g}" for step in STEPS)]
    size = 30.0
    start = WIDTH - 10 - size * len(names)
    parts = [
        tag("rect", x=start + k * size, y=top, width=size, height=10, class_=f"cell {name}")
        for k, name in enumerate(names)
    ]
    parts += [text_at(start + (k + 1) * size, top + 24, text, "tick mid") for k, text in enumerate(borders)]
    return [*parts, text_at(start - 8, top + 10, "points", "tick end")]


def _text(reading: Reading, rows: Sequence[Row]) -> str:
    sentences = []
    for row in adapted(rows):
        known = {task: cell.gain.interval.mean for task, cell in row.cells.items() if cell.gain}
        best, worst = max(known, key=lambda task: known[task]), min(known, key=lambda task: known[task])
        average = f" {points(row.gain.interval.mean)} on average," if row.gain else ""
        sentences.append(
            f"{row_name(row)}:{average} from {points(known[worst])} on {arrow(worst)} "
            f"to {points(known[best])} on {arrow(best)}."
        )
    return (
        f"Difference to {REFERENCE} in points, by method and task. Bold numbers: the interval of the "
        f"difference excludes zero. {' '.join(sentences)}"
    )
