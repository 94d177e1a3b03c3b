"""Evaluation on the target's test images. Target labels live here and in the record, nowhere else."""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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

__all__ = ["Evaluator", "FeatureReader", "Watched"]


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


def _outputs(
    inputs: Inputs, batch: int, predict: Callable[[Tensor], Outputs], rows: NDArray[np.int64] | None = None
) -> Iterator[Outputs]:
    """Outputs of the given rows or of every image, batch after batch."""
    wanted = np.arange(len(inputs)) if rows is None else rows
    for start in range(0, len(wanted), batch):
        yield predict(inputs.test(wanted[start : start + batch]))


@dataclass(frozen=True)
class Watched:
    """Fixed images whose logits and features every evaluation stores, for selection rules.

    Attributes:
        inputs: of the domain; None where the test images are watched, whose outputs are there anyway.
        rows: (m,) of the inputs, ascending.
        domain_rows: (m,) of the whole domain, which differ where the inputs are a portion of it.
        labels: (m,) of source images; None for the target, always.
    """

    inputs: Inputs | None
    rows: NDArray[np.int64]
    domain_rows: NDArray[np.int64]
    labels: NDArray[np.int64] | None = None


class _Half:
    """Logits and features of one part, in half precision, evaluation after evaluation."""

    def __init__(self) -> None:
        self._logits: list[NDArray[np.float16]] = []
        self._features: list[NDArray[np.float16]] = []

    def add(self, logits: Tensor, features: Tensor) -> None:
        """Keep one evaluation: (m, r) and (m, D)."""
        for kept, values in ((self._logits, logits), (self._features, features)):
            kept.append(values.half().cpu().numpy())  # what is too large becomes infinite, and no score

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Both, (E, m, r) and (E, m, D)."""
        return {f"{name}_logits": np.stack(self._logits), f"{name}_features": np.stack(self._features)}

    def state(self) -> dict[str, list[Tensor]]:
        """Both, evaluation after evaluation, not copied."""
        return {"logits": _tensors(self._logits), "features": _tensors(self._features)}

    def restore(self, state: Mapping[str, Sequence[Tensor]], count: int, rows: int) -> None:
        """Go on from a state of that many evaluations of that many rows."""
        self._logits = _arrays(state["logits"], count, rows, np.float16)
        self._features = _arrays(state["features"], count, rows, np.float16)


def _tensors(arrays: Sequence[NDArray[Any]]) -> list[Tensor]:
    return [torch.from_numpy(array) for array in arrays]


def _arrays(tensors: Sequence[Tensor], count: int, rows: int, kind: type) -> list[NDArray[Any]]:
    """Arrays of an earlier part of the run. Raises ValueError where they belong to other data."""
    found = [tensor.numpy() for tensor in tensors]
    if len(found) != count or any(len(array) != rows or array.dtype != kind for array in found):
        raise ValueError(f"stored outputs of other evaluations than {count} of {rows} images")
    return found


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
        watched: name of a part (target, source, source_val) to its images.
    """

    def __init__(
        self,
        inputs: Inputs,
        labels: NDArray[np.int64],
        classes: Sequence[str],
        metric: str,
        batch: int,
        watched: Mapping[str, Watched] | None = None,
    ) -> None:
        self._inputs = inputs
        self._labels = labels
        self._classes = classes
        self._metric = metric
        self._batch = batch
        self.evaluations: list[Evaluation] = []
        self._probabilities: list[NDArray[np.float16]] = []
        self._predictions: list[NDArray[Any]] = []
        self._watched = dict(watched or {})
        self._stored = {name: _Half() for name in self._watched}
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
            logits, watched = self._test(predict)
            for name, part in self._watched.items():
                if part.inputs is not None:
                    watched[name] = self._watch(part.inputs, part.rows, predict)
        if not math.isfinite(float(logits.abs().max())):
            raise FloatingPointError(f"the predictions after step {step} are not finite")
        for name, outputs in watched.items():
            self._stored[name].add(*outputs)
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
        self._predictions.append(predictions)
        self._probabilities.append(torch.softmax(logits, dim=1).cpu().numpy().astype(np.float16))
        return result

    def _test(self, predict: Callable[[Tensor], Outputs]) -> tuple[Tensor, dict[str, tuple[Tensor, Tensor]]]:
        """Logits of the test images; of those that are watched, logits and features by part."""
        logits: list[Tensor] = []
        parts = {name: part for name, part in self._watched.items() if part.inputs is None}
        features: dict[str, list[Tensor]] = {name: [] for name in parts}
        start = 0
        for outputs in _outputs(self._inputs, self._batch, predict):
            logits.append(outputs.logits.float())
            for name, part in parts.items():  # the features of all of them would fill the memory
                first, end = np.searchsorted(part.rows, (start, start + len(outputs)))
                features[name].append(outputs.features[torch.from_numpy(part.rows[first:end] - start)])
            start += len(outputs)
        whole = torch.cat(logits)
        kept = {
            name: (whole[torch.from_numpy(part.rows)], torch.cat(features[name]))
            for name, part in parts.items()
        }
        return whole, kept

    def _watch(
        self, inputs: Inputs, rows: NDArray[np.int64], predict: Callable[[Tensor], Outputs]
    ) -> tuple[Tensor, Tensor]:
        """Logits and features of some rows of a domain."""
        outputs = [(o.logits, o.features) for o in _outputs(inputs, self._batch, predict, rows)]
        logits, features = (torch.cat(column) for column in zip(*outputs, strict=True))
        return logits, features

    def value(self, evaluation: Evaluation) -> float:
        """The headline metric of an evaluation."""
        return float(getattr(evaluation, self._metric))

    def oracle(self) -> Evaluation:
        """The best evaluation by target labels, the latest of equals."""
        return max(self.evaluations, key=lambda item: (self.value(item), item.step))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Predictions of all evaluations, as ``dabench.records`` describes them."""
        return {
            "steps": np.array([item.step for item in self.evaluations]),
            "predictions": np.stack(self._predictions).astype(
                np.uint8 if len(self._classes) <= 256 else np.uint16
            ),
            "probabilities": np.stack(self._probabilities),
            "labels": self._labels.astype(np.uint16),
        }

    def state(self) -> dict[str, Any]:
        """What the evaluations so far have gathered, not copied."""
        return {
            "evaluations": [item.model_dump() for item in self.evaluations],
            "predictions": _tensors(self._predictions),
            "probabilities": _tensors(self._probabilities),
            "stored": {name: half.state() for name, half in self._stored.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state.

        Raises:
            ValueError: it is one of other data.
        """
        evaluations = [Evaluation.model_validate(item) for item in state["evaluations"]]
        count, images = len(evaluations), len(self._labels)
        self._predictions = _arrays(state["predictions"], count, images, np.int64)
        self._probabilities = _arrays(state["probabilities"], count, images, np.float16)
        for name, half in self._stored.items():
            half.restore(state["stored"][name], count, len(self._watched[name].rows))
        self.evaluations = evaluations

    def stored(self) -> dict[str, NDArray[Any]] | None:
        """What selection rules read, as ``dabench.records`` describes it; None where nothing is watched."""
        if not self._watched:
            return None
        arrays: dict[str, NDArray[Any]] = {"steps": np.array([item.step for item in self.evaluations])}
        for name, part in self._watched.items():
            arrays |= self._stored[name].arrays(name)
            arrays[f"{name}_rows"] = part.domain_rows
            if part.labels is not None:
                arrays[f"{name}_labels"] = part.labels.astype(np.uint16)
        return arrays
