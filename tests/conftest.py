"""What all tests share: a cache of their own, a tiny suite of generated images, a registry put back."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hypothesis import HealthCheck, settings

from dabench.config import RunConfig
from dabench.discovery import discover_methods
from dabench.evaluation import Evaluator
from dabench.images import resize_square
from dabench.method import METHODS, Method, MethodEntry
from dabench.openings import OpenDomains
from dabench.plan import PlannedRun, plan
from dabench.records import Evaluation, RecordStore
from dabench.resolve import parse_assignment
from dabench.sweepfile import SweepConfig
from dabench.train import Training, TrainingData

# A loaded machine is no error.
settings.register_profile(
    "dabench", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50
)
settings.load_profile("dabench")

PROCESSOR = torch.device("cpu")
TINY: dict[str, Any] = {
    "name": "tiny",
    "title": "Coloured squares",
    "loader": "files",
    "classes": ["red", "green", "blue"],
    "domains": {
        "alpha": {"short": "A", "images": 36, "paths": {"all": "alpha.npz"}},
        "beta": {"short": "B", "images": 30, "paths": {"all": "beta.npz"}},
    },
    "recipe": {
        path: {"value": value, "source": "our choice: fast"}
        for path, value in {
            "backbone": "dann_mnist",
            "weights": "none",
            "steps": 4,
            "evaluations": 2,
            "batch.source": 6,
            "batch.target": 6,
            "head.bottleneck": 8,
            "head.discriminator_hidden": [8],
            "image.resize": 16,
            "image.size": 16,
            "image.train_crop": "center",
            "threads": 1,
        }.items()
    },
}


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of the user's: cache, data and results folders."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DABENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        for name in ("DABENCH_DATA", "DABENCH_RESULTS"):
            patch.delenv(name, raising=False)
        torch.set_num_threads(1)  # tiny tensors: more threads only wait for each other on a busy machine
        yield


def coloured_squares(per_class: int, background: int, seed: int) -> dict[str, np.ndarray[Any, Any]]:
    """Images uint8 (3 n, 16, 16, 3) of a square in the class's colour on a grey ground, and labels."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), per_class)
    images = rng.integers(background, background + 40, (len(labels), 16, 16, 3), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        top, left = rng.integers(0, 8, 2)
        image[top : top + 8, left : left + 8, label] = 255
    return {"images": images, "labels": labels}


@pytest.fixture(scope="session")
def make_tiny_suite() -> Callable[..., Path]:
    """Write the tiny suite into a folder, with changes of the manifest's keys; return the manifest."""

    def make(folder: Path, **changes: Any) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / "alpha.npz", **coloured_squares(12, 0, seed=1))
        np.savez(folder / "beta.npz", **coloured_squares(10, 120, seed=2))
        manifest = {**TINY, **changes}
        path = folder / f"{manifest['name']}.yaml"
        path.write_text(yaml.safe_dump(manifest), encoding="utf-8")
        return path

    return make


@pytest.fixture(scope="session")
def tiny_suite(tmp_path_factory: pytest.TempPathFactory, make_tiny_suite: Callable[..., Path]) -> Path:
    """Manifest file of a suite ``tiny``: domains alpha (A, 36 images) and beta (B, 30), three classes, 16 px.

    Tasks A->B and B->A; its recipe takes 4 steps with two evaluations. Read only: other tests share it.
    """
    return make_tiny_suite(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def make_plan(tiny_suite: Path, tmp_path: Path) -> Callable[..., list[PlannedRun]]:
    """Plan dann on the tiny suite with one seed: ``make_plan(["steps=8"], seeds=(0, 1))``.

    Keywords are a sweep's; ``file``, ``results``, ``device`` and ``force`` are as for ``plan``.
    """

    def make(assignments: Sequence[str] = (), **fields: Any) -> list[PlannedRun]:
        file, force = fields.pop("file", None), fields.pop("force", False)
        store = RecordStore(fields.pop("results", tmp_path / "results"))
        device = torch.device(fields.pop("device", "cpu"))
        domains = OpenDomains(fields.pop("data", tmp_path / "data"))
        usual = {"suites": [str(tiny_suite)], "methods": ["dann"], "seeds": [0]}
        sweep = SweepConfig.model_validate({**usual, **fields})
        flags = [parse_assignment(text) for text in assignments]
        return plan(sweep, file, flags, domains, store, device, force)

    return make


@pytest.fixture
def own_methods() -> Iterator[None]:
    """Methods that a test registers are gone after it."""
    discover_methods()
    entries, origins = dict(METHODS._entries), dict(METHODS._origins)
    yield
    METHODS._entries.clear()
    METHODS._entries.update(entries)
    METHODS._origins.clear()
    METHODS._origins.update(origins)


@dataclass(frozen=True)
class TinyRun:
    """A run on coloured squares: what the engine built, and the observations while it ran."""

    training: Training
    evaluator: Evaluator
    seen: list[tuple[int, Mapping[str, float], Evaluation | None]]

    def weights(self, *parts: str) -> dict[str, Any]:
        """Copies of network and method weights by name, of the parts named (network, method) or all."""
        state = self.training.state()
        return {
            f"{part}.{key}": value.clone()
            for part in parts or ("network", "method")
            for key, value in state[part].items()
        }


@pytest.fixture
def tiny_run() -> Callable[..., TinyRun]:
    """Train on coloured squares: ``tiny_run("dann", seed=1, steps=4, **{"optimiser.lr": 0.1})``.

    The method is a registered name or a Method class; ``data`` replaces the images, ``put`` puts them
    somewhere; run=False only builds.
    """
    discover_methods()
    source, target = coloured_squares(12, 0, seed=1), coloured_squares(10, 120, seed=2)

    def make(
        method: str | type[Method],
        *,
        data: TrainingData | None = None,
        run: bool = True,
        device: torch.device = PROCESSOR,
        put: Callable[[Any], Any] = lambda images: images,
        **changes: Any,
    ) -> TinyRun:
        entry = METHODS.get(method) if isinstance(method, str) else MethodEntry("toy", method, {}, "", None)
        values = {path: item["value"] for path, item in TINY["recipe"].items()}
        values |= {"suite": "tiny", "task": "A->B", "method": entry.name, "seed": 0, "precision": "float32"}
        nested: dict[str, Any] = {}
        for path, value in {**values, **changes}.items():
            group, _, key = path.rpartition(".")
            (nested.setdefault(group, {}) if group else nested)[key] = value
        config = RunConfig.model_validate(nested)
        side = config.image.resize
        images = [
            np.stack([resize_square(image, side) for image in part["images"]]) for part in (source, target)
        ]
        data = data or TrainingData(put(images[0]), source["labels"], put(images[1]))
        training = Training(config, entry, config.weights, 3, data, device)
        test = training.inputs(images[1], "test")
        evaluator = Evaluator(test, target["labels"], TINY["classes"], "accuracy", 16)
        seen: list[tuple[int, Mapping[str, float], Evaluation | None]] = []
        if run:
            training.run(evaluator, lambda *event: seen.append(event))
        return TinyRun(training, evaluator, seen)

    return make
