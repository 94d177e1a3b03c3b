"""Signals that end a sweep in good order."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from dabench.checkpoint import TimeIsUp

__all__ = ["StepBoundaries", "Terminated", "interrupt_if_asked", "is_asked", "terminated_as_interrupted"]


class Terminated(TimeIsUp):
    """SIGTERM came while a run took its steps: it keeps a checkpoint, and the sweep ends."""


class _Signalled:
    """What the handler and the run in progress tell each other; both are of the main thread."""

    waiting = False  # whether a run takes steps, and looks between them
    asked = False


def _interrupt(number: int, frame: FrameType | None) -> None:
    if _Signalled.waiting and not _Signalled.asked:
        _Signalled.asked = True
        return
    raise KeyboardInterrupt


@contextlib.contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM, which batch systems send some seconds before they kill, do what Ctrl-C does.

    A run that takes its steps ends at the next one, with a checkpoint; a second SIGTERM does not wait for it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _Signalled.asked = False
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        _Signalled.asked = False


def is_asked() -> bool:
    """Whether SIGTERM has come, and waits for a step to end."""
    return _Signalled.asked


def interrupt_if_asked() -> None:
    """Raise KeyboardInterrupt where SIGTERM came with the last step of a run, which ended all the same."""
    if _Signalled.asked:
        raise KeyboardInterrupt


class StepBoundaries:
    """A run between its first step and its record, during which SIGTERM waits for the next step."""

    def __enter__(self) -> "StepBoundaries":
        interrupt_if_asked()
        return self

    def __exit__(self, *_: object) -> None:
        _Signalled.waiting = False

    def check(self) -> None:
        """Called before each step. Raises Terminated."""
        if threading.current_thread() is threading.main_thread():
            _Signalled.waiting = True
        if _Signalled.asked:
            raise Terminated("the sweep was told to end")
