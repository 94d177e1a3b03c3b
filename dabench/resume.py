"""A run's progress: all that its further steps depend on, taken from a run and put into a new one.

Random numbers need no place here but for one generator: every draw belongs to a named stream and a step. The
rest are weights and buffers, modes of modules, the optimiser's momentum, losses since the last evaluation,
positions of the samplers, and what the evaluations so far have stored. A resumed run ends with the bits of
one that was never interrupted, on the same machine.

A method's own state is what ``state_dict`` holds: parameters, buffers, ``get_extra_state``. A run whose
method keeps other state is not kept: resumed, it would end with other figures, and nobody would know.
"""

import contextlib
import copy
import math
import time
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Protocol

import torch
from torch import nn

from dabench.checkpoint import Checkpoint, Checkpoints
from dabench.evaluation import Evaluator
from dabench.hidden import hidden_state
from dabench.loading import Batches
from dabench.method import Method
from dabench.network import AdaptationNetwork
from dabench.stepper import Stepper
from dabench.tree import Unstorable, flatten, unflatten

__all__ = ["Clock", "Progress"]

NO_MEMORY = (MemoryError, torch.OutOfMemoryError)


class Clock:
    """Seconds of a run, over all its parts.

    Attributes:
        resumed_total: wall seconds of earlier parts.
    """

    def __init__(self) -> None:
        self._training = self.resumed_total = self._paused = 0.0
        self._started = time.perf_counter()

    def go_on(self, training: float, total: float) -> None:
        """Add the seconds of earlier parts, and start from now."""
        self._training, self.resumed_total, self._paused = float(training), float(total), 0.0
        self._started = time.perf_counter()

    def training(self) -> float:
        """Seconds without pauses."""
        return self._training + time.perf_counter() - self._started - self._paused

    def total(self) -> float:
        """Seconds with pauses."""
        return self.resumed_total + time.perf_counter() - self._started

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """What is done meanwhile is no training."""
        began = time.perf_counter()
        yield
        self._paused += time.perf_counter() - began


class _Holder(Protocol):
    """A part of a run that gives out its state and takes it back."""

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: Mapping[str, Any]) -> None: ...


