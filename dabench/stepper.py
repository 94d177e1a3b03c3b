"""Optimiser steps over weighted losses, and the losses' running means."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Diverged", "Stepper"]


class Diverged(RuntimeError):
    """A loss or a prediction is no longer a finite number."""


class Stepper:
    """One optimiser step over weighted losses; sums the losses on the device, without synchronising.

    Args:
        optimiser: of the run.
        weights: factor of each named loss; 1 where a name is absent.
        clip_norm: largest norm of the whole gradient, or None.
    """

    def __init__(
        self, optimiser: torch.optim.Optimizer, weights: Mapping[str, float], clip_norm: float | None
    ) -> None:
        self._optimiser = optimiser
        self._weights = weights
        self._clip_norm = clip_norm
        self._parameters = [p for group in optimiser.param_groups for p in group["params"]]
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def __call__(self, losses: Mapping[str, Tensor], only: Sequence[nn.Module] | None = None) -> None:
        """Backward and step, on the given modules only (None: all)."""
        total = torch.stack([self._weights.get(name, 1.0) * loss for name, loss in losses.items()]).sum()
        self._optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        if only is not None:
            chosen = {id(p) for module in only for p in module.parameters()}
            for parameter in self._parameters:
                if id(parameter) not in chosen:
                    parameter.grad = None
        if self._clip_norm is not None:
            nn.utils.clip_grad_norm_(self._parameters, self._clip_norm)
        self._optimiser.step()
        for name, loss in losses.items():
            value = loss.detach()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts.get(name, 0) + 1

    def set_rates(self, rates: Sequence[float]) -> None:
        """Set the learning rate of each parameter group."""
        for group, rate in zip(self._optimiser.param_groups, rates, strict=True):
            group["lr"] = rate

    def running_means(self) -> dict[str, float]:
        """Mean losses since the last evaluation; a loss that is no number ends the run."""
        means = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        for name, value in means.items():
            if not math.isfinite(value):
                raise Diverged(f"loss '{name}' is {value}: the run diverged; a smaller optimiser.lr may help")
        return means

    def mean_losses(self) -> dict[str, float]:
        """Read the mean losses and begin anew."""
        means = self.running_means()
        self._sums.clear()
        self._counts.clear()
        return means

    def state(self) -> dict[str, Any]:
        """What the next steps depend on besides the weights, not copied."""
        kept = self._optimiser.state
        buffers = {k: dict(kept[p]) for k, p in enumerate(self._parameters) if p in kept}
        return {"optimiser": buffers, "sums": dict(self._sums), "counts": dict(self._counts)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state.

        Raises:
            ValueError: it does not fit the parameters.
        """
        sums, counts = dict(state["sums"]), dict(state["counts"])
        if sums.keys() != counts.keys() or not all(type(n) is int and n > 0 for n in counts.values()):
            raise ValueError("losses that were not counted")
        if not all(isinstance(value, Tensor) and value.numel() == 1 for value in sums.values()):
            raise ValueError("a loss that is no number")
        self._optimiser.state.clear()
        for position, buffers in state["optimiser"].items():
            parameter = self._parameters[position]
            self._optimiser.state[parameter] = {k: _as(parameter, value) for k, value in buffers.items()}
        self._sums, self._counts = sums, counts


def _as(parameter: Tensor, value: Tensor | None) -> Tensor | None:
    """A buffer laid out in memory as its parameter: fused optimisers go through both side by side."""
    if value is None:
        return None
    if value.shape != parameter.shape or value.dtype != parameter.dtype:
        raise ValueError(f"an optimiser's buffer of shape {[*value.shape]} for {[*parameter.shape]}")
    return torch.empty_like(parameter, requires_grad=False).copy_(value)
