"""The interface of a method, and the register of all methods.

The engine owns the loop, the optimiser, the schedule, precision, seeds, evaluation and records.
A method owns its losses and its extra modules. The smallest method is a class with ``losses``.
The other hooks are for methods that need more: several optimisation steps a batch (``train_step``),
own classifiers, a teacher or own prediction (``setup``, ``predict``), a look at all features between
epochs (``begin_epoch``), a second view of each target image (``target_views``), and methods that train
no network at all (``trains_network = False``).

Target labels do not occur here: a target batch has images and positions in an order that is drawn from
the images' content, never from folders or lists.
"""

import copy
import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import Tensor, nn

from dabench.config import Frozen
from dabench.layers import mlp
from dabench.recipe import Recipe
from dabench.registry import Registry
from dabench.search import Range

__all__ = [
    "METHODS",
    "Batch",
    "FeatureTable",
    "Features",
    "Method",
    "MethodConfig",
    "MethodEntry",
    "Network",
    "Optimise",
    "Outputs",
    "Selection",
    "SourceBatch",
    "Spec",
    "TargetBatch",
    "register",
]


class MethodConfig(Frozen):
    """Base of a method's own configuration. Declare fields with ``dabench.config.setting``."""


@dataclass(frozen=True)
class Spec:
    """What a method may know when it is built.

    Attributes:
        classes: number of classes r.
        feature_dim: width D of the features that discriminators see (after the bottleneck).
        backbone_dim: width of the backbone's pooled features.
        discriminator_hidden: hidden widths of the shared domain discriminator, from the configuration.
        source_size: number of source images.
        target_size: number of target training images.
        batch_source: source images a batch.
        batch_target: target images a batch.
        steps: optimisation steps of the run.
        loss_weights: factor of each named loss; 1 where a name is absent. The engine applies it.
        generator: the method's own random stream (on the CPU), for draws that are made once.
        discriminator_batch_norm: batch normalisation in the shared domain discriminator.
    """

    classes: int
    feature_dim: int
    backbone_dim: int
    discriminator_hidden: tuple[int, ...]
    source_size: int
    target_size: int
    batch_source: int
    batch_target: int
    steps: int
    loss_weights: Mapping[str, float]
    generator: torch.Generator
    discriminator_batch_norm: bool = False

    def discriminator(self, width: int | None = None) -> nn.Sequential:
        """Build the shared domain discriminator: (N, width) to logits (N, 1); width defaults to D."""
        widths = (width or self.feature_dim, *self.discriminator_hidden, 1)
        return mlp(widths, self.discriminator_batch_norm)


@dataclass(frozen=True)
class Outputs:
    """What the network says of N images, in float32.

    Attributes:
        pooled: the backbone's pooled features, (N, backbone_dim).
        features: after the bottleneck, (N, D); equal to pooled where there is no bottleneck.
        logits: of the classifier, (N, r).
    """

    pooled: Tensor
    features: Tensor
    logits: Tensor

    def __len__(self) -> int:
        return len(self.logits)

    def split(self, first: int) -> tuple["Outputs", "Outputs"]:
        """Split into the first rows and the rest."""
        parts = [(value[:first], value[first:]) for value in (self.pooled, self.features, self.logits)]
        return Outputs(*(part[0] for part in parts)), Outputs(*(part[1] for part in parts))


class Network(Protocol):
    """Backbone, bottleneck and classifier, shared by all methods: images (N, 3, H, W) to Outputs."""

    backbone: nn.Module
    bottleneck: nn.Module
    classifier: nn.Module

    def __call__(self, images: Tensor) -> Outputs:
        """Run the whole network."""
        ...


@dataclass(frozen=True)
class SourceBatch:
    """Labelled source images: images (B_s, 3, H, W), normalised; labels (B_s,) in [0, r).

    Positions (B_s,) number the source images as the rows of ``Features.source()`` do.
    """

    images: Tensor
    labels: Tensor
    positions: Tensor


@dataclass(frozen=True)
class TargetBatch:
    """Unlabelled target images: views, each (B_t, 3, H, W) and augmented anew; positions (B_t,).

    Positions number the target training images from 0 in an order that knows nothing of their classes;
    they let a method keep a memory per image and match a ``FeatureTable``.
    """

    views: tuple[Tensor, ...]
    positions: Tensor

    @property
    def images(self) -> Tensor:
        """The first view, (B_t, 3, H, W)."""
        return self.views[0]


@dataclass(frozen=True)
class Batch:
    """One step's images; progress p in [0, 1) and the reversal weight that belongs to it."""

    source: SourceBatch
    target: TargetBatch
    step: int
    progress: float
    reversal: float


@dataclass(frozen=True)
class FeatureTable:
    """Network outputs for all images of a domain, row by position, in evaluation mode on the device."""

    outputs: Outputs
    labels: Tensor | None = None


class Features(Protocol):
    """Reads all source and all unlabelled target training images through the current network, when asked."""

    def source(self) -> FeatureTable:
        """All source images, with labels."""
        ...

    def target(self) -> FeatureTable:
        """All target training images; labels are None."""
        ...


@dataclass(frozen=True)
class Selection:
    """The target positions that training draws from until the next epoch, (n,) with n at least 1."""

    target: Tensor


class Optimise(Protocol):
    """One optimiser step over the weighted sum of the losses, on the given modules only (None: all)."""

    def __call__(self, losses: Mapping[str, Tensor], only: Sequence[nn.Module] | None = None) -> None:
        """Backward and step."""
        ...


