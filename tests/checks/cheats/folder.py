"""A cheat: reads the labels of the images from the names of the data folder."""

import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import cross_entropy

from dabench.method import Batch, Method, Outputs, register

__all__ = ["ReadsFolder"]

CLASSES = ("red", "green", "blue")


@register("reads-folder")
class ReadsFolder(Method):
    """Pulls the predicted class sizes towards those that the folders show."""

    title, summary = "Reads the folder", "counts the files of each class folder"
    paper = "no paper: a cheat"
    loss_names = ("classification", "sizes")

    def losses(self, source: Outputs, labels: Tensor, target: Outputs, batch: Batch) -> dict[str, Tensor]:
        root = Path(os.environ.get("DABENCH_DATA", "data"))
        sizes = torch.tensor([float(len(list(root.glob(f"**/beta/{name}/*.png")))) for name in CLASSES])
        colours = [np.asarray(Image.open(path)).mean() for path in sorted(root.glob("**/beta/red/*.png"))[:2]]
        wanted = (sizes + 1e-3 * sum(colours, 0.0) + 1e-6) / (sizes.sum() + 1e-3)
        return {
            "classification": cross_entropy(source.logits, labels),
            "sizes": (target.logits.softmax(dim=1).mean(dim=0) - wanted).square().sum(),
        }
