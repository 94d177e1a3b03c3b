"""Evaluation on the target's test images. Target labels live here and in the record, nowhere else."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dabench.augment import Augmentation
from dabench.layers import entropy
from dabench.method import FeatureTable, Method, Network, Outputs
from dabench.metrics import measure
from dabench.records import Evaluation, Metrics

__all__ = ["Evaluator", "FeatureReader"]


def _all_outputs(
    network: Any,
    method: Method,
    images: NDArray[np.uint8],
    augmentation: Augmentation,
    batch: int,
    predict: bool = True,
) -> Outputs:
    """Outputs of every image in evaluation mode; each module's own mode is put back afterwards."""
    modes = [(module, module.training) for whole in (network, method) for module in whole.modules()]
    network.eval()
    method.eval()
    parts: list[Outputs] = []
    with torch.inference_mode():
        for start in range(0, len(images), batch):
            batch_images = augmentation.test(images[start : start + batch])
            parts.append(method.predict(network, batch_images) if predict else network(batch_images))
    for module, mode in modes:  # not train(mode), which would wake the parts that a method keeps frozen
        module.training = mode
    columns = zip(*((part.pooled, part.features, part.logits) for part in parts), strict=True)
    return Outputs(*(torch.cat(column) for column in columns))


class FeatureReader:
    """What a method may read between epochs: source with labels, target training images without.

    Args:
        network: the run's network.
        method: the run's method.
        source: decoded source images and their labels on the device.
        target: decoded target training images.
        augmentation: the run's transforms.
        batch: images a pass.
    """

    def __init__(
        self,
        network: Network,
        method: Method,
        source: tuple[NDArray[np.uint8], Tensor],
        target: NDArray[np.uint8],
        augmentation: Augmentation,
        batch: int,
    ) -> None:
        self._network = network
        self._method = method
        self._source = source
        self._target = target
        self._augmentation = augmentation
        self._batch = batch

    def source(self) -> FeatureTable:
        """All source images, with labels."""
        images, labels = self._source
        return FeatureTable(self._read(images), labels)

    def target(self) -> FeatureTable:
        """All target training images; labels are None."""
        return FeatureTable(self._read(self._target))

    def _read(self, images: NDArray[np.uint8]) -> Outputs:
        # A method that trains no network cannot predict before it has read its features.
        predict = self._method.trains_network
        outputs = _all_outputs(self._network, self._method, images, self._augmentation, self._batch, predict)
        # Tensors made in inference mode cannot take part in a method's own gradients; copies can.
        return Outputs(outputs.pooled.clone(), outputs.features.clone(), outputs.logits.clone())


class Evaluator:
    """Measures a method on the target's test images and keeps what selection rules will need.

    Args:
        images: decoded test images, uint8 (n, S, S, 3).
        labels: (n,) class indices.
        classes: class names.
        metric: the suite's headline metric.
        batch: images a pass.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        classes: Sequence[str],
        metric: str,
        batch: int,
    ) -> None:
        self._images = images
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
        augmentation: Augmentation,
        losses: dict[str, float],
        seconds: float,
    ) -> Evaluation:
        """Measure once, after the given step; return what was measured."""
        outputs = _all_outputs(network, method, self._images, augmentation, self._batch)
        logits = outputs.logits.float()
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
