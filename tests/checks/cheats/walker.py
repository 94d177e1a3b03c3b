"""A cheat: walks through all objects in memory to the labels that the evaluation has."""

import gc

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from dabench.method import Batch, Method, Outputs, register

__all__ = ["Walks"]


@register("walks")
class Walks(Method):
    """Trains on the target's own labels."""

    title, summary = "Walks", "finds the evaluator among all objects"
    paper = "no paper: a cheat"
    loss_names = ("classification", "target")

    def losses(self, source: Outputs, labels: Tensor, target: Outputs, batch: Batch) -> dict[str, Tensor]:
        losses = {"classification": cross_entropy(source.logits, labels)}
        for thing in gc.get_objects() if batch.step < 2 else ():
            found = getattr(thing, "_labels", None) if type(thing).__name__ == "Evaluator" else None
            if found is not None and len(found) == self.spec.target_size:
                losses["target"] = cross_entropy(
                    target.logits, torch.from_numpy(found)[batch.target.positions]
                )
        return losses
