"""Notice when code replaces a function, a class or a method of dabench."""

import sys
import types
from typing import Any

__all__ = ["Parts"]

Held = tuple[Any, ...]


class Parts:
    """The functions, classes and their methods that dabench's modules hold, as they were when first seen.

    Tables of what is registered and what was computed before are data and may change.
    """

    def __init__(self) -> None:
        self._modules: dict[str, types.ModuleType] = {}
        self._held: dict[str, Held] = {}
        self.extend()

    def extend(self) -> None:
        """Count modules that were imported since."""
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] == "dabench" and name not in self._modules:
                self._modules[name] = module
                self._held |= _held_by(name, module)

    def changed(self) -> list[str]:
        """Names of what is not as it was; each is told once."""
        now: dict[str, Held] = {}
        for name, module in self._modules.items():
            now |= _held_by(name, module)
        names = [name for name in {**self._held, **now} if not _same(self._held.get(name), now.get(name))]
        self._held = now
        return names


def _held_by(name: str, module: types.ModuleType) -> dict[str, Held]:
    found: dict[str, Held] = {}
    for key, value in list(vars(module).items()):
        if key.startswith("__") or not callable(value):
            continue
        found[f"{name}.{key}"] = _identity(value)
        if isinstance(value, type) and value.__module__ == name:
            for inner, part in list(vars(value).items()):
                if isinstance(part, types.FunctionType | staticmethod | classmethod | property):
                    found[f"{name}.{key}.{inner}"] = _identity(part)
    return found


def _identity(value: Any) -> Held:
    """What makes a function: itself and its code. The objects are kept, so no other one gets their place."""
    function = getattr(value, "__func__", getattr(value, "fget", value))
    if isinstance(function, types.FunctionType):
        return value, function.__code__, function.__defaults__
    return (value,)


def _same(one: Held | None, other: Held | None) -> bool:
    if one is None or other is None or len(one) != len(other):
        return False
    return all(a is b for a, b in zip(one, other, strict=True))
