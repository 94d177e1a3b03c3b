"""Runs that are interrupted and resumed, for tests/test_resume.py; as a program it resumes them all.

``python resumed.py FOLDER`` goes on with every case from its checkpoints and writes what came of it.
"""

import contextlib
import copy
import hashlib
import json
import sys
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from dabench.checkpoint import Checkpoints, TimeIsUp
from dabench.config import RunConfig
from dabench.discovery import discover_methods
from dabench.evaluation import Evaluator, Watched
from dabench.inputs import Portion
from dabench.method import METHODS, Method, MethodEntry, Outputs, Selection
from dabench.methods.source_only import SourceOnly
from dabench.train import Training, TrainingData

discover_methods()
rng = np.random.default_rng(0)
LABELS = np.repeat(np.arange(3), (16, 12, 8))
SOURCE = rng.integers(0, 256, (36, 16, 16, 3), dtype=np.uint8)
TARGET = rng.integers(0, 256, (30, 16, 16, 3), dtype=np.uint8)
FEATURES = {"source": rng.random((36, 5), np.float32), "target": rng.random((30, 5), np.float32)}
EVALUATED = [4, 7, 10, 14]
BASE: dict[str, Any] = {
    "suite": "tiny", "task": "A->B", "seed": 0, "precision": "float32", "threads": 1, "steps": 14,
    "evaluations": 4, "backbone": "dann_mnist", "batch": {"source": 5, "target": 4, "test": 16},
    "head": {"bottleneck": 6, "discriminator_hidden": [6]}, "image": {"resize": 16, "size": 16},
    "optimiser": {"lr": 0.02},
}  # fmt: skip


class Teacher(SourceOnly):
    """A teacher of its own that follows the network, and predicts; two optimiser steps a batch."""

    target_views = 2

    def setup(self, network):
        self.teacher = copy.deepcopy(network.backbone)
        self.head = nn.Linear(6, 3)
        for parameter in self.teacher.parameters():
            parameter.requires_grad_(False)

    def train_step(self, network, batch, optimise):
        super().train_step(network, batch, optimise)
        first, second = (network(view).features for view in batch.target.views)
        loss = (self.head(first) - self.head(second.detach())).square().mean()
        optimise({"classification": loss + torch.rand(()) * first.square().mean()}, only=[self.head])
        with torch.no_grad():
            for mine, theirs in zip(self.teacher.parameters(), network.backbone.parameters(), strict=True):
                mine.lerp_(theirs, 0.1)

    def predict(self, network, images):
        pooled = self.teacher(images)
        features = network.bottleneck(pooled)
        return Outputs(pooled, features, network.classifier(features))


class MeanTeacher(SourceOnly):
    """A copy of the whole network that draws, too, and predicts."""

    def setup(self, network):
        self.teacher = copy.deepcopy(network).requires_grad_(False)

    def train_step(self, network, batch, optimise):
        wanted = [self.teacher(batch.target.images).logits for _ in range(2)]
        logits = network(batch.target.images).logits
        loss = functional.cross_entropy(network(batch.source.images).logits, batch.source.labels)
        optimise({"classification": loss + sum((logits - value).square().mean() for value in wanted)})
        with torch.no_grad():
            for mean, value in zip(self.teacher.parameters(), network.parameters(), strict=True):
                mean.lerp_(value, 0.1)

    def predict(self, network, images):
        return self.teacher(images)


class Selecting(SourceOnly):
    """Chooses among the target's images; class-balanced source; draws from its generator all along."""

    source_sampling = "class_balanced"

    def losses(self, source, labels, target, batch):
        (loss,) = super().losses(source, labels, target, batch).values()
        return {"classification": loss * torch.rand((), generator=self.spec.generator)}

    def begin_epoch(self, features, progress):
        if 0.2 < progress < 0.8:
            order = features.target().outputs.logits.amax(dim=1).argsort()
            return Selection(order[: 5 + int(torch.randint(6, (), generator=self.spec.generator))])
        return None


class Remembering(SourceOnly):
    """Buffers that are made, grow and go; what get_extra_state gives; a part that is frozen midway."""

    loss_names = ("classification", "pull")

    def __init__(self, spec, config):
        super().__init__(spec, config)
        self.register_buffer("bank", None)
        self.register_buffer("grown", torch.zeros(1))
        self.register_buffer("first", torch.zeros(2))
        self.facts: dict[Any, Any] = {"steps": 0, 3: (1.5, None, [True])}
        self.linear = nn.Linear(spec.feature_dim, spec.feature_dim)

    def get_extra_state(self):
        return self.facts

    def set_extra_state(self, state):
        self.facts = state

    def losses(self, source, labels, target, batch):
        self.facts = {
            **self.facts,
            "steps": self.facts["steps"] + 1,
            "mean": target.features.detach().mean(0),
        }
        if self.bank is None:
            self.bank = torch.zeros(
                target.features.shape[1], self.spec.target_size
            ).T  # lies column by column
        pull = (target.features @ self.bank.T).mean() * self.facts["steps"] + self.grown.sum()
        self.bank = self.bank.clone()
        self.bank[batch.target.positions] = target.features.detach()
        self.grown = torch.cat([self.grown, self.grown[-1:] + 0.25])
        if self.facts["steps"] == 5:
            self.first = None
            self.linear.eval()
            self.linear.weight.requires_grad_(False)
        pull = pull + self.linear(target.features).square().mean() * (1 + self.linear.training)
        return {**super().losses(source, labels, target, batch), "pull": pull}


