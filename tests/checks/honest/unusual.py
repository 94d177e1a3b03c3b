"""Sound methods that do unusual things: a library at work between epochs, a teacher, a temporary folder."""

import copy
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from dabench.method import Batch, Features, Method, Network, Optimise, Outputs, Selection, register

__all__ = ["Chance", "Clusters", "Scratch", "Teacher"]


class Base(Method):
    """Classification on the source."""

    title, paper = "Unusual", "no paper: a test"

    def losses(self, source: Outputs, labels: Tensor, target: Outputs, batch: Batch) -> dict[str, Tensor]:
        return {"classification": cross_entropy(source.logits, labels)}


@register("clusters", summary="k-means between epochs, imported when it is needed")
class Clusters(Base):
    """Trains on the half of the target that lies nearest to the centres."""

    def begin_epoch(self, features: Features, progress: float) -> Selection | None:
        from sklearn.cluster import KMeans

        values = features.target().outputs.features.double().numpy()
        distance = KMeans(3, n_init=1, random_state=0).fit(values).transform(values).min(axis=1)
        nearest = np.argsort(distance, kind="stable")[: len(distance) // 2]
        return Selection(torch.from_numpy(nearest.copy())) if progress else None


@register("teacher", summary="predicts with a mean of earlier weights")
class Teacher(Base):
    """A mean teacher."""

    def setup(self, network: Network) -> None:
        self.teacher = copy.deepcopy(network)
        self.teacher.requires_grad_(False)

    def train_step(self, network: Network, batch: Batch, optimise: Optimise) -> None:
        logits = network(batch.source.images).logits
        target = network(batch.target.images).logits
        wanted = self.teacher(batch.target.images).logits
        loss = cross_entropy(logits, batch.source.labels) + 0.1 * mse_loss(target, wanted)
        optimise({"classification": loss})
        with torch.no_grad():
            for mean, value in zip(self.teacher.parameters(), network.parameters(), strict=True):
                mean.lerp_(value, 0.1)

    def predict(self, network: Network, images: Tensor) -> Outputs:
        return self.teacher(images)


@register("scratch", summary="keeps features in a temporary folder for a moment")
class Scratch(Base):
    """Writes and reads what it removes again."""

    def begin_epoch(self, features: Features, progress: float) -> Selection | None:
        with tempfile.TemporaryDirectory() as folder:
            np.save(Path(folder) / "features.npy", features.target().outputs.features.numpy())
            assert len(np.load(Path(folder) / "features.npy")) == self.spec.target_size


@register("chance", summary="mixes with a random weight")
class Chance(Base):
    """Draws from a generator that the seed does not decide."""

    def losses(self, source: Outputs, labels: Tensor, target: Outputs, batch: Batch) -> dict[str, Tensor]:
        weight = 1 + np.random.default_rng().random()
        return {"classification": weight * cross_entropy(source.logits, labels)}
