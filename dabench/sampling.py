"""Which images make up each batch: endless shuffled passes, drawn from a named stream of the run."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.streams import Streams

__all__ = ["BatchSampler", "Pass", "class_balanced", "shuffled"]

Rows = NDArray[np.int64]
Pass = Callable[[np.random.Generator], Rows]
"""Draws the rows of one pass over the data, in order."""


def shuffled(rows: int | NDArray[Any]) -> Pass:
    """Every given row (or every row below a number) once a pass, in random order."""
    if np.size(rows) == 0 or (isinstance(rows, int) and rows < 1):
        raise ValueError("a pass needs at least one row")
    return lambda generator: generator.permutation(rows)


def class_balanced(labels: NDArray[Any]) -> Pass:
    """Every row at least once a pass, and every class that occurs as often as the largest one.

    Small classes are re-sampled: whole shuffled rounds, then a random part of one.

    Args:
        labels: (n,) class indices.
    """
    classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    largest = max(map(len, classes))

    def draw(generator: np.random.Generator) -> Rows:
        rounds = [
            np.concatenate([generator.permutation(rows) for _ in range(-(-largest // len(rows)))])[:largest]
            for rows in classes
        ]
        return generator.permutation(np.concatenate(rounds))

    return draw


class BatchSampler:
    """Endless batches of row numbers; nothing is dropped between passes.

    Args:
        draw: of one pass.
        batch: rows a batch.
        streams: of the run.
        name: of the stream.
    """

    def __init__(self, draw: Pass, batch: int, streams: Streams, name: str) -> None:
        self._batch = batch
        self._streams = streams
        self._name = name
        self._passes = 0
        self.restart(draw)

    def restart(self, draw: Pass) -> None:
        """Draw from another pass from the next batch on; what was left of the running one is dropped."""
        self._draw = draw
        self._left: Rows = np.empty(0, dtype=np.int64)

    def next(self) -> Rows:
        """Return the next batch, (batch,)."""
        while len(self._left) < self._batch:
            generator = np.random.default_rng(self._streams.number("order", self._name, self._passes))
            self._left = np.concatenate([self._left, self._draw(generator)])
            self._passes += 1
        batch, self._left = self._left[: self._batch], self._left[self._batch :]
        return batch

    def state(self) -> tuple[int, Rows]:
        """Passes that were drawn, and the rows of the last one that are left, not copied."""
        return self._passes, self._left

    def restore(self, passes: int, left: Rows) -> None:
        """Go on from a state; the pass is drawn as it was then, see ``restart``."""
        self._passes, self._left = passes, left