@dataclass(frozen=True)
class Case:
    """A run: a registered method or a class; configuration; features instead of images, or some rows."""

    method: str | type[Method]
    changes: dict[str, Any] = field(default_factory=dict)
    features: bool = False
    portion: bool = False


SMALL = {"image": {"resize": 32, "size": 32, "train_crop": "random_resized"}}
CASES = {
    **{f"{name} on images": Case(name) for name in METHODS},
    **{f"{name} on features": Case(name, features=True) for name in METHODS},
    "teacher": Case(Teacher),
    "selection": Case(Selecting),
    "memory": Case(Remembering),
    "stochastic depth": Case(
        Selecting,
        {"backbone": "test_vit", "backbone_args": {"drop_path_rate": 0.4, "proj_drop_rate": 0.3}, **SMALL},
    ),
    "mean teacher": Case(
        MeanTeacher, {"backbone": "test_vit", "backbone_args": {"proj_drop_rate": 0.3}, **SMALL}
    ),
    "batch norm": Case(Teacher, {"backbone": "test_resnet", "backbone_args": {"drop_rate": 0.3}, **SMALL}),
    "no nesterov": Case("dann", {"optimiser": {"lr": 0.02, "nesterov": False}}),
    "no momentum": Case("dann", {"optimiser": {"lr": 0.02, "nesterov": False, "momentum": 0.0}}),
    "clipped": Case("dann", {"optimiser": {"lr": 0.02, "clip_norm": 0.1}}),
    "holdout": Case("gsda", portion=True),
}


def build(case: Case) -> tuple[Training, Evaluator]:
    """A run that is ready to start."""
    entry = (
        METHODS.get(case.method)
        if isinstance(case.method, str)
        else MethodEntry("toy", case.method, {}, "", None)
    )
    config = RunConfig.model_validate({**BASE, "method": entry.name, **case.changes})
    source, target = (FEATURES["source"], FEATURES["target"]) if case.features else (SOURCE, TARGET)
    if config.image.resize != 16:
        source, target = (images.repeat(2, axis=1).repeat(2, axis=2) for images in (source, target))
    rows = np.flatnonzero(np.arange(36) % 5) if case.portion else np.arange(36)
    held = np.flatnonzero(np.arange(36) % 5 == 0)
    part = Portion(source, rows) if case.portion else source
    data = TrainingData(part, LABELS[rows], target)
    training = Training(config, entry, "none", 3, data, torch.device("cpu"))
    own = training.inputs(source, "source")
    watched = {
        "target": Watched(None, np.arange(0, 30, 3), np.arange(0, 30, 3)),
        "source_val": Watched(own, held, held, LABELS[held]),
    }
    test = training.inputs(target, "test")
    return training, Evaluator(test, np.arange(30) % 3, ["a", "b", "c"], "accuracy", 16, watched)


class Killed(BaseException):
    """Stands for the end of a process."""


def go_on(
    case: Case, path: Path, stop: int | None = None, error: type[BaseException] = TimeIsUp, every: float = 0
) -> tuple[Training, Evaluator, Checkpoints]:
    """Resume a run from its checkpoints, or begin it, and end it before a step (None: never)."""
    training, evaluator = build(case)
    checkpoints = Checkpoints(path, {"run_id": "some"}, every)
    taken: deque[int] = deque(maxlen=1)

    def check() -> None:
        if stop is not None and (taken[0] if taken else training.resumed_from) == stop:
            raise error

    with contextlib.suppress(error):
        training.run(evaluator, lambda step, *_: taken.append(step), checkpoints, check)
    return training, evaluator, checkpoints


def results(training: Training, evaluator: Evaluator) -> dict[str, str]:
    """Digests of all that a finished run leaves, and of what further steps would depend on."""
    found: dict[str, Any] = {}
    for part, state in training.state().items():
        for key, value in state.items():
            found[f"{part}.{key}"] = value
    for key, value in training._stepper.state()["optimiser"].items():
        found |= {f"momentum {key} {name}": tensor for name, tensor in value.items()}
    found |= {
        f"stored {key}": value for key, value in {**evaluator.arrays(), **(evaluator.stored() or {})}.items()
    }
    for item in evaluator.evaluations:
        found[f"evaluation {item.step}"] = sorted(item.model_dump(exclude={"seconds"}).items())
    return {key: _digest(value) for key, value in found.items()}


def _digest(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        value = value.numpy()
    if isinstance(value, np.ndarray):
        value = (str(value.dtype), value.shape, value.tobytes())
    if isinstance(value, dict):
        value = sorted((str(key), _digest(item)) for key, item in value.items())
    return hashlib.sha256(repr(value).encode()).hexdigest()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    outcome: dict[str, Any] = {}
    for number, (name, case) in enumerate(CASES.items()):
        training, evaluator, checkpoints = go_on(case, folder / f"{number}.json")
        outcome[name] = {"from": training.resumed_from, "results": results(training, evaluator)}
    (folder / "outcome").write_text(json.dumps(outcome), encoding="utf-8")
