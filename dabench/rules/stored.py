"""What several rules do with stored arrays: check them, upcast them, order them. No rule is registered here.

Every rule computes in float64 from stored float16 values and gives NaN where an array that it reads is empty
or holds a value that is not finite. Equal images in any order give equal scores: whatever depends on their
order (k-means, an optimiser's last digits) gets them in ``canonical_order``.

A change here can change the scores of every rule that imports it: raise their ``version``.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from dabench.selection import Array, Snapshot

__all__ = ["canonical_order", "entropies", "labelled", "probabilities", "usable"]


def usable(*arrays: Array) -> bool:
    """Whether all arrays have elements and all elements are finite."""
    return all(array.size > 0 and bool(np.isfinite(array).all()) for array in arrays)


def labelled(part: Snapshot | None, name: str) -> tuple[Snapshot, NDArray[np.int64]]:
    """Return a part that a rule cannot do without, and its labels (m,).

    Raises:
        ValueError: the part is missing, or has no labels.
    """
    if part is None or part.labels is None:
        raise ValueError(f"this rule needs the part {name!r} with its labels")
    return part, part.labels


def probabilities(logits: Array) -> NDArray[np.float64]:
    """Softmax of each row, (m, r) float64, from finite logits (m, r)."""
    return np.asarray(np.exp(log_softmax(np.asarray(logits, np.float64), axis=1)))


def entropies(logits: Array) -> NDArray[np.float64]:
    """Entropy of each row's softmax in nats, (m,) float64 in [0, log r], from finite logits (m, r)."""
    logs = log_softmax(np.asarray(logits, np.float64), axis=1)
    return np.asarray(-(np.exp(logs) * logs).sum(axis=1))


def canonical_order(*arrays: Array) -> NDArray[np.intp]:
    """Return an order of rows that depends on their contents alone, equal rows side by side: (m,) indices.

    Args:
        arrays: (m, ...) each; rows are compared by the bytes of all of them, joined.
    """
    rows = np.ascontiguousarray(np.concatenate([np.asarray(a, np.float64) for a in arrays], axis=1))
    rows += 0.0  # -0.0 becomes 0.0, its equal
    as_bytes: NDArray[Any] = rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize)))
    return np.argsort(as_bytes.ravel(), kind="stable")
