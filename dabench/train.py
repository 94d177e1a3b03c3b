"""The one training loop, for every method: optimiser, schedule, precision, seeds, evaluation."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dabench.augment import Augmentation
from dabench.backbones import build_backbone
from dabench.config import RunConfig
from dabench.evaluation import Evaluator, FeatureReader
from dabench.method import Batch, Method, MethodEntry, Selection, SourceBatch, Spec, TargetBatch
from dabench.network import AdaptationNetwork, build_network
from dabench.records import Evaluation
from dabench.sampling import BatchSampler, class_balanced, shuffled
from dabench.schedule import learning_rate_factor, reversal_weight
from dabench.streams import Streams

__all__ = ["Diverged", "Observer", "Training", "TrainingData"]


REPORT_STEPS = 100  # reading the losses waits for the device, so it is done seldom


class Diverged(RuntimeError):
    """A loss or a prediction is no longer a finite number."""


@dataclass(frozen=True)
class TrainingData:
    """What training may see: labelled source images, target images alone. uint8 (n, S, S, 3) and (n,)."""

    source_images: NDArray[np.uint8]
    source_labels: NDArray[np.int64]
    target_images: NDArray[np.uint8]


Observer = Callable[[int, Mapping[str, float], Evaluation | None], None]
"""Called with step, the mean losses since the last evaluation (empty between evaluations), evaluation."""


class _Stepper:
    """One optimiser step over weighted losses; sums the losses on the device, without synchronising."""

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


class Training:
    """One run, built from its configuration, ready to be run once.

    Args:
        config: resolved; precision and threads are set.
        entry: the method's registration.
        weights: "default", "none" or a local file.
        classes: number of classes.
        data: training images.
        device: to run on.
    """

    def __init__(
        self,
        config: RunConfig,
        entry: MethodEntry,
        weights: str | Path,
        classes: int,
        data: TrainingData,
        device: torch.device,
    ) -> None:
        self.config = config
        self.device = device
        self.data = data
        self.streams = Streams(config.seed)
        torch.set_num_threads(config.threads or torch.get_num_threads())
        with self.streams.seeded("init", "backbone"):
            backbone = build_backbone(config.backbone, config.backbone_args, weights, config.image.size)
        precision = {"float32": torch.float32, "bfloat16": torch.bfloat16}[config.precision]
        network, backbone_dim, feature_dim = build_network(
            backbone, config.head, classes, config.image.size, precision, self.streams
        )
        self.network: AdaptationNetwork = network.to(device).to(memory_format=torch.channels_last)
        self.augmentation = Augmentation(
            config.image, config.image.mean or backbone.mean, config.image.std or backbone.std, device
        )
        spec = Spec(
            classes=classes,
            feature_dim=feature_dim,
            backbone_dim=backbone_dim,
            discriminator_hidden=config.head.discriminator_hidden,
            source_size=len(data.source_images),
            target_size=len(data.target_images),
            batch_source=config.batch.source,
            batch_target=config.batch.target,
            steps=config.steps,
            loss_weights=config.loss_weights,
            generator=self.streams.generator("method", "draws"),
        )
        with self.streams.seeded("init", "method"):
            self.method: Method = entry.cls(spec, entry.config(config.params))
            self.method.setup(self.network)
        self.method.to(device)
        self._source_labels = torch.from_numpy(np.asarray(data.source_labels)).to(device)
        balanced = self.method.source_sampling == "class_balanced"
        source_pass = class_balanced(data.source_labels) if balanced else shuffled(len(data.source_labels))
        self._source_order = BatchSampler(source_pass, config.batch.source, self.streams, "source")
        self._every_target = shuffled(len(data.target_images))
        self._target_order = BatchSampler(self._every_target, config.batch.target, self.streams, "target")
        self._restricted = False
        self.training_seconds = 0.0

    def run(self, evaluator: Evaluator, observe: Observer) -> None:
        """Train to the end; evaluations gather in the evaluator.

        Raises:
            Diverged: a loss or a prediction is not finite.
        """
        if not self.method.trains_network:
            self._fit_features(evaluator, observe)
            return
        config = self.config
        optimiser, rates = self._optimiser()
        stepper = _Stepper(optimiser, config.loss_weights, config.optimiser.clip_norm)
        pass_steps = max(
            math.ceil(len(self.data.source_images) / config.batch.source),
            math.ceil(len(self.data.target_images) / config.batch.target),
        )
        due = evaluation_steps(config.steps, config.evaluations)
        started = time.perf_counter()
        evaluating = 0.0
        self.network.train()
        self.method.train()
        for step in range(config.steps):
            progress = step / config.steps
            if step % pass_steps == 0:
                self._begin_epoch(progress)
            factor = learning_rate_factor(progress, config.schedule)
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * factor
            batch = self._batch(step, progress)
            self.network.begin_step(step)
            torch.manual_seed(self.streams.number("method", "step", step))
            self.method.train_step(self.network, batch, stepper)
            done = step + 1
            if done in due:
                losses = stepper.mean_losses()
                self._synchronise()
                pause = time.perf_counter()
                self.training_seconds = pause - started - evaluating
                result = self._evaluate(evaluator, done, losses)
                evaluating += time.perf_counter() - pause
                observe(done, losses, result)
            else:
                observe(done, stepper.running_means() if done % REPORT_STEPS == 0 else {}, None)

    def _fit_features(self, evaluator: Evaluator, observe: Observer) -> None:
        """A method that trains no network looks at the features once and is measured once."""
        started = time.perf_counter()
        self.network.eval()
        self.method.eval()
        self._begin_epoch(0.0)
        self._synchronise()
        self.training_seconds = time.perf_counter() - started
        observe(self.config.steps, {}, self._evaluate(evaluator, 0, {}))

    def _evaluate(self, evaluator: Evaluator, step: int, losses: dict[str, float]) -> Evaluation:
        torch.manual_seed(self.streams.number("method", "evaluation", step))
        try:
            return evaluator.evaluate(
                step, self.network, self.method, self.augmentation, losses, self.training_seconds
            )
        except FloatingPointError as error:
            raise Diverged(f"{error}: the run diverged; a smaller optimiser.lr may help") from error

    def _optimiser(self) -> tuple[torch.optim.Optimizer, list[float]]:
        config = self.config.optimiser
        slow = (self.network.backbone, *self.method.backbones())
        fast = (self.network.bottleneck, self.network.classifier, self.method)
        known: set[int] = set()
        groups: list[tuple[list[nn.Parameter], float]] = []
        for modules, rate in ((slow, config.lr * config.backbone_lr_factor), (fast, config.lr)):
            parameters = {id(p): p for m in modules for p in m.parameters() if p.requires_grad}
            groups.append(([p for key, p in parameters.items() if key not in known], rate))
            known |= parameters.keys()
        groups = [(parameters, rate) for parameters, rate in groups if parameters]
        optimiser = torch.optim.SGD(
            [{"params": parameters, "lr": rate} for parameters, rate in groups],
            lr=config.lr,
            momentum=config.momentum,
            nesterov=config.nesterov,
            weight_decay=config.weight_decay,
            fused=True,
        )
        return optimiser, [rate for _, rate in groups]

    def _begin_epoch(self, progress: float) -> None:
        if type(self.method).begin_epoch is Method.begin_epoch:
            return
        reader = FeatureReader(
            self.network,
            self.method,
            (self.data.source_images, self._source_labels),
            self.data.target_images,
            self.augmentation,
            self.config.batch.test,
        )
        torch.manual_seed(self.streams.number("method", "epoch", f"{progress:.9f}"))
        selection = self.method.begin_epoch(reader, progress)
        if selection is not None:
            self._target_order.restart(shuffled(self._positions(selection)))
        elif self._restricted:
            self._target_order.restart(self._every_target)
        self._restricted = selection is not None

    def _positions(self, selection: Selection) -> NDArray[np.int64]:
        positions, size = selection.target, len(self.data.target_images)
        whole = not (positions.is_floating_point() or positions.dtype == torch.bool)
        fits = positions.ndim == 1 and len(positions) > 0 and whole
        if not fits or int(positions.min()) < 0 or int(positions.max()) >= size:
            raise ValueError(
                f"{type(self.method).__name__}.begin_epoch selected {positions.dtype} {[*positions.shape]}, "
                f"expected (n,) whole numbers from 0 to {size - 1}, n at least 1"
            )
        return positions.cpu().numpy().astype(np.int64)

    def _batch(self, step: int, progress: float) -> Batch:
        source = self._source_order.next()
        target = self._target_order.next()
        source_images = self.augmentation.train(
            self.data.source_images[source], self.streams.generator("augment", "source", step)
        )
        target_images = self.data.target_images[target]
        views = tuple(
            self.augmentation.train(target_images, self.streams.generator("augment", "target", view, step))
            for view in range(self.method.target_views)
        )
        rows = torch.from_numpy(source).to(self.device)
        return Batch(
            SourceBatch(source_images, self._source_labels[rows], rows),
            TargetBatch(views, torch.from_numpy(target).to(self.device)),
            step,
            progress,
            reversal_weight(progress, self.config.reversal),
        )

    def _synchronise(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def state(self) -> dict[str, Any]:
        """Weights of network and method, to compare two runs."""
        return {"network": self.network.state_dict(), "method": self.method.state_dict()}


def evaluation_steps(steps: int, evaluations: int) -> frozenset[int]:
    """Steps after which to evaluate: evenly spaced, the last at the end.

    >>> sorted(evaluation_steps(10, 3))
    [3, 7, 10]
    """
    return frozenset(round(steps * (k + 1) / evaluations) for k in range(evaluations))
