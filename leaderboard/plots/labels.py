"""Labels of points in the plane, placed near their points without covering marks, lines or each other."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Box", "Label", "place_labels"]

HEIGHT = 14.0
ANGLES = (0, 180, 90, 270, 45, 315, 135, 225)  # degrees, as in mathematics: 90 is above
DISTANCES = (9.0, 16.0, 26.0, 40.0, 58.0, 80.0, 110.0)


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
        x, y: of the left end of its baseline.
        far: it lies so far from its point that it needs a line to it.
    """

    x: float
    y: float
    box: Box
    far: bool


def place_labels(
    points: Sequence[tuple[float, float]],
    widths: Sequence[float],
    area: Box,
    obstacles: Iterable[Box] = (),
) -> list[Label]:
    """Place one label a point, in the given order: the nearest place that is free, else the least covered.

    Args:
        points: (x, y) of each mark.
        widths: of each text.
        area: that all labels stay in.
        obstacles: other boxes to keep out of, such as those of lines.
    """
    taken = [*obstacles, *(Box(x - 6, y - 6, x + 6, y + 6) for x, y in points)]
    found = []
    for (x, y), width in zip(points, widths, strict=True):
        best: tuple[float, Label] | None = None
        for distance in DISTANCES:
            for angle in ANGLES:
                label = _candidate(x, y, width, distance, math.radians(angle))
                box = label.box
                outside = _area(box) - box.overlap(area)
                cost = sum(box.overlap(other) for other in taken) + 10 * outside
                if best is None or cost < best[0] - 1e-9:
                    best = (cost, label)
            if best is not None and best[0] < 1e-9:
                break
        assert best is not None
        found.append(best[1])
        taken.append(best[1].box)
    return found


def _candidate(x: float, y: float, width: float, distance: float, angle: float) -> Label:
    """A label whose nearest edge lies at a distance from (x, y), in a direction."""
    across, up = math.cos(angle), math.sin(angle)
    left = x + distance * across - width * (1 - _sign(across)) / 2
    middle = y - distance * up - HEIGHT / 2 * _sign(up)
    box = Box(left - 1, middle - HEIGHT / 2, left + width + 1, middle + HEIGHT / 2)
    return Label(left, middle + 4.5, box, distance > 2 * DISTANCES[0])


def _sign(value: float) -> float:
    return 0.0 if abs(value) < 1e-9 else math.copysign(1.0, value)


def _area(box: Box) -> float:
    return (box.right - box.left) * (box.bottom - box.top)
