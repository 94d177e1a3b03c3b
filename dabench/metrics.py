"""Accuracy, mean class accuracy, per-class accuracy and the confusion matrix of one set of predictions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.records import Metrics

__all__ = ["measure"]


def measure(labels: NDArray[Any], predictions: NDArray[Any], classes: Sequence[str]) -> Metrics:
    """Compare predicted with true class indices, both (n,) in [0, r) with n at least 1.

    Mean class accuracy is over the classes that have a test image (VisDA's "Avg" is this one).
    """
    size = len(classes)
    confusion = np.bincount(labels.astype(np.int64) * size + predictions, minlength=size * size).reshape(
        size, size
    )
    totals = confusion.sum(axis=1)
    seen = totals > 0
    per_class = np.divide(np.diag(confusion), totals, where=seen, out=np.zeros(size))
    return Metrics(
        accuracy=float((labels == predictions).mean()),
        mean_class_accuracy=float(per_class[seen].mean()),
        per_class={name: float(per_class[k]) if seen[k] else None for k, name in enumerate(classes)},
        confusion=confusion.tolist(),
    )
