"""What every plot returns: a picture with a name, a title and the same content in words."""

from dataclasses import dataclass

from markupsafe import Markup

__all__ = ["Picture"]


@dataclass(frozen=True)
class Picture:
    """An inline SVG and what stands for it where it is not seen.

    Attributes:
        name: unique on its page, safe as an id and a file's name.
        title: a few words.
        text: what the picture shows, in sentences with its main numbers.
        svg: complete element with ``role="img"``, ``<title>`` and ``<desc>``; every text in it is escaped.
        wide: it needs more width than a phone has, and is scrolled there.
    """

    name: str
    title: str
    text: str
    svg: Markup
    wide: bool = False
