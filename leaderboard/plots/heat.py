"""Gains over the reference by method and task, as a heat map with the number in each cell."""

from collections.abc import Sequence

from markupsafe import Markup

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.plots.axes import fit, text_width
from dabench.leaderboard.plots.picture import Picture
from dabench.leaderboard.plots.svg import WIDTH, Boxes, document, tag, text_at
from dabench.leaderboard.plots.words import adapted, difference_words, isolated, row_name, short_points, shown
from dabench.leaderboard.rows import Row
from dabench.leaderboard.statistics.intervals import Difference
from dabench.leaderboard.view import HEAT_STEPS, MINUS, arrow, heat, points

__all__ = ["gain_heat_map"]

HEIGHT, TOP = 27.0, 22.0
NARROWEST, WIDEST, APART = 37.0, 130.0, 6.0
LONGEST_NAME = 150.0


def gain_heat_map(reading: Reading) -> Picture | None:
    """What every row gains over the reference on every task. None where no row has a gain."""
    known, rest = shown([row for row in reading.table.rows if any(cell.gain for cell in row.cells.values())])
    if not known:
        return None
    rows = adapted(known)
    bounds = [row for row in known if row.upper_bound]
    tasks = [task for task in reading.table.tasks if any(row.cells[task].gain for row in known)]
    columns = [isolated(arrow(task)) for task in tasks] + (["mean"] if len(tasks) > 1 else [])
    names = min(max(text_width(row_name(row)) for row in known) + 14, LONGEST_NAME)
    needed = max(NARROWEST, *(text_width(column, 13) for column in columns))
    width = min(max(needed, (WIDTH - names - 8 - APART) / len(columns)), WIDEST)
    lefts = [names + k * width + (APART if k == len(tasks) else 0) for k in range(len(columns))]
    parts = [
        text_at(left + width / 2, 15, fit(column, width, 13), "tick mid", column)
        for left, column in zip(lefts, columns, strict=True)
    ]
    boxes = Boxes(width, HEIGHT)
    for place, row in enumerate([*rows, *bounds]):
        top = TOP + place * HEIGHT + (APART if row.upper_bound and rows else 0)
        parts += _row(row, tasks, lefts, top, boxes)
    bottom = TOP + len(known) * HEIGHT + (APART if bounds and rows else 0)
    parts += _legend(bottom + 12)
    total = max(WIDTH, lefts[-1] + width + 8)
    reference = isolated(reading.settings.compare.reference)
    drawn, text = [*boxes.paths("cell"), *parts], _text(known, reference) + rest
    return document("gain-heat-map", f"Gain over {reference}", text, bottom + 44, drawn, total)


def _row(row: Row, tasks: Sequence[str], lefts: Sequence[float], top: float, boxes: Boxes) -> list[Markup]:
    name = row_name(row)
    parts = [text_at(lefts[0] - 8, top + 18, fit(name, lefts[0] - 12), "name end", name)]
    gains = [(arrow(task), row.cells[task].gain) for task in tasks]
    if len(lefts) > len(tasks):
        gains.append(("mean", row.gain))
    for left, (where, gain) in zip(lefts, gains, strict=True):
        parts.append(_cell(left, top, gain, f"{name}, {where}", boxes))
    return parts


def _cell(left: float, top: float, gain: Difference | None, where: str, boxes: Boxes) -> Markup:
    middle = left + boxes.width / 2
    if gain is None:
        return text_at(middle, top + 18, "–", "tick mid")
    mean = gain.interval.mean
    boxes.add(heat(mean) or "p0", left, top)
    class_ = "in" if gain.verdict == "unclear" else "in sure"
    return text_at(
        middle, top + 18, short_points(mean), class_, f"{where}: {difference_words(gain.interval)}"
    )


def _legend(top: float) -> list[Markup]:
    """The shades, losses left and gains right, and the gains between them."""
    steps = range(len(HEAT_STEPS), 0, -1)
    shades = [*(f"m{k}" for k in steps), "p0", *(f"p{k}" for k in reversed(steps))]
    borders = [*(f"{MINUS}{one:g}" for one in reversed(HEAT_STEPS)), *(f"+{one:g}" for one in HEAT_STEPS)]
    size = 36.0
    start = (WIDTH - size * len(shades)) / 2
    boxes = [
        tag("rect", x=start + k * size + 0.5, y=top, width=size - 1, height=9, class_=f"cell {shade}")
        for k, shade in enumerate(shades)
    ]
    words = [text_at(start + (k + 1) * size, top + 24, text, "tick mid") for k, text in enumerate(borders)]
    return [*boxes, *words]


def _text(rows: Sequence[Row], reference: str) -> str:
    sentences = []
    for row in rows:
        known = {task: cell.gain.interval.mean for task, cell in row.cells.items() if cell.gain}
        best, worst = max(known, key=lambda task: known[task]), min(known, key=lambda task: known[task])
        if len(known) == 1:
            sentences.append(f"{row_name(row)}: {points(known[best])} on {arrow(best)}.")
            continue
        average = f" {points(row.gain.interval.mean)} on average," if row.gain else ""
        sentences.append(
            f"{row_name(row)}:{average} from {points(known[worst])} on {arrow(worst)} "
            f"to {points(known[best])} on {arrow(best)}."
        )
    return (
        f"Difference to {reference} in points, by method and task. Bold numbers: the interval of the "
        f"difference excludes zero. {' '.join(sentences)}"
    )
