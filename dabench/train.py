"""The one training loop, for every method: optimiser, schedule, precision, seeds, evaluation."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dabench.augment import Augmentation
from dabench.backbones import build_backbone
from dabench.checkpoint import Checkpoints, TimeIsUp
from dabench.config import RunConfig
from dabench.evaluation import Evaluator, FeatureReader
from dabench.hardware import keep_freed_memory, set_matrix_products
from dabench.inputs import Inputs, Stored, feature_width, inputs_of
from dabench.loading import Batches
from dabench.method import Batch, Method, MethodEntry, Selection, Spec
from dabench.network import AdaptationNetwork, build_network, pooled_width
from dabench.records import Evaluation
from dabench.resume import Clock, Progress
from dabench.sampling import class_balanced, shuffled
from dabench.schedule import learning_rate_factor, reversal_weight
from dabench.stepper import Diverged, Stepper
from dabench.streams import Streams

__all__ = ["Diverged", "Observer", "Training", "TrainingData"]


REPORT_STEPS = 100  # for the display, and to notice early that a run diverged


@dataclass(frozen=True)
class TrainingData:
    """What training may see: labelled source images, target images alone; or their frozen features.

    Attributes:
        source: n images or, for a frozen backbone, features (n, backbone_dim).
        source_labels: (n,) class indices.
        target: the target's training images or features.
    """

    source: Stored
    source_labels: NDArray[np.int64]
    target: Stored


Observer = Callable[[int, Mapping[str, float], Evaluation | None], None]
"""Called with step, the mean losses since the last evaluation (empty between evaluations), evaluation."""


class Training:
    """One run, built from its configuration, ready to be run once.

    Args:
        config: resolved; precision and threads are set.
        entry: the method's registration.
        weights: "default", "none" or a local file.
        classes: number of classes.
        data: training images or features.
        device: to run on.

    Attributes:
        training_seconds: until the last evaluation, without evaluations, over all parts of the run.
        resumed_from: steps that an earlier part of the run had taken.
        earlier_seconds: of wall time that earlier parts took until there.
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
        keep_freed_memory()
        set_matrix_products(device, config.tf32)
        precision = {"float32": torch.float32, "bfloat16": torch.bfloat16}[config.precision]
        backbone, backbone_dim, self.augmentation = self._input_side(weights, data)
        network, feature_dim = build_network(
            backbone, backbone_dim, config.head, classes, precision, self.streams
        )
        self.network: AdaptationNetwork = network.to(device).to(memory_format=torch.channels_last)
        source, target = self.inputs(data.source, "source"), self.inputs(data.target, "target")
        self._generator = self.streams.generator("method", "draws")
        spec = Spec(
            classes=classes,
            feature_dim=feature_dim,
            backbone_dim=backbone_dim,
            discriminator_hidden=config.head.discriminator_hidden,
            source_size=len(source),
            target_size=len(target),
            batch_source=config.batch.source,
            batch_target=config.batch.target,
            steps=config.steps,
            loss_weights=config.loss_weights,
            generator=self._generator,
            discriminator_batch_norm=config.head.discriminator_batch_norm,
        )
        with self.streams.seeded("init", "method"):
            self.method: Method = entry.cls(spec, entry.config(config.params))
            self.method.setup(self.network)
        self.method.to(device)
        if config.compile and not config.frozen_backbone:
            self.network.backbone.compile()
        balanced = self.method.source_sampling == "class_balanced"
        source_pass = class_balanced(data.source_labels) if balanced else shuffled(len(source))
        self._batches = Batches(
            source, data.source_labels, target, source_pass, config.batch, self.method.target_views,
            self.streams, device,
        )  # fmt: skip
        self.pass_steps = max(
            math.ceil(len(source) / config.batch.source), math.ceil(len(target) / config.batch.target)
        )
        self.training_seconds = 0.0
        self.resumed_from = 0
        self.earlier_seconds = 0.0

    def _input_side(self, weights: str | Path, data: TrainingData) -> tuple[nn.Module, int, Augmentation]:
        """Backbone, its width, and the transforms before it; features of a frozen one need neither."""
        config = self.config
        width = feature_width(data.source)
        if width is not None:
            plain = Augmentation(config.image, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), self.device)
            return nn.Identity(), width, plain
        with self.streams.seeded("init", "backbone"):
            backbone = build_backbone(config.backbone, config.backbone_args, weights, config.image.size)
        mean, std = config.image.mean or backbone.mean, config.image.std or backbone.std
        width = pooled_width(backbone.module, config.image.size)
        return backbone.module, width, Augmentation(config.image, mean, std, self.device)

    def inputs(self, stored: Stored, name: str) -> Inputs:
        """Make what the network reads of a domain's images or features, under this run's transforms."""
        return inputs_of(stored, name, self.augmentation, self.streams, self.device)

    def run(
        self,
        evaluator: Evaluator,
        observe: Observer,
        checkpoints: Checkpoints | None = None,
        check: Callable[[], None] | None = None,
    ) -> None:
        """Train to the end; evaluations gather in the evaluator.

        Args:
            evaluator: new; of a run that is resumed it gets the evaluations so far.
            observe: told of every step that is taken here.
            checkpoints: to resume from, and to write to after evaluations when one is due.
            check: called before each step; what it raises ends the run, TimeIsUp after a checkpoint.

        Raises:
            Diverged: a loss or a prediction is not finite.
        """
        if not self.method.trains_network:
            self._fit_features(evaluator, observe)
            return
        due = evaluation_steps(self.config.steps, self.config.evaluations)
        self.begin()
        clock = Clock()
        progress = None if checkpoints is None else self._progress(evaluator, clock, checkpoints)
        if progress is not None:
            self.resumed_from = progress.resume()
            self.earlier_seconds = clock.resumed_total
        for step in range(self.resumed_from, self.config.steps):
            self._between_steps(step, step in due, clock, progress, check)
            self.step(step)
            done = step + 1
            if done in due:
                losses = self._stepper.mean_losses()
                self._synchronise()
                self.training_seconds = clock.training()
                with clock.pause():
                    result = self._evaluate(evaluator, done, losses)
                observe(done, losses, result)
            else:
                observe(done, self._report() if done % REPORT_STEPS == 0 else {}, None)

    def _progress(self, evaluator: Evaluator, clock: Clock, checkpoints: Checkpoints) -> Progress:
        return Progress(
            self.network, self.method, self._generator, self._stepper, self._batches, evaluator, clock,
            checkpoints, self.device, self.config.steps,
            evaluation_steps(self.config.steps, self.config.evaluations),
        )  # fmt: skip

    def _between_steps(
        self,
        step: int,
        evaluated: bool,
        clock: Clock,
        progress: Progress | None,
        check: Callable[[], None] | None,
    ) -> None:
        """Before a step: ask whether to go on, and keep what was reached if a checkpoint is due."""
        try:
            if check is not None:
                check()
        except TimeIsUp:
            if progress is not None:
                self._synchronise()
                progress.keep(step)
            raise
        if progress is not None and evaluated and progress.due():  # a run that was lost has ended above
            with clock.pause():
                progress.keep(step)

    def begin(self) -> None:
        """Make the optimiser and go into training mode, before the first step."""
        optimiser, self._rates = self._optimiser()
        self._stepper = Stepper(optimiser, self.config.loss_weights, self.config.optimiser.clip_norm)
        self.network.train()
        self.method.train()

    def step(self, step: int) -> None:
        """Take one optimisation step; steps are numbered from 0 and come in order."""
        if not 0 <= step < self.config.steps:
            raise ValueError(f"step {step} of a run of {self.config.steps} steps")
        progress = step / self.config.steps
        if step % self.pass_steps == 0:
            self.begin_epoch(progress)
        factor = learning_rate_factor(progress, self.config.schedule)
        self._stepper.set_rates([rate * factor for rate in self._rates])
        batch = self.batch(step)
        self.network.begin_step(step)
        self.streams.start("method", "step", step)
        self.method.train_step(self.network, batch, self._stepper)

    def batch(self, step: int) -> Batch:
        """Load the batch of a step; batches come in order."""
        progress = step / self.config.steps
        reversal = reversal_weight(progress, self.config.reversal)
        following = step + 1
        ahead = following < self.config.steps and following % self.pass_steps != 0
        return self._batches.next(step, progress, reversal, ahead)

    def _report(self) -> dict[str, float]:
        """The running means of the losses; a GPU would have to wait, and is asked at evaluations only."""
        return self._stepper.running_means() if self.device.type == "cpu" else {}

    def _fit_features(self, evaluator: Evaluator, observe: Observer) -> None:
        """A method that trains no network looks at the features once and is measured once."""
        started = time.perf_counter()
        self.network.eval()
        self.method.eval()
        self.begin_epoch(0.0)
        self._synchronise()
        self.training_seconds = time.perf_counter() - started
        observe(self.config.steps, {}, self._evaluate(evaluator, 0, {}))

    def _evaluate(self, evaluator: Evaluator, step: int, losses: dict[str, float]) -> Evaluation:
        self.streams.start("method", "evaluation", step)
        try:
            return evaluator.evaluate(step, self.network, self.method, losses, self.training_seconds)
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

    def begin_epoch(self, progress: float) -> None:
        """Let the method look at all features and choose target images, if it wants to."""
        if type(self.method).begin_epoch is Method.begin_epoch:
            return
        batches = self._batches
        reader = FeatureReader(
            self.network, self.method, batches.source, batches.labels, batches.target, self.config.batch.test
        )
        self.streams.start("method", "epoch", f"{progress:.9f}")
        selection = self.method.begin_epoch(reader, progress)
        batches.restrict(None if selection is None else self._positions(selection))

    def _positions(self, selection: Selection) -> NDArray[np.int64]:
        positions, size = selection.target, len(self._batches.target)
        whole = not (positions.is_floating_point() or positions.dtype == torch.bool)
        fits = positions.ndim == 1 and len(positions) > 0 and whole
        if not fits or int(positions.min()) < 0 or int(positions.max()) >= size:
            raise ValueError(
                f"{type(self.method).__name__}.begin_epoch selected {positions.dtype} {[*positions.shape]}, "
                f"expected (n,) whole numbers from 0 to {size - 1}, n at least 1"
            )
        return positions.cpu().numpy().astype(np.int64)

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
