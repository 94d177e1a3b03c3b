"""A tiny network and builders, so that methods are tested without the engine."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dabench.discovery import discover_methods
from dabench.method import METHODS, Batch, Method, Outputs, SourceBatch, Spec, TargetBatch

CLASSES, FEATURES, BACKBONE = 4, 5, 7


class FakeNetwork(nn.Module):
    """Backbone, bottleneck and classifier on 3 x 2 x 2 images."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Flatten(), nn.Linear(12, BACKBONE), nn.Tanh())
        self.bottleneck = nn.Linear(BACKBONE, FEATURES)
        self.classifier = nn.Linear(FEATURES, CLASSES)
        self.passes: list[int] = []

    def forward(self, images: Tensor) -> Outputs:
        self.passes.append(len(images))
        pooled = self.backbone(images)
        features = self.bottleneck(pooled)
        return Outputs(pooled, features, self.classifier(features))


@pytest.fixture(scope="session", autouse=True)
def _methods() -> None:
    discover_methods()


@pytest.fixture
def network() -> FakeNetwork:
    torch.manual_seed(1)
    return FakeNetwork().double()


@pytest.fixture
def make_method() -> Callable[..., Method]:
    """Build a registered method from a seed, in float64 unless told otherwise."""

    def make(name: str, *, seed: int = 0, dtype: torch.dtype = torch.float64, **changes: Any) -> Method:
        spec: dict[str, Any] = {
            "classes": CLASSES,
            "feature_dim": FEATURES,
            "backbone_dim": BACKBONE,
            "discriminator_hidden": (6, 6),
            "source_size": 40,
            "target_size": 30,
            "batch_source": 4,
            "batch_target": 3,
            "steps": 100,
            "loss_weights": {},
            "generator": torch.Generator().manual_seed(seed),
        }
        spec |= {key: changes.pop(key) for key in list(changes) if key in spec}
        torch.manual_seed(seed)
        entry = METHODS.get(name)
        return entry.cls(Spec(**spec), entry.config(changes)).to(dtype)

    return make


@pytest.fixture
def make_batch() -> Callable[..., Batch]:
    """Build a batch of random images."""

    def make(
        source: int = 4, target: int = 3, reversal: float = 0.37, dtype: torch.dtype = torch.float64
    ) -> Batch:
        generator = torch.Generator().manual_seed(2)
        labels = torch.randint(CLASSES, (source,), generator=generator)
        images = torch.randn(source + target, 3, 2, 2, generator=generator, dtype=dtype)
        return Batch(
            SourceBatch(images[:source], labels, torch.arange(source)),
            TargetBatch((images[source:],), torch.arange(target)),
            step=3,
            progress=0.3,
            reversal=reversal,
        )

    return make


@pytest.fixture
def make_outputs() -> Callable[..., tuple[Outputs, Outputs, Tensor, Tensor]]:
    """Build outputs for both domains whose features and logits are leaves: source, target, both leaves."""

    def make(
        source: int = 4, target: int = 3, seed: int = 3, dtype: torch.dtype = torch.float64, **sizes: int
    ) -> tuple[Outputs, Outputs, Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        rows = source + target
        features = torch.randn(rows, sizes.get("features", FEATURES), generator=generator, dtype=dtype)
        logits = torch.randn(rows, sizes.get("classes", CLASSES), generator=generator, dtype=dtype)
        features.requires_grad_()
        logits.requires_grad_()
        first, second = Outputs(features, features, logits).split(source)
        return first, second, features, logits

    return make
