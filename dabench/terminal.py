"""Consoles of the command line: as wide as the terminal, and wide enough for tables in a pipe or a file."""

import os
import sys

from rich.console import Console
from rich.text import Text

__all__ = ["PIPE_WIDTH", "error_console", "print_error", "standard_console"]

PIPE_WIDTH = 140


def standard_console() -> Console:
    """Return a console for results. A pipe has no width of its own; COLUMNS gives one."""
    wide = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(width=PIPE_WIDTH if wide else None)


def error_console() -> Console:
    """Return a console for errors."""
    return Console(stderr=True)


def print_error(console: Console, message: str, hint: str = "") -> None:
    """Print what is wrong in one line and how to go on below it.

    Lines are left as long as they are: the terminal wraps them, and a command or path can still be copied.
    """
    text = Text.assemble(("error:", "bold red"), " ", message)
    console.print(text, soft_wrap=True, highlight=False)
    if hint:
        console.print(Text(hint), soft_wrap=True, highlight=False)
