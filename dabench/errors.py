"""Errors that are the user's to mend: each says what was wrong, where, what was expected and how to go on."""

import difflib
from collections.abc import Iterable, Iterator

__all__ = ["MissingDataError", "UserError", "did_you_mean", "error_chain", "unknown"]

MOST_LINKS = 4


class UserError(Exception):
    """A mistake that the user can mend. The command line prints it without a traceback and exits with 2.

    Attributes:
        hint: how to go on, or an empty string.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class MissingDataError(UserError):
    """Images, labels or weights that are not on this machine; the hint says how to get them."""


def error_chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from, the last one first; at most four."""
    link: BaseException | None = error
    for _ in range(MOST_LINKS):
        if link is None:
            return
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return "did you mean 'x'?" for the closest of the choices, or an empty string.

    >>> did_you_mean("gdsa", ["gsda", "dann"])
    "did you mean 'gsda'?"
    """
    by_lower = {choice.lower(): choice for choice in choices}
    part = word.lower()
    close = difflib.get_close_matches(part, by_lower, n=1, cutoff=0.5)
    if not close and part:  # the beginning of a name, or the last part of a dotted one
        longer = [name for name in by_lower if name.startswith(part) or name.endswith(f".{part}")]
        close = sorted(longer, key=lambda name: (len(name), name))[:1]
    return f"did you mean '{by_lower[close[0]]}'?" if close else ""


def unknown(kind: str, word: str, choices: Iterable[str], where: str = "") -> UserError:
    """Build the error for a name that is not among the choices, with a suggestion."""
    available = sorted(choices)
    shown = ", ".join(available[:40]) + (", ..." if len(available) > 40 else "")
    hint = f"{did_you_mean(word, available)} available: {shown}".strip()
    return UserError(f"{where + ': ' if where else ''}unknown {kind} '{word}'", hint)
