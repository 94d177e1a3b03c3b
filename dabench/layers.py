"""Small building blocks that methods share: gradient routing, discriminators, domain labels, entropy."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = [
    "StackedMLP",
    "add_gradient",
    "domain_labels",
    "domain_loss",
    "entropy",
    "mlp",
    "reverse_gradient",
    "scale_gradient",
]


class _ScaleGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.factor * gradients[0], None


class _AddGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loss: Tensor, values: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return loss.view_as(loss)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return gradients[0], gradients[0] * gradient, None


def scale_gradient(values: Tensor, factor: float) -> Tensor:
    """Pass values of any shape on unchanged; multiply their gradient by the factor on the way back."""
    return _ScaleGradient.apply(values, factor)  # type: ignore[no-any-return]


def add_gradient(loss: Tensor, values: Tensor, gradient: Tensor) -> Tensor:
    """Return the loss unchanged; on the way back values receive gradient on top of the loss's own.

    Linear in the loss: whatever factor the loss gets later, the added gradient gets too.

    Args:
        loss: a scalar.
        values: any shape.
        gradient: a constant of the same shape.
    """
    return _AddGradient.apply(loss, values, gradient)  # type: ignore[no-any-return]


def reverse_gradient(features: Tensor, weight: float) -> Tensor:
    """Pass features on unchanged; multiply their gradient by -weight on the way back.

    Ganin & Lempitsky, ICML 2015, equations 7 and 8.

    Args:
        features: any shape.
        weight: at least 0; the reversal's lambda.
    """
    return scale_gradient(features, -weight)


def mlp(widths: Sequence[int]) -> nn.Sequential:
    """Linear layers with ReLU between them, none after the last: widths (in, hidden..., out).

    No batch normalisation and no dropout: both would couple or perturb single images' gradients.
    """
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class StackedMLP(nn.Module):
    """K networks of the shape of ``mlp(widths)`` with own weights each, one batched product a layer.

    Initialised as K calls of ``mlp`` in a row would be.
    """

    def __init__(self, count: int, widths: Sequence[int]) -> None:
        super().__init__()
        networks = [[layer for layer in mlp(widths) if isinstance(layer, nn.Linear)] for _ in range(count)]
        self.weights = nn.ParameterList()  # a layer each, (K, in, out)
        self.biases = nn.ParameterList()  # a layer each, (K, 1, out)
        for layers in zip(*networks, strict=True):
            self.weights.append(torch.stack([layer.weight.detach().T for layer in layers]))
            self.biases.append(torch.stack([layer.bias.detach()[None] for layer in layers]))

    def forward(self, inputs: Tensor) -> Tensor:
        """Network k on slice k: (K, N, in) to (K, N, out)."""
        hidden = torch.baddbmm(self.biases[0], inputs, self.weights[0])
        for weight, bias in zip(self.weights[1:], self.biases[1:], strict=True):
            hidden = torch.baddbmm(bias, functional.relu(hidden), weight)
        return hidden


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
    if weights is None:
        return functional.binary_cross_entropy_with_logits(flat, labels)
    # Not as the function's own weight argument, which takes no gradient.
    return (weights * functional.binary_cross_entropy_with_logits(flat, labels, reduction="none")).mean()


def entropy(logits: Tensor) -> Tensor:
    """Entropy of the softmax of each row, in nats: (N, r) to (N,), in [0, log r]."""
    log_probabilities = functional.log_softmax(logits, dim=1)
    return -(log_probabilities.exp() * log_probabilities).sum(dim=1)
