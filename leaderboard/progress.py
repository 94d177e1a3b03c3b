"""A bar on stderr while something long runs: in a terminal only, and gone when it is done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dabench.terminal import error_console

__all__ = ["showing"]


@contextmanager
def showing(words: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar; what comes back is to be called with (done, in all).

    Args:
        words: what is being done, such as "checking runs".
    """
    console = error_console()
    columns = (TextColumn(words), BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)

        def advance(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield advance
