"""A run's batches: which images, in which order, read ahead where the device computes by itself."""

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from dabench.config import BatchConfig
from dabench.hardware import to_device
from dabench.inputs import Fetched, Inputs
from dabench.method import Batch, SourceBatch, TargetBatch
from dabench.sampling import BatchSampler, Pass, shuffled
from dabench.streams import Streams

__all__ = ["Batches"]


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
        self._restricted = False
        # A processor that computes the step has no time to spare; a GPU leaves the host's to us.
        ahead = device.type == "cuda" and not (source.on_device and target.on_device)
        self._reader = ThreadPoolExecutor(1, "dabench-reader") if ahead else None
        self._pending: Future[tuple[Fetched, Fetched]] | None = None

    def restrict(self, rows: NDArray[np.int64] | None) -> None:
        """Draw the target from the given rows only, from the next batch on; None draws from all again."""
        if rows is not None:
            self._target_order.restart(shuffled(rows))
        elif self._restricted:
            self._target_order.restart(self._every_target)
        self._restricted = rows is not None

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

    def _fetch(self, step: int) -> tuple[Fetched, Fetched]:
        return (
            self.source.fetch(self._source_order.next(), step, 1),
            self.target.fetch(self._target_order.next(), step, self._views),
        )
