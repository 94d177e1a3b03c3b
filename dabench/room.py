"""Room for a result on a full disk, made of the run's own checkpoints, which are worth less."""

from collections.abc import Callable

from dabench.checkpoint import Checkpoints
from dabench.publishing import write_atomically

__all__ = ["Room"]


class Room:
    """What a run may free on a full disk, the least valuable first. What did not help is put back.

    Args:
        checkpoints: of the run.
        confirm: raises where the run is this process's no more: then its checkpoints are another's.
    """

    def __init__(self, checkpoints: Checkpoints, confirm: Callable[[], None]) -> None:
        self._checkpoints = checkpoints
        self._confirm = confirm
        self._newest: tuple[int, bytes] | None = None

    def make(self) -> bool:
        """Free some: first all but the newest checkpoint, then that one. Return whether there was any."""
        self._confirm()
        *older, newest = self._checkpoints.steps() or (0,)
        if older:
            self._checkpoints.drop(older)
            return True
        if newest:
            self._newest = newest, self._checkpoints.file(newest).read_bytes()
            self._checkpoints.drop([newest])
        return newest > 0

    def put_back(self) -> None:
        """The result could not be written anyway: let the run go on from its newest checkpoint."""
        if self._newest is not None:
            step, content = self._newest
            write_atomically(self._checkpoints.file(step), content)
            self._newest = None
