"""Sentences about files of strangers, safe to print: whatever a name or a message holds."""

from collections.abc import Sequence

__all__ = ["MOST_SENTENCES", "few", "plain"]

LONGEST = 400  # characters of a sentence
MOST_SENTENCES = 12  # of one record


def plain(text: str, longest: int = LONGEST) -> str:
    r"""One line without control characters, halves of surrogate pairs or marks that turn the direction.

    A terminal would obey some of them, and a reader would see another text than is there.

    >>> print(plain("a\x1b[31mb\nc"))
    a\x1b[31mb\nc
    """
    safe = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text[: longest + 1])
    return safe if len(safe) <= longest else f"{safe[: longest - 1]}…"


def few(sentences: Sequence[str]) -> tuple[str, ...]:
    """The first sentences, made safe, and how many there are besides."""
    shown = tuple(plain(one) for one in sentences[:MOST_SENTENCES])
    more = len(sentences) - len(shown)
    return (*shown, f"and {more} more") if more else shown
