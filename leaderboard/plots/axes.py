"""Scales, round ticks, axes, and labels that keep out of each other's way. Lengths are in the SVG's units."""

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from markupsafe import Markup

from dabench.leaderboard.plots.svg import WIDTH, number, tag, text_at

__all__ = [
    "Scale",
    "around",
    "bottom_axis",
    "dodge",
    "fit",
    "left_axis",
    "text_width",
    "tick_text",
    "ticks",
]

MINUS = "−"


@dataclass(frozen=True)
class Scale:
    """Data from ``low`` to ``high`` on lengths from ``start`` to ``stop``, linear or by the logarithm."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Where a value lies; values beyond the ends lie at the ends.

        >>> Scale(0, 10, 100, 200)(2.5), Scale(1, 100, 0, 1, log=True)(10)
        (125.0, 0.5)
        """
        bounded = min(max(value, self.low), self.high)
        low, high = self._form(self.low), self._form(self.high)
        part = (self._form(bounded) - low) / (high - low) if high > low else 0.5
        return self.start + part * (self.stop - self.start)

    def holds(self, value: float) -> bool:
        """Whether a value lies between the ends."""
        return self.low <= value <= self.high

    def _form(self, value: float) -> float:
        return math.log(value) if self.log else value


def around(
    values: Iterable[float],
    start: float,
    stop: float,
    within: tuple[float, float] = (-math.inf, math.inf),
    smallest: float = 1.0,
) -> Scale:
    """A linear scale that holds all values with some air, but nothing outside of ``within``.

    Args:
        values: at least one.
        start: the length of the scale's lower end.
        stop: the length of its upper end.
        within: the values that are possible.
        smallest: the least range, so that rounding does not look like an effect.
    """
    known = list(values)
    low, high = min(known), max(known)
    air = max(0.05 * (high - low), (smallest - (high - low)) / 2)
    return Scale(max(low - air, within[0]), min(high + air, within[1]), start, stop)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from low to high, at most ``most``: steps of 1, 2 or 5 times a power of ten.

    >>> ticks(88.2, 100, 6)
    [90.0, 92.0, 94.0, 96.0, 98.0, 100.0]
    """
    if not high > low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (power, 2 * power, 5 * power, 10 * power, 20 * power, 50 * power):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            return [round(k * step, 12) for k in range(first, last + 1)]
    return [low]


def tick_text(value: float, others: Sequence[float], signed: bool = False) -> str:
    """A tick with the decimals that its axis needs.

    >>> tick_text(90.0, [90.0, 92.5]), tick_text(-2.0, [-2.0, 0.0], signed=True)
    ('90.0', '−2')
    """
    decimals = max((len(f"{one:.10f}".rstrip("0").partition(".")[2]) for one in others), default=0)
    text = f"{value:+.{decimals}f}" if signed and value else f"{value:.{decimals}f}"
    return text.replace("-", MINUS)


def bottom_axis(
    scale: Scale,
    spans: Sequence[tuple[float, float]],
    bottom: float,
    title: str,
    marks: Sequence[tuple[float, str]] | None = None,
) -> list[Markup]:
    """Light upright grid lines, their numbers below them, and what the axis shows.

    Args:
        scale: of the horizontal direction.
        spans: where grid lines are drawn, (upper, lower) each.
        bottom: numbers need 18 units below it, the title 18 more.
        title: with its unit.
        marks: (value, text) of each tick; None for round numbers.
    """
    if marks is None:
        places = ticks(scale.low, scale.high)
        marks = [(value, tick_text(value, places)) for value in places]
    lines = "".join(
        f"M{number(scale(value))} {number(upper)}V{number(lower)}"
        for value, _ in marks
        for upper, lower in spans
    )
    middle = (scale.start + scale.stop) / 2
    parts = [tag("path", d=lines, class_="grid")] if lines else []
    for value, text in marks:
        half = text_width(text, 13) / 2
        inside = min(max(scale(value), half), max(WIDTH - half, half))  # the outermost ones too
        parts.append(text_at(inside, bottom + 15, text, "tick mid"))
    return [*parts, text_at(middle, bottom + 33, title, "tick mid")]


def left_axis(
    scale: Scale, left: float, right: float, most: int = 5, marks: Sequence[tuple[float, str]] | None = None
) -> list[Markup]:
    """Light grid lines from left to right with their numbers left of them."""
    if marks is None:
        places = ticks(scale.low, scale.high, most)
        marks = [(value, tick_text(value, places)) for value in places]
    lines = "".join(f"M{number(left)} {number(scale(value))}H{number(right)}" for value, _ in marks)
    parts = [tag("path", d=lines, class_="grid")] if marks else []
    return parts + [text_at(left - 5, scale(value) + 4.5, text, "tick end") for value, text in marks]


def text_width(text: str, size: float = 14) -> float:
    """About how wide a text is, in DejaVu Sans, the widest of the page's fonts; others leave some room."""
    return size * sum(_width(letter) for letter in text)


@cache
def _width(letter: str) -> float:
    if letter in "ijl.,:;|!'()[]":
        return 0.36
    if letter in "mMW@":
        return 1.05
    if letter in "w%→":
        return 0.95
    if unicodedata.category(letter) in ("Cf", "Mn"):  # marks of direction, accents
        return 0.0
    if ord(letter) >= 0x1100:
        return 1.0
    return 0.72 if letter.isupper() else 0.63


@lru_cache(4096)
def fit(text: str, room: float, size: float = 14) -> str:
    """The text, cut in its middle where it is too wide: names often differ in their ends alone.

    >>> fit("gsda-glb-cls-grp", 200), fit("gsda-glb-cls-grp", 110)
    ('gsda-glb-cls-grp', 'gsda-…s-grp')
    """
    if text_width(text, size) <= room:
        return text
    for kept in range(min(len(text), 80), 1, -1):
        cut = f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
        if text_width(cut, size) <= room:
            return cut
    return "…"


def dodge(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places at least ``gap`` apart and between low and high, as near to the wanted ones as that allows.

    Least squares: neighbours that are too near share their mean (pooling of adjacent violators). Where the
    room is too small for all, the gaps shrink alike.

    >>> dodge([10, 11, 30], 4, 0, 100)
    [8.5, 12.5, 30.0]
    """
    if not wanted:
        return []
    gap = min(gap, (high - low) / max(len(wanted) - 1, 1))
    order = sorted(range(len(wanted)), key=lambda k: (wanted[k], k))
    blocks: list[tuple[float, int]] = []  # mean of wanted - k * gap, members
    for place, index in enumerate(order):
        mean, size = float(wanted[index] - place * gap), 1
        while blocks and blocks[-1][0] > mean:
            before, count = blocks.pop()
            mean, size = (before * count + mean * size) / (count + size), count + size
        blocks.append((mean, size))
    flat = [mean for mean, size in blocks for _ in range(size)]
    last = high - (len(wanted) - 1) * gap
    found = [0.0] * len(wanted)
    for place, index in enumerate(order):
        found[index] = min(max(flat[place], low), last) + place * gap
    return found
