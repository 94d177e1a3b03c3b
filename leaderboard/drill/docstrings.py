"""Docstrings for a page: paragraphs, lists and equations, out of text that was wrapped by hand."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

__all__ = ["Block", "blocks"]

Kind = Literal["paragraph", "list", "verbatim"]
ITEM = re.compile(r"[-*] +")


@dataclass(frozen=True)
class Block:
    """A paragraph or an indented part (one text, line breaks that the author meant kept), or a list's items.

    Each text is split at double backticks: every second piece is code.
    """

    kind: Kind
    texts: tuple[tuple[str, ...], ...]


def blocks(text: str) -> tuple[Block, ...]:
    r"""Split a docstring, already without its common indentation.

    A line that the next word would still have fitted on was broken on purpose; all others are joined.

    >>> [block.kind for block in blocks("Minimise\n\n    a + b\n\nwith\n- a: one\n- b: two")]
    ['paragraph', 'verbatim', 'paragraph', 'list']
    """
    lines = [line.rstrip() for line in text.expandtabs().splitlines()]
    width = max(map(len, lines), default=0)
    return tuple(block for part in _parts(lines) for block in _block(part, width))


def _parts(lines: Sequence[str]) -> Iterator[list[str]]:
    """Split at empty lines, and where a list begins or ends."""
    part: list[str] = []
    for line in lines:
        if part and (not line or _changes(part, line)):
            yield part
            part = []
        if line:
            part.append(line)
    if part:
        yield part


def _changes(part: Sequence[str], line: str) -> bool:
    listed = ITEM.match(part[0]) is not None
    if listed:
        return not (ITEM.match(line) or line.startswith(" "))
    return ITEM.match(line) is not None


def _block(part: Sequence[str], width: int) -> Iterator[Block]:
    if all(line.startswith("  ") for line in part):
        least = min(len(line) - len(line.lstrip()) for line in part)
        yield Block("verbatim", (_coded("\n".join(line[least:] for line in part)),))
    elif ITEM.match(part[0]):
        items: list[list[str]] = []
        for line in part:
            head = ITEM.match(line)
            if head:
                items.append([line[head.end() :]])
            else:
                items[-1].append(line.strip())
        yield Block("list", tuple(_coded(" ".join(item)) for item in items))
    else:
        yield Block("paragraph", (_coded(_joined(part, width)),))


def _joined(lines: Sequence[str], width: int) -> str:
    text = lines[0].strip()
    for before, line in pairwise(lines):
        word = line.split(maxsplit=1)[0]
        meant = len(before) + 1 + len(word) <= width
        text += f"\n{line.strip()}" if meant else f" {line.strip()}"
    return text


def _coded(text: str) -> tuple[str, ...]:
    pieces = text.split("``")
    return tuple(pieces) if len(pieces) % 2 else (text,)
