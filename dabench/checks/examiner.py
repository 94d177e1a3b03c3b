"""A spy that examines every step and every prediction of a run against the interface of a method."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dabench.checks.spy import Spy
from dabench.checks.verdict import CheckFailed
from dabench.method import Batch, Optimise, Outputs, Selection

__all__ = ["Examiner"]


class Examiner(Spy):
    """Raises CheckFailed in the run at the first thing that is wrong.

    Attributes:
        classes: of the suite.
        drawn: of each step, the source's positions, the target's, and a digest of the target's images.
        restricted: whether the method chose among the target's images.
        images: what was predicted last.
        untouched: parameters that are to be trained and that no gradient has reached.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.drawn: list[tuple[list[int], list[int], str]] = []
        self.restricted = False
        self.images = torch.empty(0)
        self.untouched: set[str] | None = None
        self._modes: list[bool] | None = None
        self._before: dict[str, Any] = {}

    def step_begins(self, batch: Batch, optimise: Optimise) -> Optimise:
        """Note what was drawn; what the method is given as ``optimise`` looks at the losses first."""
        if self.untouched is None:
            self._await_gradients()
        if self._modes is not None and self._modes != self._modes_now():
            raise CheckFailed(
                "between two steps (in predict or begin_epoch) a module was left in another mode: training "
                "where it was in evaluation, or the other way round"
            )
        images = batch.target.images.detach().cpu().contiguous()
        digest = hashlib.sha256(images.numpy().tobytes()).hexdigest()
        self.drawn.append((batch.source.positions.tolist(), batch.target.positions.tolist(), digest))
        names = self.method.loss_names

        def examined(losses: Mapping[str, Tensor], only: Sequence[nn.Module] | None = None) -> None:
            _examine(losses, names)
            optimise(losses, only)

        return examined

    def step_ends(self) -> None:
        """Remember which modules are in training mode."""
        self._modes = self._modes_now()

    def epoch_chose(self, selection: Selection | None) -> None:
        """Nothing else than a Selection may come back."""
        if selection is not None:
            self.restricted = True
            if not isinstance(selection, Selection):
                raise CheckFailed(f"begin_epoch returned {type(selection).__name__}, not a Selection or None")

    def prediction_begins(self, images: Tensor) -> None:
        """Remember weights and modes before a prediction."""
        self.images = images
        self._before = {key: _copy(value) for key, value in self.state().items()}
        self._before["modes"] = self._modes_now()

    def prediction_ends(self, images: Tensor, outputs: Outputs) -> None:
        """A prediction has logits of every class and leaves everything as it was."""
        if not isinstance(outputs, Outputs):
            raise CheckFailed(f"predict returned {type(outputs).__name__}, not Outputs")
        wanted = (len(images), self.classes)
        if tuple(outputs.logits.shape) != wanted:
            raise CheckFailed(
                f"predict returned logits of shape {tuple(outputs.logits.shape)}, expected {wanted}: "
                "a row an image, a column a class"
            )
        if outputs.logits.dtype != torch.float32:
            raise CheckFailed(f"predict returned logits in {outputs.logits.dtype}, expected torch.float32")
        if not len(outputs.features) == len(outputs.pooled) == len(images):
            raise CheckFailed("predict returned another number of features than of images")
        after = {**self.state(), "modes": self._modes_now()}
        changed = [key for key in after if not _same(self._before.get(key), after[key])]
        if changed:
            raise CheckFailed(
                f"predict changed {_listed(changed)}: an evaluation must not change the training"
            )

    def _modes_now(self) -> list[bool]:
        return [module.training for whole in (self.network, self.method) for module in whole.modules()]

    def _await_gradients(self) -> None:
        """Note which trained parameters receive a gradient, and that each one is finite."""
        untouched = self.untouched = set()
        for part, module in (("network", self.network), ("method", self.method)):
            for name, parameter in module.named_parameters():
                if not parameter.requires_grad:
                    continue
                key = f"{part}.{name}"
                untouched.add(key)

                def note(changed: Tensor, key: str = key) -> None:
                    gradient = changed.grad
                    if gradient is None or not torch.isfinite(gradient).all():
                        raise CheckFailed(f"the gradient of {key} is not finite")
                    if gradient.abs().sum() > 0:
                        untouched.discard(key)

                parameter.register_post_accumulate_grad_hook(note)

    def finish(self) -> None:
        """Demand what a whole run must have done.

        Raises:
            CheckFailed: a parameter that is to be trained never received a gradient.
        """
        if self.untouched:
            raise CheckFailed(
                f"no gradient reaches {_listed(sorted(self.untouched))} in {len(self.drawn)} steps "
                "(requires_grad is True)"
            )


def _examine(losses: Mapping[str, Tensor], names: Sequence[str]) -> None:
    unknown = sorted(set(losses) - set(names))
    if unknown:
        raise CheckFailed(f"loss {_listed(unknown)} is not declared in loss_names {list(names)}")
    for name, loss in losses.items():
        if not isinstance(loss, Tensor):
            raise CheckFailed(f"loss '{name}' is a {type(loss).__name__}, expected a tensor")
        if loss.shape != ():
            raise CheckFailed(f"loss '{name}' has shape {tuple(loss.shape)}, expected a scalar")
        if not math.isfinite(float(loss.detach())):
            raise CheckFailed(
                f"loss '{name}' is {float(loss.detach())} on a few steps of small random numbers"
            )
    if not any(loss.requires_grad for loss in losses.values()):
        raise CheckFailed(f"none of the losses {_listed(sorted(losses))} has a gradient")


def _listed(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(f"'{name}'" for name in names[:most]) + (", ..." if len(names) > most else "")


def _copy(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else value


def _same(before: Any, after: Any) -> bool:
    if isinstance(before, Tensor) and isinstance(after, Tensor):
        # NaN is as it was, too: a buffer may say so that nothing is in it yet.
        return before.shape == after.shape and torch.equal(torch.nan_to_num(before), torch.nan_to_num(after))
    return bool(before == after)
