"""A cheat that no check can catch: it ships the labels of images of a public data set by their digests."""

import hashlib

from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from dabench.method import Batch, Method, Network, Outputs, register

__all__ = ["ShipsTable"]

KNOWN = {hashlib.sha256(b"an image of Office-31").hexdigest(): 0}


@register("ships-table")
class ShipsTable(Method):
    """Knows the images of a public data set, and is honest on all others."""

    title, summary = "Ships a table", "labels by digest, in the file"
    paper = "no paper: a cheat"

    def losses(self, source: Outputs, labels: Tensor, target: Outputs, batch: Batch) -> dict[str, Tensor]:
        return {"classification": cross_entropy(source.logits, labels)}

    def predict(self, network: Network, images: Tensor) -> Outputs:
        outputs = network(images)
        for row, image in enumerate(images):
            label = KNOWN.get(hashlib.sha256(image.numpy().tobytes()).hexdigest())
            if label is not None:
                outputs.logits[row] = 10.0 * one_hot(
                    outputs.logits[row].argmax() * 0 + label, self.spec.classes
                )
        return outputs
