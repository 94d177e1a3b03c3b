"""What a run notes of its progress: JSON lines always, TensorBoard's event files where they are asked for.

Accuracies on the target are noted when a run has ended and its record is published, and not before: nobody
stops a run by them, or chooses between runs that are going on.

``<stem>.events.jsonl`` lies beside the record. Each line is one object with ``event`` and ``step``:
``begin`` (``run_id``; again, with the step, when a run is gone on with), ``losses`` (running means),
``evaluation`` (mean losses since the last one, ``target_entropy``, ``seconds``), ``note`` (``text``, such as
a checkpoint that could not be written) and ``end`` (``status``, and ``value`` or ``failure``). A run that is
gone on with appends.
"""

import contextlib
import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from dabench.errors import UserError, unknown
from dabench.patience import persistently
from dabench.plan import PlannedRun
from dabench.records import Evaluation, Record, RecordStore
from dabench.train import Observer

__all__ = ["TRACKERS", "Tracked", "Tracker", "require_trackers", "tracked"]


PATIENCE_SECONDS = 60.0  # with a folder that does not answer


class Tracker(Protocol):
    """Told what a run does. Made with the planned run, closed when this process leaves it."""

    def advance(self, step: int, losses: Mapping[str, float], evaluation: Evaluation | None) -> None:
        """A step with losses or an evaluation; of the evaluation, accuracies are none of its business yet."""
        ...

    def note(self, text: str) -> None:
        """Something about the run that is no error, such as a checkpoint that could not be written."""
        ...

    def end(self, record: Record) -> None:
        """The run's record is published."""
        ...

    def close(self) -> None:
        """Write what is left and let go of files."""
        ...


class JsonLines:
    """One line an event, appended; lines of a process that was killed stay whole or are cut at the end."""

    def __init__(self, run: PlannedRun) -> None:
        assert run.path is not None
        self._run = run
        self._path = run.path.with_suffix(".events.jsonl")
        self._begun = False
        self._step = 0

    def advance(self, step: int, losses: Mapping[str, float], evaluation: Evaluation | None) -> None:
        """Write the losses, or what of an evaluation needs no target label."""
        self._step = step
        if not self._begun:
            self._begun = True
            trained = evaluation is None or evaluation.step == step
            self._write("begin", step - 1 if trained else 0, run_id=self._run.run_id)
        if evaluation is not None:
            about = {"target_entropy": evaluation.target_entropy, "seconds": evaluation.seconds}
            self._write("evaluation", step, losses=dict(losses), **about)
        elif losses:
            self._write("losses", step, losses=dict(losses))

    def note(self, text: str) -> None:
        """Write it, with the last step that is noted."""
        self._write("note", self._step, text=text)

    def end(self, record: Record) -> None:
        """Write how the run ended."""
        outcome: dict[str, Any] = {"value": record.value}
        if record.failure is not None:
            outcome = {"failure": record.failure.kind}
        self._write(
            "end", record.evaluations[-1].step if record.evaluations else 0, status=record.status, **outcome
        )

    def close(self) -> None:
        """Nothing is left open."""

    def _write(self, event: str, step: int, **more: Any) -> None:
        time = datetime.now(UTC).isoformat(timespec="seconds")
        line = json.dumps({"event": event, "step": step, **more, "time": time}) + "\n"
        persistently(lambda: self._append(line), PATIENCE_SECONDS)

    def _append(self, line: str) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o666)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":  # of a process that was killed
                line = f"\n{line}"
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


