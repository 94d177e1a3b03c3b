"""Progress of a sweep: one live display in a terminal, plain lines elsewhere."""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from dabench.failures import first_line
from dabench.plan import PlannedRun
from dabench.records import Evaluation, Record
from dabench.terminal import steady

__all__ = ["SweepDisplay"]

MOST_NAMED = 3


class SweepDisplay:
    """Shows the sweep (run i of n, time left) and the current run (step, losses, target-free metrics).

    Accuracies on the target appear only when a run has ended, so that nobody stops a run by them.
    The runs go on where it cannot be written any more: a pipe that is closed, a terminal that hung up.

    Args:
        console: to write to; becomes steady.
        total: runs of the sweep.
    """

    def __init__(self, console: Console, total: int) -> None:
        self._console = steady(console)
        self._live = console.is_terminal
        self._number = 0
        self._total = total
        self._started = time.perf_counter()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", style="dim", markup=False),
            console=console,
            disable=not self._live,
        )
        self._sweep = self._progress.add_task("sweep", total=total, note="")
        self._run: TaskID | None = None
        self._preparing: dict[str, TaskID] = {}
        self._shown = 0.0
        self._awaited: list[str] = []
        self.ended: list[Record] = []  # here or elsewhere, for who sums up a sweep that broke off

    def __enter__(self) -> "SweepDisplay":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def expect(self, total: int) -> None:
        """Set the number of runs, once it is known."""
        self._total = total
        self._started = time.perf_counter()
        self._progress.update(self._sweep, total=total)

    def preparing(self, what: str, done: int, total: int) -> None:
        """Images or features of a domain are being put into the cache; what names them."""
        if self._live:
            if what not in self._preparing:
                self._preparing[what] = self._progress.add_task(f"prepare {what}", total=total, note="")
            self._progress.update(self._preparing[what], completed=done, visible=done < total)
        elif done == total:
            self._console.print(f"prepared {what}: {total}", highlight=False, markup=False)

    def begin(self, run: PlannedRun, number: int, total: int) -> None:
        """Run number (from 1) of total starts."""
        self._number = number
        if self._live:
            self._run = self._progress.add_task(run.label, total=run.config.steps, note="")
        else:
            self._console.print(f"[{number}/{total}] {run.label}", highlight=False, markup=False)

    def advance(self, step: int, losses: Mapping[str, float], evaluation: Evaluation | None) -> None:
        """A step is done; losses and evaluation come with evaluations only."""
        note = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
        if evaluation is not None and evaluation.target_entropy is not None:
            note += f"{', ' if note else ''}target entropy {evaluation.target_entropy:.3f}"
        if self._live and self._run is not None:
            now = time.perf_counter()
            if note or now - self._shown > 0.1:
                self._shown = now
                self._progress.update(self._run, completed=step)
                if note:
                    self._progress.update(self._run, note=note)
        elif note and evaluation is not None:
            self._console.print(f"    step {step}: {note}", highlight=False, markup=False)

    def end(self, run: PlannedRun, record: Record) -> None:
        """The run's record is written."""
        self.ended.append(record)
        if self._live and self._run is not None:
            self._progress.remove_task(self._run)
            self._run = None
        self._progress.update(self._sweep, completed=self._number)
        left = (time.perf_counter() - self._started) / self._number * (self._total - self._number)
        tail = "" if self._live else f"  about {left / 60:.0f} min left" if left > 60 else ""
        self._console.print(f"{run.label}: {self.outcome(record)}{tail}", highlight=False, markup=False)

    def elsewhere(self, run: PlannedRun, record: Record) -> None:
        """Another process has written the run's record."""
        self.ended.append(record)
        self._number += 1
        self._progress.update(self._sweep, completed=self._number)
        text = f"{run.label}: {self.outcome(record)}  by another process"
        self._console.print(text, highlight=False, markup=False)

    def handed(self, run: PlannedRun) -> None:
        """A worker elsewhere has got the run."""
        self._console.print(f"begun: {run.label}", highlight=False, markup=False)

    def note(self, run: PlannedRun, text: str) -> None:
        """Something about the run that is no error, such as a checkpoint that could not be written."""
        line = Text.assemble(("note:", "yellow"), f" {run.label}: {text}")
        self._console.print(line, soft_wrap=True)

    def wait(self, runs: Sequence[PlannedRun]) -> None:
        """Say once which runs of other processes the sweep waits for."""
        labels = [run.label for run in runs]
        if labels == self._awaited:
            return
        self._awaited = labels
        more = f" and {len(labels) - MOST_NAMED} more" if len(labels) > MOST_NAMED else ""
        text = f"waiting for runs of other processes: {', '.join(labels[:MOST_NAMED])}{more}"
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def outcome(self, record: Record) -> str:
        """What is said of a run that has ended: its accuracy on the target, or why it failed."""
        seconds = record.timing.total_seconds if record.timing else 0.0
        if record.status == "done" and record.value is not None:
            return f"{100 * record.value:.2f} %  ({seconds:.1f} s)"
        return f"FAILED: {first_line(record.failure)}"
