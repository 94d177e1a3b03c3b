"""Rows of a forest plot: a line of words and numbers each, and below it a mark with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dabench.leaderboard.plots.axes import Scale, fit, text_width
from dabench.leaderboard.plots.marks import Shape, mark, whisker
from dabench.leaderboard.plots.svg import WIDTH, tag, text_at, tip

__all__ = ["LEFT", "PITCH", "RIGHT", "Column", "Lane", "draw_lanes", "heads", "lane_words"]

LEFT, RIGHT = 8.0, WIDTH - 8.0
PITCH = 38.0  # of a lane
MARK = 26.0  # from a lane's top to its mark


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
        tone: ``up``, ``down`` or nothing: a class that colours what the mark's place says already.
        tip: shown under the pointer on the mark.
    """

    name: str
    words: tuple[str, ...]
    value: float | None
    low: float | None = None
    high: float | None = None
    shape: Shape = "full"
    tone: str = ""
    tip: str = ""


def heads(columns: Sequence[Column], baseline: float) -> list[Markup]:
    """The heads of the columns."""
    return [text_at(column.edge, baseline, column.head, "tick end") for column in columns]


def lane_words(name: str, words: Sequence[str], columns: Sequence[Column], top: float) -> list[Markup]:
    """The line of words of a lane, the name as long as the columns leave room."""
    used = [column.edge - text_width(word, 13) for column, word in zip(columns, words, strict=True) if word]
    room = min([*used, RIGHT]) - LEFT - 8
    parts = [text_at(LEFT, top + 14, fit(name, room), "name", name)]
    for column, word in zip(columns, words, strict=True):
        if word:
            parts.append(text_at(column.edge, top + 14, word, "number"))
    return parts


def draw_lanes(lanes: Sequence[Lane], columns: Sequence[Column], scale: Scale, top: float) -> list[Markup]:
    """All lanes, the first one at ``top``, each ``PITCH`` high."""
    parts: list[Markup] = []
    for place, lane in enumerate(lanes):
        upper = top + place * PITCH
        parts += lane_words(lane.name, lane.words, columns, upper)
        inside: list[Markup] = [tip(lane.tip)] if lane.tip else []
        if lane.low is not None and lane.high is not None:
            inside.append(whisker(scale, upper + MARK, lane.low, lane.high, lane.tone))
        if lane.value is not None:
            inside.append(mark(scale(lane.value), upper + MARK, lane.shape, tone=lane.tone))
        parts.append(tag("g", *inside))
    return parts
