"""Progress of ``dabench bench``: a live bar in a terminal, plain lines elsewhere."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

__all__ = ["BenchDisplay"]


class BenchDisplay:
    """Shows what is prepared, which contenders are built, and the rounds.

    Args:
        console: to write to.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = console.is_terminal
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=console, disable=not self._live, transient=True)
        self._preparing: dict[str, TaskID] = {}
        self._building: TaskID | None = None
        self._blocks: TaskID | None = None

    def __enter__(self) -> "BenchDisplay":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def preparing(self, what: str, done: int, total: int) -> None:
        """Images of a domain are being put into the cache."""
        if self._live:
            if what not in self._preparing:
                self._preparing[what] = self._progress.add_task(f"prepare {what}", total=total)
            self._progress.update(self._preparing[what], completed=done, visible=done < total)
        elif done == total:
            self._console.print(f"prepared {what}: {total}", highlight=False)

    def expect(self, contenders: int, rounds: int) -> None:
        """Set how many contenders will be built, and how many rounds they will have."""
        if self._live:
            self._building = self._progress.add_task("build and warm up", total=contenders)
            self._blocks = self._progress.add_task("blocks", total=contenders * rounds)

    def built(self, name: str, calls: int) -> None:
        """A contender is built and warm; a block of it has so many calls."""
        if self._building is not None:
            self._progress.advance(self._building)
        else:
            self._console.print(f"built {name}: {calls} a block", highlight=False, markup=False)

    def block_done(self) -> None:
        """A block of a contender was timed."""
        if self._blocks is not None:
            self._progress.advance(self._blocks)
