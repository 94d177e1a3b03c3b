"""Marks: what kind of row it is shows in the shape, not only in the colour."""

from typing import Literal

from markupsafe import Markup

from dabench.leaderboard.plots.axes import Scale
from dabench.leaderboard.plots.svg import number, tag
from dabench.leaderboard.rows import Row

__all__ = ["Shape", "cross", "cross_path", "mark", "shape_of", "whisker"]

Shape = Literal["full", "hollow", "diamond"]


def shape_of(row: Row) -> Shape:
    """Ranked rows are full circles, others hollow ones, upper bounds diamonds."""
    if row.upper_bound:
        return "diamond"
    return "full" if row.rank is not None else "hollow"


def mark(x: float, y: float, shape: Shape, *children: Markup, size: float = 5) -> Markup:
    """A mark with its centre at (x, y)."""
    class_ = f"mark {shape}"
    if shape == "diamond":
        reach = number(size * 1.25)
        d = f"M{number(x - size * 1.25)} {number(y)}l{reach} -{reach} {reach} {reach} -{reach} {reach}z"
        return tag("path", *children, d=d, class_=class_)
    return tag("circle", *children, cx=x, cy=y, r=size, class_=class_)


def cross_path(x: float, y: float, size: float = 4) -> str:
    """Path of a cross with its centre at (x, y)."""
    side = number(2 * size)
    return f"M{number(x - size)} {number(y - size)}l{side} {side}m0 -{side}l-{side} {side}"


def cross(x: float, y: float, *children: Markup, size: float = 4) -> Markup:
    """A seed that failed or collapsed."""
    return tag("path", *children, d=cross_path(x, y, size), class_="cross")


def whisker(scale: Scale, y: float, low: float, high: float) -> Markup:
    """An interval with caps; an end beyond the scale is an arrow head instead."""
    left, right = scale(low), scale(high)
    d = f"M{number(left)} {number(y)}H{number(right)}"
    if scale.holds(low):
        d += f"M{number(left)} {number(y - 4)}v8"
    else:
        d += f"M{number(left + 4)} {number(y - 4)}l-4 4 4 4"
    if scale.holds(high):
        d += f"M{number(right)} {number(y - 4)}v8"
    else:
        d += f"M{number(right - 4)} {number(y - 4)}l4 4 -4 4"
    return tag("path", d=d, class_="whisker")
