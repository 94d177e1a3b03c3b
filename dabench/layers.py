"""Small building blocks that methods share: gradient reversal, discriminators, domain labels, entropy."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["domain_labels", "domain_loss", "entropy", "mlp", "reverse_gradient"]


class _ReverseGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: float) -> Tensor:
        ctx.weight = weight
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.weight * gradients[0], None


def reverse_gradient(features: Tensor, weight: float) -> Tensor:
    """Pass features on unchanged; multiply their gradient by -weight on the way back.

    Ganin & Lempitsky, ICML 2015, equations 7 and 8.

    Args:
        features: any shape.
        weight: at least 0; the reversal's lambda.
    """
    return _ReverseGradient.apply(features, weight)  # type: ignore[no-any-return]


def mlp(widths: Sequence[int]) -> nn.Sequential:
    """Linear layers with ReLU between them, none after the last: widths (in, hidden..., out).

    No batch normalisation and no dropout: both would couple or perturb single images' gradients.
    """
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def domain_labels(source: int, target: int, device: torch.device | str = "cpu") -> Tensor:
    """Domain label of every row of a batch, source rows first: source = 1, target = 0, (source + target,).

    >>> domain_labels(1, 2)
    tensor([1., 0., 0.])
    """
    return torch.cat([torch.ones(source, device=device), torch.zeros(target, device=device)])


def domain_loss(logits: Tensor, source: int, weights: Tensor | None = None) -> Tensor:
    """Mean binary cross-entropy of the discriminator's logits (N,) or (N, 1), source rows first.

    Args:
        logits: of "this is a source image".
        source: the number of source rows, 0 to N.
        weights: factor of each row, (N,); the mean still runs over N.
    """
    flat = logits.reshape(-1)
    labels = domain_labels(source, len(flat) - source, flat.device).to(flat.dtype)
    return functional.binary_cross_entropy_with_logits(flat, labels, weight=weights)


def entropy(logits: Tensor) -> Tensor:
    """Entropy of the softmax of each row, in nats: (N, r) to (N,), in [0, log r]."""
    log_probabilities = functional.log_softmax(logits, dim=1)
    return -(log_probabilities.exp() * log_probabilities).sum(dim=1)
