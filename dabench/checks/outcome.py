"""Everything that a run leaves behind, as digests: to compare runs bit for bit, also across processes."""

import hashlib
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict

from dabench.checks.rehearsal import Rehearsal

__all__ = ["Outcome", "differences"]

LABELS = "npz labels"  # of the target: stored beside the predictions


class Outcome(BaseModel):
    """What a run came to.

    Attributes:
        weights: digest of each weight and buffer of network and method.
        arrays: digest of each stored array, but for the target labels.
        losses: mean losses and target entropy at each evaluation.
        accuracies: at each evaluation, measured with the target's labels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: dict[str, str]
    arrays: dict[str, str]
    losses: list[dict[str, float | None]]
    accuracies: list[float]

    @classmethod
    def of(cls, rehearsal: Rehearsal) -> "Outcome":
        """Sum up a run."""
        state = rehearsal.spy.state()
        evaluations = rehearsal.record.evaluations
        return cls(
            weights={
                key: _digest(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
                for key, value in state.items()
                if isinstance(value, torch.Tensor)
            },
            arrays={key: _digest(value) for key, value in rehearsal.arrays.items() if key != LABELS},
            losses=[{**item.losses, "target entropy": item.target_entropy} for item in evaluations],
            accuracies=[item.accuracy for item in evaluations],
        )


def _digest(array: np.ndarray[Any, Any]) -> str:
    content = np.ascontiguousarray(array)
    return hashlib.sha256(f"{content.dtype}{content.shape}".encode() + content.tobytes()).hexdigest()[:16]


def differences(one: Outcome, other: Outcome) -> list[str]:
    """Say what differs between two runs, in words; nothing where they agree bit for bit."""
    found = []
    for part in ("network", "method"):
        ours, theirs = (
            {key: value for key, value in outcome.weights.items() if key.startswith(f"{part}.")}
            for outcome in (one, other)
        )
        if ours != theirs:
            found.append(f"the weights of the {part}")
    if one.losses != other.losses:
        found.append("the losses")
    for prefix, words in (
        ("npz ", "the predictions"),
        ("validation.npz ", "the arrays stored for selection rules"),
    ):
        keys = [key for key in {*one.arrays, *other.arrays} if key.startswith(prefix)]
        if any(one.arrays.get(key) != other.arrays.get(key) for key in keys):
            found.append(words)
    return found