class Progress:
    """Keeps a run's progress, and resumes it.

    Args:
        network: of the run, as all others before its first step.
        method: of the run.
        generator: that the method was given.
        stepper: of the run.
        batches: of the run.
        evaluator: without evaluations.
        clock: of the run.
        checkpoints: to write to and to read from.
        device: of the run.
        steps: of the whole run.
        evaluated: steps after which it is evaluated.
    """

    def __init__(
        self,
        network: nn.Module,
        method: Method,
        generator: torch.Generator,
        stepper: Stepper,
        batches: Batches,
        evaluator: Evaluator,
        clock: Clock,
        checkpoints: Checkpoints,
        device: torch.device,
        steps: int,
        evaluated: Collection[int],
    ) -> None:
        self._modules = {"network": network, "method": method}
        self._method = method
        self._generator = generator
        self._holders: dict[str, _Holder] = {"stepper": stepper, "batches": batches, "evaluator": evaluator}
        self._clock = clock
        self._checkpoints = checkpoints
        self._device = device
        self._evaluator = evaluator
        self._steps = steps
        self._evaluated = sorted(evaluated)
        self._kept = 0
        self._hidden: dict[str, str] | None = None
        self._starved = False
        try:
            self._hidden = self._hidden_now()
        except Exception as error:  # whatever a method's attributes raise: a run needs no checkpoints
            self._starved = isinstance(error, NO_MEMORY)
            self._note(error)

    def due(self) -> bool:
        """Whether a checkpoint is due."""
        return self._checkpoints.due()

    def resume(self) -> int:
        """Go on from the newest checkpoint that fits; return its step, or 0 to begin at the beginning.

        Those that are newer are dropped, that none of them is taken for this run's, but for what there was no
        memory for.
        """
        spared: set[int] = set()
        self._kept = self._resumed(spared)
        self._checkpoints.begin(self._kept, spared)
        return self._kept

    def _resumed(self, spared: set[int]) -> int:
        if self._hidden is None or not self._checkpoints.steps():
            spared |= set(self._checkpoints.steps() if self._starved else ())
            return 0
        try:
            fresh = copy.deepcopy(self._state())
            flatten(fresh)  # what cannot be kept was not
            self._restore(fresh)  # what cannot take its own state back is not to be tried with another
        except Exception as error:  # of get_extra_state, set_extra_state, __deepcopy__
            self._note(error)
            spared |= set(self._checkpoints.steps() if isinstance(error, NO_MEMORY) else ())
            return 0
        for checkpoint in self._checkpoints.newest_first():
            try:
                self._require_step(checkpoint.step)
                self._restore(unflatten(checkpoint.facts, checkpoint.tensors, self._device))
                self._require_sense(checkpoint.step)
            except Exception as error:  # whatever a foreign state makes torch or a method raise
                self._restore(fresh)
                self._refuse(checkpoint, error)
                spared |= {checkpoint.step} if isinstance(error, NO_MEMORY) else set()
                continue
            return checkpoint.step
        return 0

    def keep(self, step: int) -> None:
        """Write a checkpoint after so many steps; where that cannot be, the checkpoints' notes say why."""
        if step == self._kept or self._hidden is None:
            return
        try:
            now, before = self._hidden_now(), self._hidden
            changed = sorted(name for name in {*now, *before} if now.get(name) != before.get(name))
            if changed:
                raise Unstorable(
                    f"{type(self._method).__name__} keeps state where state_dict does not see it: "
                    f"{', '.join(changed)} (use register_buffer, or get_extra_state and set_extra_state)"
                )
            facts, tensors = flatten(self._state())
            written = self._checkpoints.write(step, tensors, facts)
        except Exception as error:  # of what a method holds, or gives out
            self._note(error)
            return
        if written:
            self._kept = step

    def _hidden_now(self) -> dict[str, str]:
        return hidden_state(self._method, self._modules["network"], self._generator)

    def _note(self, error: Exception) -> None:
        """Say once why this run has no checkpoints."""
        notes = self._checkpoints.notes
        note = f"no checkpoint, the run would begin anew: {_reason(error)}"
        notes.extend([] if note in notes else [note])

    def _refuse(self, checkpoint: Checkpoint, error: Exception) -> None:
        self._checkpoints.notes.append(
            f"the checkpoint after step {checkpoint.step} does not fit: {_reason(error)}"
        )

    def _require_step(self, step: int) -> None:
        if not 0 < step < self._steps:
            raise ValueError(f"the run has {self._steps} steps")

    def _require_sense(self, step: int) -> None:
        """Raise ValueError where a run cannot be so after so many steps."""
        expected = [number for number in self._evaluated if number <= step]
        found = [item.step for item in self._evaluator.evaluations]
        if found != expected:
            raise ValueError(f"evaluations after steps {found}, expected {expected}")
        for seconds in (self._clock.training(), self._clock.total()):
            if not (math.isfinite(seconds) and seconds >= 0):
                raise ValueError(f"it took {seconds} seconds")
        for network in self._networks():
            if [type(number) for number in network.position] != [int, int]:
                raise ValueError("a network's position is no pair of whole numbers")

    def _all_modules(self) -> list[nn.Module]:
        return [module for whole in self._modules.values() for module in whole.modules()]

    def _networks(self) -> list[AdaptationNetwork]:
        return [module for module in self._all_modules() if isinstance(module, AdaptationNetwork)]

    def _parameters(self) -> list[nn.Parameter]:
        return [parameter for whole in self._modules.values() for parameter in whole.parameters()]

    def _state(self) -> dict[str, Any]:
        """All of it, not copied."""
        return {
            "modules": {name: _taken(module) for name, module in self._modules.items()},
            "modes": [module.training for module in self._all_modules()],
            "trainable": [parameter.requires_grad for parameter in self._parameters()],
            "positions": [network.position for network in self._networks()],
            "generator": self._generator.get_state(),
            "holders": {name: holder.state() for name, holder in self._holders.items()},
            "training_seconds": self._clock.training(),
            "total_seconds": self._clock.total(),
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        for name, module in self._modules.items():
            _put(module, state["modules"][name], self._device)
        for module, mode in zip(self._all_modules(), state["modes"], strict=True):
            module.training = bool(mode)
        for parameter, trainable in zip(self._parameters(), state["trainable"], strict=True):
            parameter.requires_grad_(bool(trainable))
        for network, position in zip(self._networks(), state["positions"], strict=True):
            network.position = position
        self._generator.set_state(state["generator"])
        for name, holder in self._holders.items():
            holder.restore(state["holders"][name])
        self._clock.go_on(state["training_seconds"], state["total_seconds"])


def _reason(error: Exception) -> str:
    try:
        text = str(error).partition("\n")[0]
    except Exception:  # of a method's own error
        text = ""
    return text if text and isinstance(error, Unstorable | ValueError) else f"{type(error).__name__}: {text}"


def _taken(module: nn.Module) -> dict[str, Any]:
    state = module.state_dict()
    return {"values": dict(state), "versions": dict(getattr(state, "_metadata", {}))}


def _put(module: nn.Module, state: Mapping[str, Any], device: torch.device) -> None:
    """Load a module's state; buffers may have been made, dropped or have grown since it was built."""
    values = OrderedDict(state["values"])
    for prefix, part in module.named_modules(remove_duplicate=False):
        for key, buffer in part._buffers.items():
            value = values.get(f"{prefix}.{key}" if prefix else key)
            if key in part._non_persistent_buffers_set:
                continue
            if value is None or buffer is None or (value.shape, value.dtype) != (buffer.shape, buffer.dtype):
                part._buffers[key] = None if value is None else value.to(device, copy=True)
    values._metadata = state["versions"]  # type: ignore[attr-defined]
    module.load_state_dict(values)
