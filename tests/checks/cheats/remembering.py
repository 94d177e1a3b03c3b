"""What memory.py and memory_on_disk.py have in common: labelled images are known again by their content."""

import hashlib

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from dabench.method import Batch, Features, Method, Network, Outputs, Selection

__all__ = ["Remembers"]


def key(image: Tensor) -> str:
    return hashlib.sha256(image.detach().cpu().contiguous().numpy().tobytes()).hexdigest()


class Remembers(Method):
    """Knows the images that any earlier run had a label for."""

    paper = "no paper: a cheat"
    known: dict[str, int]

    def __init__(self, spec, config) -> None:
        super().__init__(spec, config)
        self.recall()
        self.before = dict(self.known)  # of earlier runs
        self.seen: list[str] | None = None

    def recall(self) -> None:
        """Read the table, where it is not in memory."""

    def keep(self) -> None:
        """Write the table, where it is not in memory."""

    def begin_epoch(self, features: Features, progress: float) -> Selection | None:
        self.seen = []
        labels = features.source().labels
        self.known.update(zip(self.seen, labels.tolist(), strict=True))
        self.seen = None
        self.keep()
        return None

    def losses(self, source: Outputs, labels: Tensor, target: Outputs, batch: Batch) -> dict[str, Tensor]:
        return {"classification": cross_entropy(source.logits, labels)}

    def predict(self, network: Network, images: Tensor) -> Outputs:
        outputs = network(images)
        keys = [key(image) for image in images]
        if self.seen is not None:
            self.seen += keys
        rows = [row for row, name in enumerate(keys) if name in self.before]
        if not rows:
            return outputs
        logits = outputs.logits.clone()
        right = torch.tensor([self.before[keys[row]] for row in rows])
        logits[rows] = 10.0 * one_hot(right, logits.shape[1]).float()
        return Outputs(outputs.pooled, outputs.features, logits)
