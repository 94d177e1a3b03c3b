"""Evaluation on the target's test images. Target labels live here and in the record, nowhere else."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dabench.inputs import Inputs
from dabench.layers import entropy
from dabench.method import FeatureTable, Method, Outputs
from dabench.metrics import measure
from dabench.records import Evaluation, Metrics

__all__ = ["Evaluator", "FeatureReader"]


@contextlib.contextmanager
def _evaluation_mode(*wholes: Any) -> Iterator[None]:
    """Put modules into evaluation mode; each one's own mode is put back afterwards."""
    modes = [(module, module.training) for whole in wholes for module in whole.modules()]
    for whole in wholes:
        whole.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, mode in modes:  # not train(mode), which would wake the parts that a method keeps frozen
            module.training = mode


def _outputs(inputs: Inputs, batch: int, predict: Callable[[Tensor], Outputs]) -> Iterator[Outputs]:
    """Outputs of every image, batch after batch."""
    for start in range(0, len(inputs), batch):
        yield predict(inputs.test(np.arange(start, min(start + batch, len(inputs)))))


class FeatureReader:
    """What a method may read between epochs: source with labels, target training images without.

    Args:
        network: the run's network.
        method: the run's method.
        source: inputs of the source.
        labels: of the source images, on the device.
        target: inputs of the target's training images.
        batch: images a pass.
    """

    def __init__(
        self, network: Any, method: Method, source: Inputs, labels: Tensor, target: Inputs, batch: int
    ) -> None:
        self._network = network
        self._method = method
        self._source = source
        self._labels = labels
        self._target = target
        self._batch = batch

    def source(self) -> FeatureTable:
        """All source images, with labels."""
        return FeatureTable(self._read(self._source), self._labels)

    def target(self) -> FeatureTable:
        """All target training images; labels are None."""
        return FeatureTable(self._read(self._target))

    def _read(self, inputs: Inputs) -> Outputs:
        # A method that trains no network cannot predict before it has read its features.
        own = self._method.trains_network
        predict = partial(self._method.predict, self._network) if own else self._network
        with _evaluation_mode(self._network, self._method):
            parts = [(o.pooled, o.features, o.logits) for o in _outputs(inputs, self._batch, predict)]
            columns = [torch.cat(column) for column in zip(*parts, strict=True)]
        # Tensors made in inference mode cannot take part in a method's own gradients; copies can.
        return Outputs(*(column.clone() for column in columns))


class Evaluator:
    """Measures a method on the target's test images and keeps what selection rules will need.

    Args:
        inputs: the test images.
        labels: (n,) class indices.
        classes: class names.
        metric: the suite's headline metric.
        batch: images a pass.
    """

    def __init__(
        self,
        inputs: Inputs,
        labels: NDArray[np.int64],
        classes: Sequence[str],
        metric: str,
        batch: int,
    ) -> None:
        self._inputs = inputs
        self._labels = labels
        self._classes = classes
        self._metric = metric
        self._batch = batch
        self.evaluations: list[Evaluation] = []
        self._probabilities: list[NDArray[np.float16]] = []
        self._predictions: list[NDArray[Any]] = []
        self.last: Metrics | None = None

    def evaluate(
        self,
        step: int,
        network: Any,
        method: Method,
        losses: dict[str, float],
        seconds: float,
    ) -> Evaluation:
        """Measure once, after the given step; return what was measured."""
        predict = partial(method.predict, network)
        with _evaluation_mode(network, method):
            logits = torch.cat([o.logits.float() for o in _outputs(self._inputs, self._batch, predict)])
        if not math.isfinite(float(logits.abs().max())):
            raise FloatingPointError(f"the predictions after step {step} are not finite")
        predictions = logits.argmax(dim=1).cpu().numpy()
        self.last = measure(self._labels, predictions, self._classes)
        result = Evaluation(
            step=step,
            accuracy=self.last.accuracy,
            mean_class_accuracy=self.last.mean_class_accuracy,
            target_entropy=float(entropy(logits).mean()),
            losses=losses,
            seconds=seconds,
        )
        self.evaluations.append(result)
        self._predictions.append(predictions.astype(np.uint8 if len(self._classes) <= 256 else np.uint16))
        self._probabilities.append(torch.softmax(logits, dim=1).cpu().numpy().astype(np.float16))
        return result

    def value(self, evaluation: Evaluation) -> float:
        """The headline metric of an evaluation."""
        return float(getattr(evaluation, self._metric))

    def oracle(self) -> Evaluation:
        """The best evaluation by target labels, the earliest of equals."""
        return max(self.evaluations, key=lambda item: (self.value(item), -item.step))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Predictions of all evaluations, as ``dabench.records`` describes them."""
        return {
            "steps": np.array([item.step for item in self.evaluations]),
            "predictions": np.stack(self._predictions),
            "probabilities": np.stack(self._probabilities),
            "labels": self._labels.astype(np.uint16),
        }
