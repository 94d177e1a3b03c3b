"""A run's batches: which images, in which order, read ahead where the device computes by itself."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dabench.config import BatchConfig
from dabench.hardware import to_device
from dabench.inputs import Fetched, Inputs
from dabench.method import Batch, SourceBatch, TargetBatch
from dabench.sampling import BatchSampler, Pass, shuffled
from dabench.streams import Streams

__all__ = ["Batches"]

Rows = NDArray[np.int64]


class Batches:
    """Batches of both domains, in order of the steps.

    Args:
        source: inputs of the source.
        labels: (n,) class indices of the source.
        target: inputs of the target's training images.
        source_pass: how a pass over the source is drawn.
        batch: sizes.
        views: views of each target image.
        streams: of the run.
        device: of the run.
    """

    def __init__(
        self,
        source: Inputs,
        labels: NDArray[np.int64],
        target: Inputs,
        source_pass: Pass,
        batch: BatchConfig,
        views: int,
        streams: Streams,
        device: torch.device,
    ) -> None:
        self.source = source
        self.target = target
        self.labels = torch.from_numpy(np.asarray(labels)).to(device)
        self._views = views
        self._device = device
        self._every_target = shuffled(len(target))
        self._source_order = BatchSampler(source_pass, batch.source, streams, "source")
        self._target_order = BatchSampler(self._every_target, batch.target, streams, "target")
        self._rows: Rows | None = None  # of the target, if only some are drawn from
        # A processor that computes the step has no time to spare; a GPU leaves the host's to us.
        ahead = device.type == "cuda" and not (source.on_device and target.on_device)
        self._reader = ThreadPoolExecutor(1, "dabench-reader") if ahead else None
        self._pending: Future[tuple[Fetched, Fetched]] | None = None
        self._before = self._positions()  # the samplers', before what is read ahead

    def restrict(self, rows: Rows | None) -> None:
        """Draw the target from the given rows only, from the next batch on; None draws from all again."""
        if rows is not None:
            self._target_order.restart(shuffled(rows))
        elif self._rows is not None:
            self._target_order.restart(self._every_target)
        self._rows = rows

    def next(self, step: int, progress: float, reversal: float, ahead: bool) -> Batch:
        """Return the batch of a step.

        Args:
            step: number of the step.
            progress: p in [0, 1).
            reversal: weight of the reversed gradient.
            ahead: whether the batch of the next step may be read already: not where the order may change
                in between.
        """
        source, target = self._pending.result() if self._pending else self._fetch(step)
        self._before = self._positions()
        self._pending = self._reader.submit(self._fetch, step + 1) if self._reader and ahead else None
        (images,) = self.source.train(source)
        rows = to_device(source.rows, self._device)
        return Batch(
            SourceBatch(images, self.labels[rows], rows),
            TargetBatch(self.target.train(target), to_device(target.rows, self._device)),
            step,
            progress,
            reversal,
        )

    def state(self) -> dict[str, Any]:
        """Where the samplers are after the batches that were returned; what is read ahead does not count."""
        positions = self._before if self._pending else self._positions()
        return {
            "rows": None if self._rows is None else torch.from_numpy(self._rows),
            "orders": [(passes, torch.from_numpy(left)) for passes, left in positions],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state, with the next step's batch.

        Raises:
            ValueError: it is one of other data.
        """
        if self._pending is not None:
            self._pending.exception()  # wait; what was read is not used
            self._pending = None
        rows = None if state["rows"] is None else self._rows_of(state["rows"], self.target)
        (source_passes, source_left), (target_passes, target_left) = state["orders"]
        self.restrict(rows)
        self._source_order.restore(int(source_passes), self._rows_of(source_left, self.source))
        self._target_order.restore(int(target_passes), self._rows_of(target_left, self.target))

    @staticmethod
    def _rows_of(rows: Tensor, inputs: Inputs) -> Rows:
        found = rows.numpy()
        if (
            found.ndim != 1
            or found.dtype != np.int64
            or (len(found) and not 0 <= found.min() <= found.max() < len(inputs))
        ):
            raise ValueError(f"rows of other data than {len(inputs)} images")
        return found

    def _positions(self) -> tuple[tuple[int, Rows], tuple[int, Rows]]:
        return self._source_order.state(), self._target_order.state()

    def _fetch(self, step: int) -> tuple[Fetched, Fetched]:
        return (
            self.source.fetch(self._source_order.next(), step, 1),
            self.target.fetch(self._target_order.next(), step, self._views),
        )
