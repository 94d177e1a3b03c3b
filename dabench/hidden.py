"""State of a run that no ``state_dict`` holds, as digests: to notice when a method changes it.

Seen are attributes of the method, of the network and of their modules, whatever they lead to: numbers, texts,
tensors, arrays, containers, modules that are not registered, generators, plain objects. What cannot be read,
such as how far an iterator has come, counts as changed each time. Not seen are global variables, class
attributes and closures; ``dabench check-method`` finds those by what they do.
"""

import functools
import hashlib
import itertools
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import PurePath
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    MemberDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
)
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dabench.network import AdaptationNetwork

__all__ = ["hidden_state"]

# What every module has: registered state, which is kept; hooks, which are set up when a method is built.
USUAL = frozenset(vars(nn.Module())) | {"spec", "config"}
STATELESS = (type, ModuleType, FunctionType, CodeType, np.ufunc)
TELLING = (itertools.count, itertools.repeat)  # iterators whose repr says where they are
_unreadable = itertools.count()


def hidden_state(method: nn.Module, network: nn.Module, generator: torch.Generator) -> dict[str, str]:
    """Return a digest of every plain attribute by name, of modules without an own ``get_extra_state``.

    Those of the network have a name that begins with "network.": a method can change a layer's momentum or
    temperature there.

    Args:
        method: of the run.
        network: of the run; a reference to it, or to a part, is no state.
        generator: that the method was given, which is none either.
    """
    known: set[int] = {id(generator), id(network)}
    for whole in (network, method):
        known |= {id(module) for module in whole.modules()}
        values = (*whole.parameters(), *whole.state_dict().values())
        known |= {address for value in values if (address := _address(value)) is not None}
    found = {}
    parts = {id(module): (name, module) for name, module in network.named_modules(prefix="network")}
    parts |= {id(module): (name, module) for name, module in method.named_modules()}
    for prefix, module in parts.values():
        if type(module).get_extra_state is not nn.Module.get_extra_state:
            continue
        for key, value in _own(module).items():
            digest = hashlib.sha256()
            for piece in _pieces(value, known, {}):
                digest.update(piece)
            found[f"{prefix}.{key}" if prefix else key] = digest.hexdigest()
    return found


def _own(module: nn.Module) -> dict[str, Any]:
    """What a module keeps beside its registered state."""
    own = {key: value for key, value in vars(module).items() if key not in USUAL}
    if isinstance(module, AdaptationNetwork):
        del own["position"]  # kept for every network
    own |= {key: module._buffers[key] for key in module._non_persistent_buffers_set}
    # torch's spectral and weight norm compute a weight anew in every pass
    return {key: own[key] for key in own if not {f"{key}_orig", f"{key}_v"} & module._parameters.keys()}


def _pieces(value: Any, known: set[int], seen: dict[int, Any]) -> Iterator[bytes]:
    """Bytes that differ when a value does; ``seen`` holds what was gone through, for cycles."""
    yield f"<{type(value).__name__}>".encode()
    if id(value) in known:
        return
    if isinstance(value, str | bytes | int | float | complex | PurePath | None):
        yield repr(value).encode()
    elif isinstance(value, Tensor):
        yield from _pieces_of_tensor(value, known)
    elif isinstance(value, np.ndarray):
        yield str(value.shape).encode()
        yield repr(value.tolist()).encode() if value.dtype.hasobject else value.tobytes()
    elif id(value) in seen:
        yield str(list(seen).index(id(value))).encode()
    else:
        seen[id(value)] = value  # kept, that nothing else gets its number
        yield from _pieces_of_object(value, known, seen)


def _address(value: Any) -> int | None:
    """Where a tensor's numbers lie; None for no tensor, an empty one, and one of another layout."""
    if not isinstance(value, Tensor) or value.layout != torch.strided or not value.numel():
        return None
    return value.data_ptr()


