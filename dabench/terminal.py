"""Consoles of the command line: wide enough for tables, and never the reason why a run fails."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import IO, Any, cast

from rich.console import Console
from rich.text import Text

__all__ = [
    "PIPE_WIDTH", "error_console", "print_error", "standard_console", "steady", "steady_output", "visible",
]  # fmt: skip

PIPE_WIDTH = 140
# A reader that has read enough, a terminal that hung up: nobody is left who would want to hear of it.
GONE = frozenset({errno.EPIPE, errno.EIO})


class _Steady:
    """A stream whose first failing write silences it: what is computed outlives whoever reads along."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._silent = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write; signs that the stream cannot encode become escapes."""
        if not self._silent:
            try:
                try:
                    self._stream.write(text)
                except UnicodeEncodeError:
                    encoding = getattr(self._stream, "encoding", "ascii")
                    self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            except (OSError, ValueError) as error:  # ValueError: the stream is closed
                self._silence(error)
        return len(text)

    def flush(self) -> None:
        """Flush."""
        if not self._silent:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._silence(error)

    def _silence(self, error: Exception) -> None:
        self._silent = True
        with contextlib.suppress(OSError, ValueError, AttributeError):  # not every stream has a number
            number = self._stream.fileno()
            if number in (1, 2):  # also for what others print, and for what Python writes at exit
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, number)
                os.close(null)
            if number == 1 and isinstance(error, OSError) and error.errno not in GONE:
                note = f"note: nothing more is written to standard output: {error.strerror}"
                error_console().print(note, soft_wrap=True, highlight=False)


def _steady(stream: IO[str]) -> IO[str]:
    return stream if isinstance(stream, _Steady) else cast("IO[str]", _Steady(stream))


def steady(console: Console) -> Console:
    """Return the console, which from now on goes silent where writing fails, instead of raising."""
    console.file = _steady(console.file)
    return console


def standard_console() -> Console:
    """Return a steady console for results. A pipe has no width of its own; COLUMNS gives one."""
    terminal = sys.stdout is not None and sys.stdout.isatty()  # None: closed before Python began
    wide = not terminal and "COLUMNS" not in os.environ
    return steady(Console(width=PIPE_WIDTH if wide else None))


def error_console() -> Console:
    """Return a steady console for errors."""
    return steady(Console(stderr=True))


@contextlib.contextmanager
def steady_output() -> Iterator[None]:
    """Make standard output and errors steady, also for what is printed without a console."""
    with contextlib.ExitStack() as stack:
        for stream, redirected in (
            (sys.stdout, contextlib.redirect_stdout), (sys.stderr, contextlib.redirect_stderr),
        ):  # fmt: skip
            if stream is not None:
                calm = _steady(stream)
                stack.enter_context(redirected(calm))
                stack.callback(calm.flush)
        yield


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
