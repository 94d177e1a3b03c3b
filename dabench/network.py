"""The network that all methods share: backbone, bottleneck, classifier."""

import torch
from torch import Tensor, nn

from dabench.backbones import Backbone
from dabench.config import HeadConfig
from dabench.layers import mlp
from dabench.method import Outputs
from dabench.streams import Streams

__all__ = ["AdaptationNetwork", "build_network"]


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
        self._step = (0, 0)  # optimisation step, passes made in it

    def begin_step(self, step: int) -> None:
        """Move the network's random stream to a step."""
        self._step = (step, 0)

    def forward(self, images: Tensor) -> Outputs:
        """Run all three parts."""
        if self.training:
            step, passes = self._step
            self._step = (step, passes + 1)
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


def build_network(
    backbone: Backbone, head: HeadConfig, classes: int, size: int, precision: torch.dtype, streams: Streams
) -> tuple[AdaptationNetwork, int, int]:
    """Put the shared head on a backbone; return the network, backbone_dim and feature_dim D.

    The widths come from a forward pass of a blank image, because not every backbone knows its own.
    """
    backbone.module.eval()
    with torch.no_grad():
        blank = torch.zeros(1, 3, size, size)
        pooled = backbone.module(blank)
    if pooled.ndim != 2:
        raise ValueError(f"backbone gives features of shape {tuple(pooled.shape)}, expected (N, D)")
    backbone_dim = feature_dim = pooled.shape[1]
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
    network = AdaptationNetwork(backbone.module, bottleneck, classifier, precision, streams)
    return network, backbone_dim, feature_dim