class Method(nn.Module):
    """One method in one run: a module that holds what the method adds to the shared network.

    Draw with torch's global functions in any hook: the engine has set them to the method's own stream.

    Runs are interrupted and resumed. What changes from step to step belongs into parameters or buffers
    (``register_buffer``; one may be None at first, or grow), or is given out by ``get_extra_state`` and taken
    back by ``set_extra_state``: tensors, numbers, texts, None, and lists, tuples and dicts of these. The
    engine keeps modes, ``requires_grad``, ``spec.generator``, the optimiser's state and the last Selection.
    A method that changes other attributes gets no checkpoints.

    Class attributes:
        config_class: the method's own configuration.
        title, summary, paper: for people; ``paper`` names authors, venue and year.
        bibtex: the entry to cite, or "".
        version: raise it when a change of the file changes results; it is part of every run's identity.
        loss_names: all names that ``losses`` may return.
        recipes: suite name to configuration values of this method on that suite, each with its source.
        search: configuration path to the range that ``dabench tune`` draws its values from, beside those of
            every method (``dabench.search.SHARED``).
        source_sampling: "uniform", or "class_balanced": images of small classes are repeated until all
            classes count the same. May be overridden by a property that reads the configuration.
        target_views: how many differently augmented views of each target image a batch carries.
        discriminator_batch_norm: False for a method whose own discriminators have none: asking for it is
            an error then, not without effect.
        trains_network: False for a method that works on features alone: no step is taken, ``begin_epoch``
            is called once with the untrained head's network, then ``predict``.
        uses_target_labels: True for the upper bound only: the engine then feeds labelled target images in
            the source's place, marks the records and never ranks them.
    """

    config_class: ClassVar[type[MethodConfig]] = MethodConfig
    title: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    bibtex: ClassVar[str] = ""
    version: ClassVar[int] = 1
    loss_names: ClassVar[tuple[str, ...]] = ("classification",)
    recipes: ClassVar[Mapping[str, Recipe]] = {}
    search: ClassVar[Mapping[str, Range]] = {}
    source_sampling: Literal["uniform", "class_balanced"] = "uniform"
    target_views: int = 1
    discriminator_batch_norm: ClassVar[bool] = True
    trains_network: ClassVar[bool] = True
    uses_target_labels: ClassVar[bool] = False

    def __init__(self, spec: Spec, config: Any) -> None:
        super().__init__()
        self.spec = spec
        self.config = config

    @classmethod
    def settle(cls, config: Any, classes: int) -> Any:
        """Return the configuration with what follows from the number of classes filled in, for the record.

        Raises:
            UserError: it cannot work with so many classes; names the key, its value and what was expected.
        """
        return config

    def setup(self, network: Network) -> None:
        """Look at the freshly built network once, before the first step (to copy a teacher, say)."""

    def backbones(self) -> Sequence[nn.Module]:
        """The method's own modules that learn at the backbone's rate (a second encoder); the rest do not."""
        return ()

    def losses(self, source: Outputs, labels: Tensor, target: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Return the named losses of a batch, each a scalar.

        Args:
            source: outputs for the source images, (B_s, ...).
            labels: of the source images, (B_s,).
            target: outputs for the first view of the target images, (B_t, ...).
            batch: images, progress and reversal weight.
        """
        raise NotImplementedError(f"{type(self).__name__} has neither losses nor train_step")

    def train_step(self, network: Network, batch: Batch, optimise: Optimise) -> None:
        """Take one step: by default one forward pass for both domains, the losses, one optimiser step.

        Override it for several optimiser steps a batch.
        """
        outputs = network(torch.cat([batch.source.images, batch.target.images]))
        source, target = outputs.split(len(batch.source.labels))
        optimise(self.losses(source, batch.source.labels, target, batch))

    def begin_epoch(self, features: Features, progress: float) -> Selection | None:
        """Look at all features before an epoch (a pass over the larger domain), the first one included.

        Features are computed only when they are read. Return a Selection to train on a part of the target
        until the next epoch, or None for all of it.
        """
        return None

    def predict(self, network: Network, images: Tensor) -> Outputs:
        """Return what the method says of images (N, 3, H, W) in evaluation: logits (N, r) and features."""
        return network(images)


@dataclass(frozen=True)
class MethodEntry:
    """A registered name: a class and the configuration defaults that this name sets."""

    name: str
    cls: type[Method]
    params: Mapping[str, Any]
    summary: str
    file: Path | None

    def config(self, params: Mapping[str, Any]) -> MethodConfig:
        """Validate the method's own configuration over this name's defaults."""
        return self.cls.config_class.model_validate({**copy.deepcopy(dict(self.params)), **params})

    @property
    def source_sha256(self) -> str | None:
        """Digest of the file that defines the class, to notice a change without a new version."""
        return hashlib.sha256(self.file.read_bytes()).hexdigest() if self.file else None


METHODS: Registry[MethodEntry] = Registry("method")


def register(name: str, *, summary: str = "", **params: Any) -> Callable[[type[Method]], type[Method]]:
    """Register a Method class under a name; params set defaults of its configuration for this name.

    One class may have several names: ``register("gsda-glb", levels=("global",))(GSDA)``.
    """

    def decorate(cls: type[Method]) -> type[Method]:
        file = inspect.getsourcefile(cls)
        entry = MethodEntry(name, cls, params, summary or cls.summary, Path(file) if file else None)
        cls.config_class.model_validate(params)
        METHODS.add(name, entry, origin=file or cls.__module__)
        return cls

    return decorate
