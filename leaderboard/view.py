"""How numbers and names look: percent, signs, safe file names, the small interval marks. Pure functions."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from dabench.leaderboard.choices import LAST
from dabench.leaderboard.statistics.intervals import Difference, Interval, Share

__all__ = [
    "HEAT_STEPS",
    "MINUS",
    "Mark",
    "arrow",
    "capital",
    "duration",
    "half_width",
    "heat",
    "interval_names",
    "mark",
    "metric_name",
    "p_value",
    "percent",
    "points",
    "printed",
    "shades",
    "share_range",
    "short",
    "slug",
    "step_words",
]

MINUS = "−"  # the typographic sign has the width of a plus
# Gains from which on a cell takes the next shade, in percentage points; below the first it has none.
HEAT_STEPS = (0.5, 2.0, 5.0, 10.0)
METRICS = {"accuracy": "accuracy", "mean_class_accuracy": "mean class accuracy"}


def percent(value: float) -> str:
    """A part of one as percent with two decimals, without the sign: 0.7167 gives 71.67."""
    return f"{100 * value:.2f}"


def points(value: float) -> str:
    """A difference in percentage points, always signed.

    >>> points(0.0123), points(-0.0123), points(-0.00001)
    ('+1.23', '−1.23', '0.00')
    """
    text = f"{100 * value:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text.replace("-", MINUS)


def heat(gain: float) -> str:
    """The shade of a gain in [-1, 1]: p1 to p4 above zero, m1 to m4 below, nothing near zero.

    >>> heat(0.0712), heat(-0.0712), heat(0.002)
    ('p3', 'm3', '')
    """
    step = sum(abs(100 * gain) >= edge for edge in HEAT_STEPS)
    return "" if not step else f"{'p' if gain > 0 else 'm'}{step}"


def interval_names(intervals: Iterable[Interval | None]) -> str:
    """What the intervals of a table are called.

    >>> interval_names([Interval(0.5, 0.1, 3), None, Interval(0.5, 0.1, 9, "stratified bootstrap")])
    'Student-t or stratified bootstrap'
    """
    kinds = {one.kind for one in intervals if one is not None and one.half_width is not None}
    return " or ".join(sorted("Student-t" if kind == "t" else kind for kind in kinds)) or "Student-t"


def p_value(p: float) -> str:
    """A probability with three decimals.

    >>> p_value(0.0357), p_value(0.00002), p_value(1.0)
    ('0.036', '<0.001', '1.000')
    """
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def shades() -> tuple[tuple[str, str], ...]:
    """Each shade of ``heat`` with the gains that it stands for, from the largest loss to the largest gain."""
    edges = [f"{edge:g}" for edge in HEAT_STEPS]
    spans = [*(f"{low} to {high}" for low, high in pairwise(edges)), f"{edges[-1]} and more"]
    losses = [(f"m{step}", f"{MINUS}{words}") for step, words in enumerate(spans, 1)]
    gains = [(f"p{step}", f"+{words}") for step, words in enumerate(spans, 1)]
    return (*reversed(losses), ("", f"less than {edges[0]}"), *gains)


def capital(text: str) -> str:
    """The text as the start of a sentence; the rest stays as it is."""
    return text[:1].upper() + text[1:]


def half_width(interval: Interval) -> str:
    """The half-width of an interval in percentage points, or nothing where there is none."""
    return "" if interval.half_width is None else f"±{percent(interval.half_width)}"


def share_range(share: Share) -> str:
    """The interval of a share in percent, or nothing where there is none.

    >>> share_range(Share(0.5, 0.4312, 0.58, 3))
    '43.1 to 58.0'
    """
    if share.low is None or share.high is None:
        return ""
    return f"{100 * share.low:.1f} to {100 * share.high:.1f}".replace("-", MINUS)


def step_words(rules: Iterable[str]) -> str:
    """Where the numbers of a table were taken.

    >>> step_words(["last"]), step_words(["oracle", "snd"])
    ('at the last step', 'at the step that oracle or snd chose')
    """
    names = list(rules)
    return "at the last step" if names == [LAST] else f"at the step that {' or '.join(names)} chose"


def printed(value: float) -> str:
    """A published figure with the decimals it needs, at least one: 100.0, 89.7, 52.35."""
    return f"{value:.1f}" if round(value, 1) == round(value, 6) else f"{value:.2f}"


def duration(seconds: float) -> str:
    """Seconds for people.

    >>> duration(3.21), duration(75), duration(7260)
    ('3.2 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = int(seconds // 60)
    return (
        f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {int(seconds % 60)} s"
    )


def metric_name(metric: str) -> str:
    """The metric in words."""
    return METRICS.get(metric, metric)


def short(text: str, longest: int = 400) -> str:
    """A text cut to a length that a table bears."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def slug(*parts: str) -> str:
    """A name for files and links, safe on every system and unique by a digest of the exact parts.

    >>> slug("office31", "cdan+e")
    'office31-cdan-e-e365ef21'
    """
    readable = "-".join(re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-") for part in parts)
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:8]
    return f"{readable[:60].strip('-')}-{digest}"


def arrow(task: str) -> str:
    """A task's name for people.

    >>> arrow("A->W")
    'A→W'
    """
    return task.replace("->", "→")


@dataclass(frozen=True)
class Mark:
    """A difference drawn on a common axis, all in pixels from the left."""

    zero: float
    mean: float
    low: float
    high: float
    width: int


def mark(gain: Difference, gains: Iterable[Difference], width: int = 76, margin: int = 6) -> Mark:
    """Place one difference on the axis that all gains of a table share; zero is always on it.

    The axis spans the means and as much again on either side for the intervals, so that one wide interval
    (two seeds) does not squeeze all others; what lies beyond is cut at the edge.
    """
    intervals = [one.interval for one in gains]
    means = [0.0, *(one.mean for one in intervals)]
    ends = [end for one in intervals for end in (one.low, one.high) if end is not None]
    spread = max(max(means) - min(means), 0.001)
    low = max(min(means) - spread, min([*means, *ends]))
    high = max(min(max(means) + spread, max([*means, *ends])), low + 0.001)

    def place(value: float | None) -> float:
        number = gain.interval.mean if value is None else value
        part = (min(max(number, low), high) - low) / (high - low)
        return round(margin + part * (width - 2 * margin), 1)

    one = gain.interval
    return Mark(place(0.0), place(one.mean), place(one.low), place(one.high), width)
