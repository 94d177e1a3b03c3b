"""Consoles of the command line: as wide as the terminal, and wide enough for tables in a pipe or a file."""

import os
import sys

from rich.console import Console
from rich.text import Text

__all__ = ["PIPE_WIDTH", "error_console", "print_error", "standard_console", "visible"]

PIPE_WIDTH = 140


def standard_console() -> Console:
    """Return a console for results. A pipe has no width of its own; COLUMNS gives one."""
    wide = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(width=PIPE_WIDTH if wide else None)


def error_console() -> Console:
    """Return a console for errors."""
    return Console(stderr=True)


def visible(text: str) -> str:
    r"""Show what steers a terminal instead of sending it: messages quote files of strangers.

    >>> visible("a\x1b[2Jb\nc")
    'a\\x1b[2Jb\nc'
    """
    return "".join(sign if sign.isprintable() or sign in "\n\t" else ascii(sign)[1:-1] for sign in text)


def print_error(console: Console, message: str, hint: str = "") -> None:
    """Print what is wrong in one line and how to go on below it.

    Lines are left as long as they are: the terminal wraps them, and a command or path can still be copied.
    """
    text = Text.assemble(("error:", "bold red"), " ", visible(message))
    console.print(text, soft_wrap=True, highlight=False)
    if hint:
        console.print(Text(visible(hint)), soft_wrap=True, highlight=False)