class TensorBoard:
    """Event files in ``<stem>.tensorboard/``; ``tensorboard --logdir RESULTS`` shows all runs."""

    def __init__(self, run: PlannedRun) -> None:
        from torch.utils.tensorboard import SummaryWriter

        assert run.path is not None
        self._folder = run.path.with_suffix(".tensorboard")
        if self._folder.is_symlink():
            raise OSError(errno.ELOOP, "is a link", str(self._folder))
        self._writer: Any = SummaryWriter(str(self._folder))

    def advance(self, step: int, losses: Mapping[str, float], evaluation: Evaluation | None) -> None:
        """Add the losses, and the entropy of an evaluation."""
        for name, value in losses.items():
            self._writer.add_scalar(f"losses/{name}", value, step)
        if evaluation is not None and evaluation.target_entropy is not None:
            self._writer.add_scalar("target/entropy", evaluation.target_entropy, step)

    def note(self, text: str) -> None:
        """Add nothing: it is in the JSON lines."""

    def end(self, record: Record) -> None:
        """Add the accuracies of all evaluations, now that nobody can stop the run by them."""
        for item in record.evaluations:
            self._writer.add_scalar("target/accuracy", item.accuracy, item.step)
            self._writer.add_scalar("target/mean_class_accuracy", item.mean_class_accuracy, item.step)

    def close(self) -> None:
        """Write all, and take the name of this machine out of the files' names: results get published."""
        self._writer.close()
        for file in self._folder.glob("events.out.tfevents.*"):
            if file.name.count(".") > 3:
                moment, number = file.name.split(".")[3], file.name.rsplit(".", 2)[-2:]
                file.rename(file.with_name(f"events.out.tfevents.{moment}-{'-'.join(number)}"))


def _require_tensorboard() -> None:
    try:
        import torch.utils.tensorboard  # noqa: F401  asked for before hours of training
    except ImportError as error:
        raise UserError(
            "--tracker tensorboard needs tensorboard", "pip install 'dabench[tensorboard]'"
        ) from error


TRACKERS: dict[str, tuple[Callable[[PlannedRun], Tracker], Callable[[], None]]] = {
    "tensorboard": (TensorBoard, _require_tensorboard)
}
"""Name of a tracker to what makes one of a run, and what says that it cannot be had."""


def require_trackers(names: Sequence[str]) -> None:
    """Raise UserError where a tracker is unknown or lacks its package."""
    for name in names:
        if name not in TRACKERS:
            raise unknown("tracker", name, TRACKERS)
        TRACKERS[name][1]()


class Tracked:
    """An observer and trackers, told alike. They raise ResultsError where they cannot write.

    Args:
        trackers: of the run.
        store: the results folder.
        observe: told of every step.
        notes: a list that grows while the run goes on.
        tell: told of each note.
    """

    def __init__(
        self,
        trackers: Sequence[Tracker],
        store: RecordStore,
        observe: Observer,
        notes: Sequence[str] = (),
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self._trackers = trackers
        self._store = store
        self._observe = observe
        self._notes = notes
        self._told = 0
        self._tell = tell

    def advance(self, step: int, losses: Mapping[str, float], evaluation: Evaluation | None) -> None:
        """A step is done."""
        try:
            for tracker in self._trackers:
                tracker.advance(step, losses, evaluation)
        except OSError as error:
            raise self._store.unwritable(error) from error
        self._observe(step, losses, evaluation)
        self.tell_notes()

    def tell_notes(self) -> None:
        """Pass on the notes that are new; a folder that takes no line has other ways to say so."""
        while self._told < len(self._notes):
            text = self._notes[self._told]
            self._told += 1
            if self._tell is not None:
                self._tell(text)
            with contextlib.suppress(OSError):
                for tracker in self._trackers:
                    tracker.note(text)

    def end(self, record: Record) -> None:
        """The run's record is published."""
        self.tell_notes()
        with contextlib.suppress(OSError):  # the result is safe, and says all of it
            for tracker in self._trackers:
                tracker.end(record)


@contextlib.contextmanager
def tracked(
    run: PlannedRun,
    names: Sequence[str],
    store: RecordStore,
    observe: Observer,
    notes: Sequence[str] = (),
    tell: Callable[[str], None] | None = None,
) -> Iterator[Tracked]:
    """Open the trackers of a run, JSON lines before those that are named; notes may come until they close."""
    with contextlib.ExitStack() as stack:
        trackers: list[Tracker] = []
        for make in (JsonLines, *(TRACKERS[name][0] for name in names)):
            tracker = make(run)
            stack.callback(tracker.close)
            trackers.append(tracker)
        told = Tracked(trackers, store, observe, notes, tell)
        stack.callback(told.tell_notes)
        yield told
