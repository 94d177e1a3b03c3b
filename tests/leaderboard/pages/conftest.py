"""A small results folder with everything that the pages behind a cell show: curves, losses, stored arrays."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dabench.leaderboard.rows import SuiteInfo
from dabench.leaderboard.site import Order, write_site
from dabench.metrics import measure
from dabench.records import Evaluation, Record, RecordStore, Timing

STEPS = (10, 20, 30)
IMAGES = 40


def draw(name: str, right: float, classes: int, images: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Labels (n,) of every class alike, and predictions (E, n) of which about a part is right."""
    labels = np.arange(images) % classes
    random = np.random.default_rng(int(hashlib.sha256(name.encode()).hexdigest()[:8], 16))
    parts = np.linspace(0.3, right, len(STEPS))
    wrong = random.integers(0, classes, (len(STEPS), images))
    hit = random.random((len(STEPS), images)) < parts[:, None]
    return labels.astype(np.uint16), np.where(hit, labels, wrong).astype(np.uint8)


@dataclass
class Folder:
    """A results folder that grows, and the site that is written from it."""

    root: Path
    record: Callable[..., Record]
    classes: Sequence[str] = ("cat", "dog", "cow", "hen")
    tasks: Sequence[str] = ("A->B", "B->A")
    suite: str = "toy"
    files: dict[tuple[str, str, int], Path] = field(default_factory=dict)

    def add(
        self,
        method: str = "dann",
        task: str = "A->B",
        seed: int = 0,
        right: float = 0.8,
        *,
        features: bool = False,
        arrays: bool = True,
        images: int = IMAGES,
        **fields: Any,
    ) -> Record:
        """Write a finished run whose numbers follow from its predictions; return its record."""
        labels, predictions = draw(f"{method} {task} {seed}", right, len(self.classes), images)
        measured = [measure(labels, one, self.classes) for one in predictions]
        evaluations = [
            Evaluation(
                step=step,
                accuracy=one.accuracy,
                mean_class_accuracy=one.mean_class_accuracy,
                losses={"classification": 1 / step, "domain": 0.7 - step / 1000},
                seconds=step / 10,
            )
            for step, one in zip(STEPS, measured, strict=True)
        ]
        best = max(evaluations, key=lambda one: one.accuracy)
        source, _, target = task.partition("->")
        counts = {name: images // len(self.classes) for name in self.classes}
        given: dict[str, Any] = {
            "suite": self.suite,
            "metrics": measured[-1],
            "evaluations": evaluations,
            "oracle": best.accuracy,
            "oracle_step": best.step,
            "uses_target_labels": method == "target_only",
            "timing": Timing(
                started_at="2026-01-01T10:00:00+00:00",
                total_seconds=75.0,
                training_seconds=61.0,
                images_per_second=123.4,
                peak_memory_bytes=1_026_048_000,
            ),
            "dataset": {
                "source": {
                    "fingerprint": f"of {source}",
                    "images": 2 * images,
                    "class_counts": {**counts, self.classes[0]: 3 * counts[self.classes[0]]},
                },
                "target": {"fingerprint": f"of {target}", "images": images, "class_counts": counts},
                "target_test": {"fingerprint": f"of {target}", "images": images},
            },
            "environment": {"python": "3.11.7", "packages": {"torch": "2.6.0"}, "device": "cpu"},
            "code": {"version": "0.1.0", "commit": "c0ffee" * 6 + "c0ff", "dirty": True},
            **fields,
        }
        record = self.record(method, task, seed, measured[-1].accuracy, **given)
        stored = {"steps": np.array(STEPS), "predictions": predictions, "labels": labels}
        random = np.random.default_rng(seed)
        validation = {
            "steps": np.array(STEPS),
            "source_features": random.normal(0, 1, (len(STEPS), 30, 6)).astype(np.float16),
            "target_features": random.normal(1, 1, (len(STEPS), 30, 6)).astype(np.float16),
        }
        path = RecordStore(self.root).write(
            record, stored if arrays else None, validation if features else None
        )
        self.files[method, task, seed] = path
        return Record.model_validate_json(path.read_bytes())

    def stored(self, kind: str, method: str, task: str, seed: int) -> Path:
        """The file of predictions or validation arrays that a run's record names."""
        path = self.files[method, task, seed]
        name = getattr(Record.model_validate_json(path.read_bytes()), f"{kind}_file")
        return path.with_name(name)

    def write(self, record: Record) -> Path:
        """Write a record as it is."""
        return RecordStore(self.root).write(record)

    def fill(self, **methods: float) -> None:
        """Three seeds of each method on all tasks, about so good."""
        for method, right in methods.items():
            for task in self.tasks:
                for seed in range(3):
                    self.add(method, task, seed, right, features=seed == 0)

    @property
    def suites(self) -> Mapping[str, SuiteInfo]:
        """What is known of the folder's suite."""
        return {self.suite: SuiteInfo("Toy suite", tuple(self.tasks), tuple(self.classes))}

    def site(self, **order: Any) -> Path:
        """Write the site; its folder."""
        return write_site(
            self.root, self.root.parent / "site", Order(**{"suites": self.suites, "verify": "none", **order})
        ).index.parent

    def page(self, kind: str, *parts: str, **order: Any) -> Path:
        """Write the site; the page of a kind whose name holds all parts, the only one."""
        found = [
            path
            for path in (self.site(**order) / kind).glob("*.html")
            if all(part in path.name for part in parts)
        ]
        assert len(found) == 1, found
        return found[0]


@pytest.fixture
def folder(tmp_path: Path, record: Callable[..., Record]) -> Folder:
    return Folder(tmp_path / "results", record)


@pytest.fixture(scope="session")
def words() -> Callable[[Any], str]:
    """The text of a place on a page, white space collapsed."""

    def read(place: Any) -> str:
        return " ".join(place.inner_text().split())

    return read
