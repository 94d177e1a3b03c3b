"""Nested state as JSON and a table of tensors, and back: what checkpoints hold."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["Unstorable", "flatten", "unflatten"]


class Unstorable(TypeError):
    """A state holds something that no checkpoint can."""


def flatten(state: Any) -> tuple[Any, dict[str, Tensor]]:
    """Return JSON that names tensors, and the tensors; one that occurs twice is named twice.

    Raises:
        Unstorable: says what and where.
    """
    tensors: dict[str, Tensor] = {}
    names: dict[tuple[Any, ...], str] = {}

    def reduced(value: Any, where: str) -> Any:
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, Tensor):
            return _named(value, where, tensors, names)
        if isinstance(value, Mapping):
            for key in value:
                if type(key) not in (int, str):
                    raise Unstorable(f"{where} has the key {key!r}: expected a text or a whole number")
            return {"dict": [[key, reduced(item, f"{where}.{key}")] for key, item in value.items()]}
        if type(value) in (list, tuple):
            items = [reduced(item, f"{where}[{k}]") for k, item in enumerate(value)]
            return {type(value).__name__: items}
        raise Unstorable(
            f"{where} is a {type(value).__name__}: expected tensors, numbers, texts, None, "
            "and lists, tuples and dicts of these"
        )

    return reduced(state, "state"), tensors


def _named(
    value: Tensor, where: str, tensors: dict[str, Tensor], names: dict[tuple[Any, ...], str]
) -> dict[str, Any]:
    """Put a tensor into the table, its dimensions in the order in which it lies in memory."""
    if value.layout != torch.strided or value.is_quantized:
        raise Unstorable(f"{where} is a tensor of another layout than torch.strided")
    order = sorted(range(value.ndim), key=value.stride, reverse=True)
    key = (value.data_ptr(), value.dtype, tuple(value.shape), value.stride(), value.device)
    if key not in names or value.numel() == 0:
        names[key] = str(len(tensors))
        tensors[names[key]] = value.detach().permute(order)
    found: dict[str, Any] = {"tensor": names[key], "moved": value.device.type != "cpu"}
    if order != list(range(value.ndim)):
        found["order"] = order
    return found


def unflatten(facts: Any, tensors: Mapping[str, Tensor], device: torch.device) -> Any:
    """Undo ``flatten``; tensors that did not lie on the processor go to the device.

    Raises:
        ValueError, KeyError, TypeError: the facts come from elsewhere.
    """
    if not isinstance(facts, dict):
        return facts
    if "tensor" in facts:
        value = tensors[facts["tensor"]]
        if facts.get("moved"):
            value = value.to(device)
        order = facts.get("order", range(value.ndim))
        return value.permute([order.index(k) for k in range(value.ndim)])
    ((kind, items),) = facts.items()
    if kind == "dict":
        return {key: unflatten(item, tensors, device) for key, item in items}
    return {"list": list, "tuple": tuple}[kind](unflatten(item, tensors, device) for item in items)
