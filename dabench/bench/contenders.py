"""What is timed: bare backbone, training steps of methods, loader, evaluation.

Bare means the backbone without classifier, in training mode, forward and backward on a batch that lies on
the device, of the same images, size and number, channels last, without optimiser.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property, partial
from itertools import count
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dabench.backbones import build_backbone
from dabench.bench.middle import MANY_STEPS, MiddleOfRun, looks_between_epochs
from dabench.bench.timing import Contender
from dabench.evaluation import Evaluator
from dabench.inputs import Fetched, Inputs
from dabench.openings import RunImages
from dabench.plan import PlannedRun
from dabench.train import Training

__all__ = [
    "EVALUATION",
    "FORWARD",
    "LOADER",
    "PRECISIONS",
    "Field",
    "FirstInputs",
    "bare_forward",
    "bare_name",
    "bare_step",
    "between_name",
]

Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Precision, Precision] = ("float32", "bfloat16")
LOADER, EVALUATION, FORWARD = "loader alone", "evaluation", "bare forward pass"
EVALUATION_BATCHES = 4  # at most, so that a block over a large target ends


def bare_name(precision: str) -> str:
    """What the bare backbone's training pass is called."""
    return f"bare {precision}"


def between_name(method: str) -> str:
    """What a method's work between epochs is called."""
    return f"{method}, between epochs"


def bare_step(backbone: nn.Module, images: Tensor, precision: Precision) -> Callable[[], None]:
    """Return forward and backward pass of a backbone in training mode on a resident batch.

    Args:
        backbone: images to features (B, D), on the device, channels last.
        images: (B, 3, H, W) on the device.
        precision: of the pass; bfloat16 is that of autocast.
    """
    backbone.train()

    def step() -> None:
        backbone.zero_grad(set_to_none=True)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            features = backbone(images)
        features.float().sum().backward()

    return step


def bare_forward(backbone: nn.Module, images: Tensor, precision: str, passes: int) -> Callable[[], None]:
    """Return so many forward passes of a backbone in evaluation mode under inference mode."""
    backbone.eval()

    def forward() -> None:
        half = precision == "bfloat16"
        with torch.inference_mode(), torch.autocast(images.device.type, torch.bfloat16, enabled=half):
            for _ in range(passes):
                backbone(images)

    return forward


