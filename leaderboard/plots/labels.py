"""Labels of points in the plane, placed near their points without covering marks, lines or each other."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

__all__ = ["Box", "Label", "place_labels"]

HEIGHT = 14.0
# Degrees, as in mathematics: 90 is above.
ANGLES = (0, 180, 90, 270, 30, 330, 150, 210, 60, 300, 120, 240)
DISTANCES = (9.0, 13.0, 20.0, 30.0, 44.0, 60.0, 80.0, 110.0)
FAR = 12.0
OWN, OTHERS = 6.0, 10.0  # half the room of marks


@dataclass(frozen=True)
class Box:
    """A rectangle, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: "Box") -> float:
        """The shared area."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across * down if across > 0 and down > 0 else 0.0


@dataclass(frozen=True)
class Label:
    """Where a text of known width goes.

    Attributes:
        x, y: of its anchor on the baseline.
        anchor: which part of it lies there, so that widths that are guessed too large do no harm.
        far: it lies so far from its point that it needs a line to it.
    """

    x: float
    y: float
    anchor: Literal["", "mid", "end"]
    box: Box
    far: bool


def place_labels(
    points: Sequence[tuple[float, float]],
    widths: Sequence[float],
    area: Box,
    lines: Iterable[Box] = (),
) -> list[Label]:
    """Place one label a point, in the given order: near it, free of marks and other labels, rather off lines.

    Args:
        points: (x, y) of each mark.
        widths: of each text.
        area: that all labels stay in.
        lines: boxes of what a label had better not cross.
    """
    soft = tuple(lines)
    found: list[Label] = []
    for place, ((x, y), width) in enumerate(zip(points, widths, strict=True)):
        # A label near another mark would be read as that one's.
        reaches = (OWN if other == place else OTHERS for other in range(len(points)))
        hard = [Box(a - r, b - r, a + r, b + r) for (a, b), r in zip(points, reaches, strict=True)]
        hard += [label.box for label in found]
        found.append(_cheapest(x, y, width, partial(_cost, area=area, hard=hard, soft=soft)))
    return found


def _cheapest(x: float, y: float, width: float, cost: Callable[[Box], float]) -> Label:
    best = _candidate(x, y, width, DISTANCES[0], 0.0)
    least = DISTANCES[0] + cost(best.box)
    for distance in DISTANCES:
        if distance >= least:  # nothing further away can be better
            break
        for angle in ANGLES:
            label = _candidate(x, y, width, distance, math.radians(angle))
            price = distance + cost(label.box)
            if price < least:
                best, least = label, price
    return best


def _cost(box: Box, area: Box, hard: Iterable[Box], soft: Iterable[Box]) -> float:
    """In units of distance: a label goes further away rather than onto another one, but not for a line."""
    outside = _area(box) - box.overlap(area)
    covered = sum(box.overlap(other) for other in hard)
    return 20 * outside + 10 * covered + 0.25 * sum(box.overlap(other) for other in soft)


def _candidate(x: float, y: float, width: float, distance: float, angle: float) -> Label:
    """A label whose nearest edge lies at a distance from (x, y), in a direction."""
    across, up = math.cos(angle), math.sin(angle)
    left = x + distance * across - width * (1 - _sign(across)) / 2
    middle = y - distance * up - HEIGHT / 2 * _sign(up)
    box = Box(left - 1, middle - HEIGHT / 2, left + width + 1, middle + HEIGHT / 2)
    side = _sign(across)
    anchor: Literal["", "mid", "end"] = "" if side > 0 else "end" if side < 0 else "mid"
    return Label(left + width * (1 - side) / 2, middle + 4.5, anchor, box, distance > FAR)


def _sign(value: float) -> float:
    return 0.0 if abs(value) < 1e-9 else math.copysign(1.0, value)


def _area(box: Box) -> float:
    return (box.right - box.left) * (box.bottom - box.top)
