"""Bars on stderr while something long runs: in a terminal only, and gone when it is done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from dabench.terminal import error_console

__all__ = ["Advance", "showing", "showing_all"]

Advance = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is, and of how much."""


@contextmanager
def showing_all() -> Iterator[Advance]:
    """Show one bar for each thing that is being done."""
    console = error_console()
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn())
    live = Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    )
    tasks: dict[str, TaskID] = {}

    def advance(words: str, done: int, total: int) -> None:
        if words not in tasks:
            tasks[words] = live.add_task(words, total=total)
        live.update(tasks[words], completed=done, total=total)

    with live:
        yield advance


@contextmanager
def showing(words: str) -> Iterator[Callable[[int, int], None]]:
    """Show one bar; what comes back is to be called with (done, in all).

    Args:
        words: what is being done, such as "checking runs".
    """
    with showing_all() as advance:
        yield lambda done, total: advance(words, done, total)
