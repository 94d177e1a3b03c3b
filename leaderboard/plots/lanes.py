"""Rows of a forest plot: a line of words and numbers each, and below it a mark with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dabench.leaderboard.plots.axes import Scale, fit, text_width
from dabench.leaderboard.plots.marks import Shape, mark, whisker
from dabench.leaderboard.plots.svg import WIDTH, number, tag, text_at, tip

__all__ = [
    "LEFT",
    "MARK",
    "PITCH",
    "RIGHT",
    "Column",
    "Lane",
    "band",
    "draw_lanes",
    "heads",
    "lane_words",
    "spans",
    "upright",
]

LEFT, RIGHT = 8.0, WIDTH - 8.0
PITCH = 40.0  # of a lane
MARK = 28.5  # from a lane's top to its mark
SPACE = 12.0  # between words of a lane


@dataclass(frozen=True)
class Column:
    """A column of words: its head, and where its right edge lies."""

    head: str
    edge: float


@dataclass(frozen=True)
class Lane:
    """One row, in the units of its scale.

    Attributes:
        name: cut where it is too long, shown in full under the pointer.
        words: a text for each column.
        value: where the mark stands; None for none.
        low, high: of the interval; None for none.
        detail: stands behind the name where there is room.
        tip: shown under the pointer on the mark.
    """

    name: str
    words: tuple[str, ...]
    value: float | None
    low: float | None = None
    high: float | None = None
    shape: Shape = "full"
    detail: str = ""
    tip: str = ""


def spans(top: float, lanes: int) -> list[tuple[float, float]]:
    """The (upper, lower) ends of the lanes' marks, for grid lines that cross no words."""
    return [(top + k * PITCH + MARK - 8, top + k * PITCH + MARK + 8) for k in range(lanes)]


def heads(columns: Sequence[Column], baseline: float) -> list[Markup]:
    """The heads of the columns."""
    return [text_at(column.edge, baseline, column.head, "tick end") for column in columns]


def band(top: float, place: int) -> list[Markup]:
    """The ground of every second lane, so that words and mark are seen as one."""
    return [tag("rect", x=0, y=top, width=WIDTH, height=PITCH, class_="band")] if place % 2 == 0 else []


def lane_words(
    name: str, words: Sequence[str], columns: Sequence[Column], top: float, detail: str = ""
) -> list[Markup]:
    """The line of words of a lane, the name as long as the columns leave room."""
    used = [column.edge - text_width(word, 13) for column, word in zip(columns, words, strict=True) if word]
    room = min([*used, RIGHT]) - LEFT - SPACE
    extra = text_width(detail, 13) + SPACE if detail else 0.0
    short = fit(name, max(room - extra, 0.4 * room))
    parts = [text_at(LEFT, top + 15, short, "name", name)]
    if detail:
        start = LEFT + text_width(short) + SPACE
        parts.append(text_at(start, top + 15, fit(detail, room + LEFT - start, 13), "tick", detail))
    for column, word in zip(columns, words, strict=True):
        if word:
            parts.append(text_at(column.edge, top + 15, word, "number"))
    return parts


def draw_lanes(
    lanes: Sequence[Lane], columns: Sequence[Column], scale: Scale, top: float, lines: Sequence[Markup] = ()
) -> list[Markup]:
    """All lanes, the first one at ``top``, each ``PITCH`` high; ``lines`` lie behind words and marks."""
    bands: list[Markup] = []
    words: list[Markup] = []
    marks: list[Markup] = []
    for place, lane in enumerate(lanes):
        upper = top + place * PITCH
        bands += band(upper, place)
        words += lane_words(lane.name, lane.words, columns, upper, lane.detail)
        inside: list[Markup] = [tip(lane.tip)] if lane.tip else []
        if lane.low is not None and lane.high is not None:
            inside.append(whisker(scale, upper + MARK, lane.low, lane.high))
        if lane.value is not None:
            inside.append(mark(scale(lane.value), upper + MARK, lane.shape))
        marks.append(tag("g", *inside))
    return [*bands, *lines, *words, *marks]


def upright(x: float, places: Sequence[tuple[float, float]]) -> str:
    """The path of an upright line at x in each of the lanes' spans."""
    return "".join(f"M{number(x)} {number(upper)}V{number(lower)}" for upper, lower in places)
