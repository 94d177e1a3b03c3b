"""Elements of an SVG: every text and attribute escaped, lengths rounded to a tenth of a pixel.

A picture must be well-formed on its own too, so characters that XML forbids are replaced.
"""

import re
from collections.abc import Iterable

from markupsafe import Markup, escape

from dabench.leaderboard.plots.picture import Picture

__all__ = ["WIDTH", "Boxes", "clean", "document", "number", "points_path", "tag", "text_at", "tip"]

# Narrow: on a phone of 360 px, where a picture fills the width, letters of 14 units are 11 px high.
WIDTH = 400.0
# On wide screens a picture is shown larger than its units by this factor: its letters match the page's.
MAGNIFIED = 1.25
# Up to this width a picture is shrunk to a phone's screen; a wider one is scrolled there.
SHRUNK = 440.0

FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    """The text with characters that XML does not allow replaced."""
    return FORBIDDEN.sub("\ufffd", text)


def number(value: float) -> str:
    """A length in an attribute: at most one decimal, none where it is zero.

    >>> number(12.04), number(12.06), number(-0.01)
    ('12', '12.1', '0')
    """
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def tag(name: str, *children: str | None, **attributes: str | float | None) -> Markup:
    """An element. Children that are no ``Markup`` are escaped; None is left out.

    Attributes are named as in Python: ``class_`` is class, ``text_anchor`` is text-anchor.

    >>> tag("text", "a < b", class_="name", x=1.25, y=None)
    Markup('<text class="name" x="1.2">a &lt; b</text>')
    """
    parts = [f"<{name}"]
    for key, value in attributes.items():
        if value is not None:
            shown = clean(value) if isinstance(value, str) else number(value)
            parts.append(f' {key.rstrip("_").replace("_", "-")}="{escape(shown)}"')
    inside = "".join(
        child if isinstance(child, Markup) else escape(clean(child))
        for child in children
        if child is not None
    )
    parts.append(f">{inside}</{name}>" if inside else "/>")
    return Markup("".join(parts))


def tip(text: str) -> Markup:
    """The title of a mark, which browsers show under the pointer."""
    return tag("title", text)


def text_at(x: float, y: float, text: str, class_: str | None = None, full: str = "") -> Markup:
    """A line of text with its baseline at (x, y); ``full`` is shown under the pointer where it was cut."""
    title = tip(full) if full and full != text else None
    return tag("text", title, text, x=x, y=y, class_=class_)


def points_path(points: Iterable[tuple[float, float]]) -> str:
    """The path through points, each an (x, y)."""
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)


def document(
    name: str, title: str, text: str, height: float, parts: Iterable[Markup], width: float = WIDTH
) -> Picture:
    """A picture from the elements in it; one wider than ``SHRUNK`` is scrolled on a phone.

    Args:
        name: unique on the page; starts the ids.
        title: a few words.
        text: what it shows, in sentences.
        height: of the drawing, in units.
        parts: elements below the root.
        width: of the drawing, in units.
    """
    wide = width > SHRUNK
    factor = 1.0 if wide else MAGNIFIED
    head = (
        tag("title", title, id=f"{name}-title"),
        tag("desc", text, id=f"{name}-text"),
    )
    svg = tag(
        "svg", *head, *parts,
        xmlns="http://www.w3.org/2000/svg",
        class_="plot wide" if wide else "plot",
        role="img",
        aria_labelledby=f"{name}-title {name}-text",
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=width * factor,
        height=height * factor,
    )  # fmt: skip
    return Picture(name, title, text, svg, wide)


class Boxes:
    """Cells of one size, drawn as one path for each kind: a picture of hundreds of cells stays small.

    Args:
        width: of a cell, in units.
        height: of a cell.
    """

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self._found: dict[str, list[str]] = {}

    def add(self, kind: str, x: float, y: float) -> None:
        """A cell of a kind, its upper left corner at (x, y)."""
        across, down = number(self.width - 2), number(self.height - 2)
        d = f"M{number(x + 1)} {number(y + 1)}h{across}v{down}h-{across}z"
        self._found.setdefault(kind, []).append(d)

    def paths(self, class_: str) -> list[Markup]:
        """A path for each kind, sorted."""
        return [
            tag("path", d="".join(self._found[kind]), class_=f"{class_} {kind}")
            for kind in sorted(self._found)
        ]