@dataclass(frozen=True)
class Field:
    """Makes the contenders of one configuration, each when it is asked for.

    Attributes:
        runs: one a method, the same but for the methods; the first gives batch, loader and evaluation.
        images: of the runs.
        device: to run on.
    """

    runs: tuple[PlannedRun, ...]
    images: RunImages
    device: torch.device

    def builders(self) -> Iterator[tuple[str, Callable[[], Contender]]]:
        """Names of all contenders and functions that build them."""
        for precision in PRECISIONS:
            yield bare_name(precision), partial(self.bare, precision)
        for run in self.runs:
            yield from self._of_method(run)
        yield LOADER, self.loader
        yield FORWARD, self.forward
        yield EVALUATION, self.evaluation

    @property
    def step_images(self) -> int:
        """Images of both domains in a step."""
        batch = self.runs[0].config.batch
        return batch.source + batch.target

    def bare(self, precision: Precision) -> Contender:
        """The bare backbone's training pass."""
        name = bare_name(precision)
        return Contender(name, bare_step(self._backbone(), self._resident, precision), self.step_images)

    def _of_method(self, run: PlannedRun) -> Iterator[tuple[str, Callable[[], Contender]]]:
        name, made = run.entry.name, cache(lambda: MiddleOfRun(self.training(run)))
        yield name, lambda: self._steps(name, made())
        epoch = self._still.pass_steps
        if looks_between_epochs(run.entry) and epoch > 1:
            yield between_name(name), lambda: self._between(name, made(), epoch)

    def method(self, run: PlannedRun) -> Contender:
        """Whole training steps within epochs: loading, passes, losses, optimiser."""
        return self._steps(run.entry.name, MiddleOfRun(self.training(run)))

    def _steps(self, name: str, middle: MiddleOfRun) -> Contender:
        return Contender(name, middle.step, self.step_images)

    def _between(self, name: str, middle: MiddleOfRun, epoch: int) -> Contender:
        """What a method does between epochs, which the images of an epoch pay for."""
        return Contender(
            between_name(name), middle.begin_epoch, epoch * self.step_images, middle.end_epoch, part_of=name
        )

    def loader(self) -> Contender:
        """Batches of both domains, augmented, on the device."""
        steps = count(1)  # the resident batch was the first

        def load() -> None:
            self._still.batch(next(steps))

        return Contender(LOADER, load, self.step_images)

    def forward(self) -> Contender:
        """Bare forward passes of a resident batch, over as many images as the evaluation reads."""
        batch, passes = self._evaluation_size
        images = self._still.inputs(self.images.test, "test").test(np.arange(batch))
        work = bare_forward(self._backbone(), images, self.runs[0].config.precision, passes)
        return Contender(FORWARD, work, batch * passes)

    def evaluation(self) -> Contender:
        """The run's own evaluation over whole batches of the target's test images."""
        batch, passes = self._evaluation_size
        inputs = FirstInputs(self._still.inputs(self.images.test, "test"), batch * passes)
        labels, classes = self.images.test_labels[: batch * passes], self.images.classes
        metric = self.runs[0].suite.manifest.metric

        def evaluate() -> None:
            evaluator = Evaluator(inputs, labels, classes, metric, batch)
            evaluator.evaluate(0, self._still.network, self._still.method, {}, 0.0)

        return Contender(EVALUATION, evaluate, batch * passes)

    def training(self, run: PlannedRun) -> Training:
        """Build a run as the sweep does, but without an end."""
        config = run.config.model_copy(update={"steps": MANY_STEPS})
        classes = len(self.images.classes)
        return Training(config, run.entry, run.weights, classes, self.images.training, self.device)

    def prepare(self) -> int:
        """Load the resident batch, which belongs to no contender's memory; return its number of images."""
        return len(self._resident)

    @cached_property
    def _still(self) -> Training:
        """A run of the first method that takes no step."""
        return self.training(self.runs[0])

    @cached_property
    def _resident(self) -> Tensor:
        batch = self._still.batch(0)
        images = torch.cat([batch.source.images, batch.target.images])
        return images.contiguous(memory_format=torch.channels_last)

    @property
    def _evaluation_size(self) -> tuple[int, int]:
        """Images a batch, and batches."""
        whole = len(self.images.test_labels)
        batch = min(self.runs[0].config.batch.test, whole)
        return batch, min(whole // batch, EVALUATION_BATCHES)

    def _backbone(self) -> nn.Module:
        run, config = self.runs[0], self.runs[0].config
        module = build_backbone(config.backbone, config.backbone_args, run.weights, config.image.size).module
        module = module.to(self.device).to(memory_format=torch.channels_last)
        if config.compile:
            module.compile()
        return module


class FirstInputs:
    """The first images of a domain.

    Args:
        inputs: of the domain.
        number: how many images, at most all.
    """

    def __init__(self, inputs: Inputs, number: int) -> None:
        self._inputs = inputs
        self._number = number
        self.on_device = inputs.on_device

    def __len__(self) -> int:
        return self._number

    def fetch(self, rows: NDArray[np.int64], step: int, views: int) -> Fetched:
        """Do the host's part of ``train``."""
        return self._inputs.fetch(rows, step, views)

    def train(self, fetched: Fetched) -> tuple[Tensor, ...]:
        """Return the views of a step."""
        return self._inputs.train(fetched)

    def test(self, rows: NDArray[np.int64]) -> Tensor:
        """Return the test view of the rows."""
        return self._inputs.test(rows)
