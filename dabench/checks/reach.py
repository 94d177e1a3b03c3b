"""What can be reached from an object: everything that a method is handed, and all that hangs on it."""

import gc
import hashlib
import types
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

import numpy as np
import torch

__all__ = ["digest_of", "held_by", "holds", "texts"]


def held_by(start: Any) -> Iterator[Any]:
    """Every object that can be reached from an object, without going through classes, modules and frames."""
    seen: set[int] = set()
    waiting = [start]
    keep = []  # what is made on the way must live on: its id must not be given to another object
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, type | types.ModuleType | types.FrameType):
            continue
        seen.add(id(item))
        keep.append(item)
        yield item
        if isinstance(item, types.FunctionType):  # not its module's names
            waiting += [item.__closure__, item.__defaults__, item.__kwdefaults__]
        elif not isinstance(item, types.BuiltinFunctionType):
            waiting += gc.get_referents(item)
            waiting += [item.base] if isinstance(item, np.ndarray) else []


def digest_of(labels: Any) -> str:
    """Digest of whole numbers in their order."""
    return hashlib.sha256(np.asarray(labels, dtype=np.int64).tobytes()).hexdigest()


def holds(start: Any, size: int, digest: str) -> bool:
    """Whether an array, tensor, list or dictionary that can be reached has these labels, in this order.

    The labels are given by their number and ``digest_of`` them, so that nothing that looks for them holds
    them itself.
    """
    return any(_same(item, size, digest) for item in held_by(start))


def _same(item: Any, size: int, digest: str) -> bool:
    if isinstance(item, torch.Tensor):
        item = item.detach().cpu().double().numpy() if item.shape == (size,) else None
    elif isinstance(item, list | tuple | dict) and len(item) == size:
        values = list(item.values()) if isinstance(item, dict) else item
        whole = all(isinstance(value, int | float | np.number) for value in values)
        item = np.array(values) if whole else None
    if not isinstance(item, np.ndarray) or item.shape != (size,) or item.dtype.kind not in "iufb":
        return False
    return bool(np.all(np.mod(item, 1) == 0)) and digest_of(item) == digest  # no infinity passes


def texts(start: Any) -> list[str]:
    """Every text and path that can be reached."""
    return [str(item) for item in held_by(start) if isinstance(item, str | PurePath)]
