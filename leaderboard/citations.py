"""BibTeX of the methods in a table: the registered entry, else one made from what a record says."""

import re
from collections.abc import Iterable

from dabench.discovery import discover_methods
from dabench.leaderboard.rows import Row
from dabench.method import METHODS

__all__ = ["citations"]

NO_PAPER = "no paper"
# What LaTeX reads as a command; a record's text may hold anything.
SPECIAL = {
    "\\": r"\textbackslash ",
    "{": r"\textbraceleft ",
    "}": r"\textbraceright ",
    "~": r"\textasciitilde ",
    "^": r"\textasciicircum ",
    **{sign: f"\\{sign}" for sign in "&%$#_"},
}


def citations(rows: Iterable[Row]) -> dict[str, str]:
    """Method to BibTeX entry; methods without a paper, such as the bounds, have none."""
    discover_methods()
    found: dict[str, str] = {}
    for row in rows:
        entry = METHODS.get(row.method).cls.bibtex.strip() if row.method in METHODS else _told(row)
        if entry:
            found[row.method] = entry
    return dict(sorted(found.items()))


def _told(row: Row) -> str:
    """An entry from the title and the paper in a method's newest record."""
    paper = row.group.paper.strip()
    if not paper or paper.startswith(NO_PAPER):
        return ""
    key = re.sub(r"[^A-Za-z0-9]+", "-", row.method).strip("-") or "method"
    title = row.group.title.strip() or row.method
    return f"@misc{{{key},\n  title = {{{_escaped(title)}}},\n  note  = {{{_escaped(paper)}}}\n}}"


def _escaped(text: str) -> str:
    return "".join(SPECIAL.get(sign, sign) for sign in " ".join(text.split()))
