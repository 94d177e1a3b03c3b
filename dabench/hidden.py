"""State of a method that its ``state_dict`` does not hold, as digests: to notice when it changes.

Seen are attributes of the method and of its modules, whatever they lead to: numbers, texts, tensors, arrays,
containers, modules that are not registered, generators, plain objects. Not seen are global variables, class
attributes and closures; ``dabench check-method`` finds those by what they do.
"""

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence, Set
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dabench.network import AdaptationNetwork

__all__ = ["hidden_state"]

# What every module has: registered state, which is kept; hooks, which are set up when a method is built.
USUAL = frozenset(vars(nn.Module())) | {"spec", "config"}


def hidden_state(method: nn.Module, network: nn.Module, generator: torch.Generator) -> dict[str, str]:
    """Return a digest of every plain attribute by name, of modules without an own ``get_extra_state``.

    Args:
        method: of the run.
        network: of the run; a reference to it, or to a part, is no state.
        generator: that the method was given, which is none either.
    """
    known: set[int] = {id(generator), id(network)}
    for whole in (network, method):
        known |= {id(module) for module in whole.modules()}
        values = (*whole.parameters(), *whole.state_dict().values())
        known |= {value.data_ptr() for value in values if isinstance(value, Tensor) and value.numel()}
    found = {}
    for prefix, module in method.named_modules():
        own = {key: value for key, value in vars(module).items() if key not in USUAL}
        if isinstance(module, AdaptationNetwork):
            del own["position"]  # kept for every network
        own |= {key: module._buffers[key] for key in module._non_persistent_buffers_set}
        if type(module).get_extra_state is not nn.Module.get_extra_state:
            continue
        for key, value in own.items():
            if {f"{key}_orig", f"{key}_v"} & module._parameters.keys():
                continue  # torch's spectral and weight norm compute it anew in every pass
            digest = hashlib.sha256()
            for piece in _pieces(value, known, {}):
                digest.update(piece)
            found[f"{prefix}.{key}" if prefix else key] = digest.hexdigest()
    return found


def _pieces(value: Any, known: set[int], seen: dict[int, Any]) -> Iterator[bytes]:
    """Bytes that differ when a value does; ``seen`` holds what was gone through, for cycles."""
    yield f"<{type(value).__name__}>".encode()
    if id(value) in known:
        return
    if isinstance(value, str | bytes | int | float | complex | None):
        yield repr(value).encode()
    elif isinstance(value, Tensor):
        if value.data_ptr() not in known:
            flat = value.detach().cpu().contiguous().reshape(-1)
            yield str([*value.shape]).encode() + flat.view(torch.uint8).numpy().tobytes()
    elif isinstance(value, np.ndarray):
        yield str(value.shape).encode()
        yield repr(value.tolist()).encode() if value.dtype.hasobject else value.tobytes()
    elif id(value) in seen:
        yield str(list(seen).index(id(value))).encode()
    else:
        seen[id(value)] = value  # kept, that nothing else gets its number
        yield from _pieces_of_object(value, known, seen)


def _pieces_of_object(value: Any, known: set[int], seen: dict[int, Any]) -> Iterator[bytes]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield repr(key).encode()
            yield from _pieces(item, known, seen)
    elif isinstance(value, Set):
        yield repr(sorted(map(repr, value))).encode()
    elif isinstance(value, Sequence):  # list, tuple, deque
        for item in value:
            yield from _pieces(item, known, seen)
    elif isinstance(value, nn.Module):
        yield from _pieces(dict(value.state_dict()), known, seen)
    elif isinstance(value, torch.Generator):
        yield value.get_state().numpy().tobytes()
    elif isinstance(value, random.Random):
        yield repr(value.getstate()).encode()
    elif isinstance(value, np.random.Generator):
        yield repr(value.bit_generator.state).encode()
    elif isinstance(value, type | ModuleType):
        return
    elif hasattr(value, "__dict__"):
        yield from _pieces(vars(value), known, seen)
    else:  # itertools.count and the like say where they are
        yield repr(value).encode()
