"""A run in its middle, where the passes that methods switch on after a while are on."""

from dabench.method import Method, MethodEntry
from dabench.train import Training

__all__ = ["MANY_STEPS", "MiddleOfRun", "looks_between_epochs"]

MANY_STEPS = 10**9  # of the runs that are timed: none comes to its end
HALF = 0.5


def looks_between_epochs(entry: MethodEntry) -> bool:
    """Whether a method does anything between epochs."""
    return entry.cls.begin_epoch is not Method.begin_epoch


class MiddleOfRun:
    """Takes the steps within epochs, and apart from them what the method does between two epochs.

    Where an epoch is a single step, that step has both.

    Args:
        training: of ``MANY_STEPS`` steps, not begun.
    """

    def __init__(self, training: Training) -> None:
        self._training = training
        self._epoch = training.pass_steps
        self._next = MANY_STEPS // 2 // self._epoch * self._epoch
        self._leave_out_the_first()
        training.begin()
        self.begin_epoch()

    def step(self) -> None:
        """Take the next step, none that begins an epoch."""
        self._training.step(self._next)
        self._next += 1
        self._leave_out_the_first()

    def end_epoch(self) -> None:
        """Take the last step of an epoch, after which no batch is being read ahead."""
        self._next += (-self._next - 1) % self._epoch
        self.step()

    def begin_epoch(self) -> None:
        """Do what the method does between epochs, halfway through the run."""
        self._training.begin_epoch(HALF)

    def _leave_out_the_first(self) -> None:
        if self._epoch > 1 and self._next % self._epoch == 0:
            self._next += 1
