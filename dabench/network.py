"""The network that all methods share: backbone, bottleneck, classifier."""

import torch
from torch import Tensor, nn

from dabench.config import HeadConfig
from dabench.layers import mlp
from dabench.method import Outputs
from dabench.streams import Streams

__all__ = ["AdaptationNetwork", "build_network", "pooled_width"]


class AdaptationNetwork(nn.Module):
    """Images (N, 3, H, W) to Outputs in float32.

    Only the backbone runs in the given precision; bottleneck, classifier, discriminators and losses are in
    float32. A backbone with dropout or stochastic depth draws from its own stream, so that a method's draws
    and the network's do not mix.

    Args:
        backbone: images to pooled features (N, backbone_dim).
        bottleneck: pooled features to features (N, D).
        classifier: features to logits (N, r).
        precision: of the backbone's pass in training and evaluation.
        streams: of the run.

    Attributes:
        position: in the random stream: optimisation step, passes made in it. Of a copy that a method made,
            the step at which it was made, and the passes since then.
    """

    def __init__(
        self,
        backbone: nn.Module,
        bottleneck: nn.Module,
        classifier: nn.Module,
        precision: torch.dtype,
        streams: Streams,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.classifier = classifier
        self.precision = precision
        self._streams = streams
        self.position = (0, 0)
        self._draws = not isinstance(backbone, nn.Identity)  # features of a frozen backbone come ready

    def begin_step(self, step: int) -> None:
        """Move the network's random stream to a step."""
        self.position = (step, 0)

    def forward(self, images: Tensor) -> Outputs:
        """Run all three parts."""
        if self.training and self._draws:
            step, passes = self.position
            self.position = (step, passes + 1)
            with self._streams.seeded("network", step, passes):
                pooled = self._pooled(images)
        else:
            pooled = self._pooled(images)
        features = self.bottleneck(pooled)
        return Outputs(pooled, features, self.classifier(features))

    def _pooled(self, images: Tensor) -> Tensor:
        half = self.precision != torch.float32
        with torch.autocast(images.device.type, self.precision, enabled=half):
            pooled: Tensor = self.backbone(images)
        return pooled.float()


def pooled_width(backbone: nn.Module, size: int) -> int:
    """Width of a backbone's pooled features, from a blank image: not every backbone knows its own.

    Leaves the backbone in evaluation mode.
    """
    backbone.eval()
    with torch.no_grad():
        pooled = backbone(torch.zeros(1, 3, size, size))
    if pooled.ndim != 2:
        raise ValueError(f"backbone gives features of shape {tuple(pooled.shape)}, expected (N, D)")
    return int(pooled.shape[1])


def build_network(
    backbone: nn.Module,
    backbone_dim: int,
    head: HeadConfig,
    classes: int,
    precision: torch.dtype,
    streams: Streams,
) -> tuple[AdaptationNetwork, int]:
    """Put the shared head on a backbone of width backbone_dim; return the network and feature_dim D."""
    feature_dim = backbone_dim
    bottleneck: nn.Module = nn.Identity()
    if head.bottleneck is not None:
        feature_dim = head.bottleneck
        with streams.seeded("init", "bottleneck"):
            layers: list[nn.Module] = [nn.Linear(backbone_dim, feature_dim)]
            if head.bottleneck_batch_norm:
                layers.append(nn.BatchNorm1d(feature_dim))
            bottleneck = nn.Sequential(*layers, nn.ReLU())
    with streams.seeded("init", "classifier"):
        classifier = mlp((feature_dim, *head.classifier_hidden, classes))
    return AdaptationNetwork(backbone, bottleneck, classifier, precision, streams), feature_dim
