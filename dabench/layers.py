"""Small building blocks that methods share: gradient routing, discriminators, domain labels, entropy."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

__all__ = [
    "StackedMLP",
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


def scale_gradient(values: Tensor, factor: float) -> Tensor:
    """Pass values of any shape on unchanged; multiply their gradient by the factor on the way back."""
    return _ScaleGradient.apply(values, factor)  # type: ignore[no-any-return]


def reverse_gradient(features: Tensor, weight: float) -> Tensor:
    """Pass features on unchanged; multiply their gradient by -weight on the way back.

    Ganin & Lempitsky, ICML 2015, equations 7 and 8.

    Args:
        features: any shape.
        weight: at least 0; the reversal's lambda.
    """
    return scale_gradient(features, -weight)


def mlp(widths: Sequence[int], batch_norm: bool = False) -> nn.Sequential:
    """Linear layers with ReLU between them, none after the last: widths (in, hidden..., out).

    No dropout, and batch normalisation before each ReLU only on request: both would couple or perturb single
    images' gradients.
    """
    *inner, last = [nn.Linear(fan_in, fan_out) for fan_in, fan_out in pairwise(widths)]
    layers: list[nn.Module] = []
    for layer in inner:
        norm = [nn.BatchNorm1d(layer.out_features)] if batch_norm else []
        layers += [layer, *norm, nn.ReLU()]
    return nn.Sequential(*layers, last)


class _StackedPass(torch.autograd.Function):
    """Outputs and slopes of K ReLU networks with one output each, the backward pass written out.

    Around almost every x a network f is linear: f(x) = s x + c with the slope s = df/dx, which has no
    derivative with respect to x. And d f(x) + e s, for any numbers d and any vector e, is what the network
    makes of the probe d x + e when each unit stays as x has switched it and the biases count d times. One
    backward pass of that switched network so gives the weights' gradients through outputs and slopes at once.
    """

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, again: Tensor, rows: Tensor | None, *parameters: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        weights, biases = parameters[::2], parameters[1::2]
        seen = inputs.expand(len(weights[0]), *inputs.shape) if rows is None else inputs[rows]  # (K, R, in)
        hidden, gates = seen, []
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            hidden = torch.baddbmm(bias, hidden, weight.mT).relu_()
            gates.append(hidden)
        outputs = torch.baddbmm(biases[-1], hidden, weights[-1].mT).squeeze(-1)
        slope = weights[-1]  # with respect to the highest hidden layer, (K, 1, hidden)
        slopes: list[Tensor] = []  # with respect to each hidden layer before its ReLU, (K, R, hidden)
        for gate, weight in zip(reversed(gates), reversed(weights[:-1]), strict=True):
            slopes.insert(0, gate.sign_() * slope)  # 1 where a unit is on, 0 where it is off
            slope = torch.bmm(slopes[0], weight)
        slope = slope.expand(*outputs.shape, -1)  # (K, R, in)
        norms = torch.linalg.vector_norm(slope, dim=-1)
        ctx.save_for_backward(seen, rows, slope, norms, *gates, *slopes[:-1], *parameters)
        ctx.depth, ctx.count = len(gates), len(inputs)
        return outputs, outputs.clone(), norms

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        seen, rows, slope, norms, *rest = ctx.saved_tensors
        below = max(ctx.depth - 1, 0)  # hidden layers that have another one above them
        gates, slopes, parameters = rest[: ctx.depth], rest[ctx.depth :][:below], rest[ctx.depth + below :]
        weights, biases = parameters[::2], parameters[1::2]
        by_inputs, by_again, by_norms = gradients  # (K, R) each
        factor = (by_inputs + by_again).unsqueeze(-1)
        stretch = (by_norms / norms).masked_fill(norms == 0, 0).unsqueeze(-1)
        probe = torch.addcmul(stretch * slope, factor, seen)  # (K, R, in)
        found: list[Tensor | None] = [_scatter(by_inputs, slope, rows, ctx.count)]
        found += [_scatter(by_again, slope, rows, ctx.count), None]
        for layer in range(below):
            found += [torch.bmm(slopes[layer].mT, probe), torch.bmm(factor.mT, slopes[layer])]
            probe = torch.baddbmm(factor * biases[layer], probe, weights[layer].mT).mul_(gates[layer])
        if gates:
            # The slope at the highest hidden layer is the output's weights where a unit is on. So one product
            # that leaves these weights out serves the layer below them and themselves.
            product = torch.bmm(gates[-1].mT, probe)  # (K, hidden, in)
            on = torch.bmm(factor.mT, gates[-1])  # (K, 1, hidden)
            top = torch.einsum("koi,koi->ko", weights[-2], product).unsqueeze(1) + on * biases[-2]
            found += [product.mul_(weights[-1].mT), on * weights[-1], top]
        else:
            found.append(probe.sum(dim=1, keepdim=True))
        return (*found, factor.sum(dim=1, keepdim=True))


def _scatter(factors: Tensor, slope: Tensor, rows: Tensor | None, count: int) -> Tensor:
    """Add up factors (K, R) times slopes (K, R, in) for each row of the inputs: (count, in)."""
    if rows is None:
        return torch.einsum("kr,kri->ri", factors, slope)
    parts = (factors.unsqueeze(-1) * slope).flatten(0, 1)
    return parts.new_zeros(count, parts.shape[1]).index_add_(0, rows.flatten(), parts)


class StackedMLP(nn.Module):
    """K networks of the shape of ``mlp((*widths, 1))`` with own weights each, one batched product a layer.

    Initialised as K calls of ``mlp`` in a row would be.

    Args:
        count: K, at least 1.
        widths: (in, hidden...).
    """

    def __init__(self, count: int, widths: Sequence[int]) -> None:
        super().__init__()
        networks = [
            [layer for layer in mlp((*widths, 1)) if isinstance(layer, nn.Linear)] for _ in range(count)
        ]
        self.weights = nn.ParameterList()  # a layer each, (K, out, in)
        self.biases = nn.ParameterList()  # a layer each, (K, 1, out)
        for layers in zip(*networks, strict=True):
            self.weights.append(torch.stack([layer.weight.detach() for layer in layers]))
            self.biases.append(torch.stack([layer.bias.detach()[None] for layer in layers]))

    def forward(
        self, inputs: Tensor, again: Tensor, rows: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run every network, and say how steep it is at its inputs.

        Both may be differentiated, once. Second derivatives cost no more than first ones: for one hidden
        layer, forward and backward pass together take three products with the large weights.

        Args:
            inputs: (N, in).
            again: the same values by another way, which outputs take back to the features with a factor of
                its own.
            rows: the inputs that network k sees, (K, R) whole numbers; None: all, R = N.

        Returns:
            Outputs whose gradient goes to ``inputs``, (K, R); the same whose gradient goes to ``again``; the
            norm of each output's gradient with respect to its input, (K, R), at least 0.
        """
        pairs = zip(self.weights, self.biases, strict=True)
        parameters = [parameter for pair in pairs for parameter in pair]
        return _StackedPass.apply(inputs, again, rows, *parameters)  # type: ignore[no-any-return]


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