def _pieces_of_tensor(value: Tensor, known: set[int]) -> Iterator[bytes]:
    yield str([*value.shape]).encode()
    if value.layout == torch.strided:
        if _address(value) not in known:
            flat = value.detach().cpu().contiguous().reshape(-1)
            yield flat.view(torch.uint8).numpy().tobytes()
    elif value.layout == torch.sparse_coo:
        for part in (value.detach()._indices(), value.detach()._values()):
            yield from _pieces_of_tensor(part, known)
    else:
        yield _always_new()


def _always_new() -> bytes:
    """For what cannot be read: nobody knows whether it is as it was."""
    return f"unreadable {next(_unreadable)}".encode()


def _pieces_of_object(value: Any, known: set[int], seen: dict[int, Any]) -> Iterator[bytes]:
    if isinstance(value, STATELESS) or type(value) is object:
        return
    parts = _parts(value, known, seen)
    if parts is not None:
        for part in parts:
            yield part if isinstance(part, bytes) else b"".join(_pieces(part[0], known, seen))
    attributes = _attributes(value)
    for name, item in attributes.items():
        yield name.encode()
        yield from _pieces(item, known, seen)
    if parts is not None:
        return
    if _runs_on(value):
        yield _always_new()
    elif not _is_plain(type(value)):
        text = repr(value)
        yield _always_new() if " at 0x" in text else text.encode()


def _parts(value: Any, known: set[int], seen: dict[int, Any]) -> list[bytes | tuple[Any]] | None:
    """What a thing of a known kind holds: bytes, and further values as tuples of one; None of other kinds."""
    match value:
        case Mapping():
            parts: list[bytes | tuple[Any]] = [(part,) for item in value.items() for part in item]
            return [*parts, (value.default_factory,)] if isinstance(value, defaultdict) else parts
        case Set():
            return sorted(b"".join(_pieces(item, known, seen)) for item in value)
        case Sequence():  # list, tuple, deque
            return [(item,) for item in value]
        case nn.Module():
            return [(dict(value.state_dict()),), *((part,) for part in value.children())]
        case torch.Generator():
            return [value.get_state().numpy().tobytes()]
        case random.Random():
            return [repr(value.getstate()).encode()]
        case np.random.Generator():
            return [repr(value.bit_generator.state).encode()]
        case np.random.RandomState():
            return [(value.get_state(),)]
        case functools.partial():
            return [(value.func,), (value.args,), (value.keywords,)]
        case MethodType():
            return [(value.__self__,)]
        case BuiltinFunctionType() | MethodWrapperType():
            return [(value.__self__,)]
    return None


def _attributes(value: Any) -> dict[str, Any]:
    """Of an object: those of its dictionary, and those that its classes have ``__slots__`` for."""
    own = {} if isinstance(value, MethodType) else dict(getattr(value, "__dict__", {}))
    if isinstance(value, nn.Module):
        own = {key: item for key, item in own.items() if key not in USUAL}
    for cls in type(value).__mro__:
        for name, slot in vars(cls).items():
            if isinstance(slot, MemberDescriptorType) and "__slots__" in vars(cls):
                try:
                    own[f"{cls.__name__}.{name}"] = slot.__get__(value)
                except AttributeError:
                    continue  # not set
    return own


def _runs_on(value: Any) -> bool:
    """Whether it is an iterator, of which Python does not tell how far it has come."""
    steps = [vars(cls)["__next__"] for cls in type(value).__mro__ if "__next__" in vars(cls)]
    return not isinstance(value, TELLING) and not all(isinstance(step, FunctionType) for step in steps)


def _is_plain(cls: type) -> bool:
    """Whether a thing of this class is what its attributes are: it has some, and no C code describes it."""
    if cls.__repr__ is not object.__repr__ and not isinstance(cls.__repr__, FunctionType):  # type: ignore[comparison-overlap]
        return False
    return any("__slots__" in vars(base) or "__dict__" in vars(base) for base in cls.__mro__)
