"""The images of a run, opened once a process and shared by all runs of a sweep."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dabench.config import RunConfig
from dabench.frozen import Extractor
from dabench.images import Images, decoded_images
from dabench.inputs import ResidentImages, Stored, resident
from dabench.suite import DomainData, Part, Suite, Task
from dabench.train import TrainingData

__all__ = ["OpenDomains", "RunImages"]

PROCESSOR = torch.device("cpu")
_ResidentKey = tuple[str, int, str, torch.device]


@dataclass(frozen=True)
class RunImages:
    """What a run reads: the training side, and the test side that only the evaluator gets."""

    training: TrainingData
    test: Stored
    test_labels: NDArray[np.int64]
    classes: tuple[str, ...]


class OpenDomains:
    """Opens domains of suites below one data folder and remembers them.

    Args:
        root: the data folder, or None.
        preparing: called as (what, images done, images in all) while images or features are prepared.
    """

    def __init__(self, root: Path | None, preparing: Callable[[str, int, int], None] | None = None) -> None:
        self._root = root
        self._preparing = preparing
        self._domains: dict[tuple[str, str, str, Part], DomainData] = {}
        self._images: dict[tuple[str, int, str], Images] = {}
        self._resident: dict[_ResidentKey, Images | ResidentImages] = {}
        self._features: dict[Path, NDArray[np.float32]] = {}

    def domain(self, suite: Suite, name: str, part: Part) -> DomainData:
        """Open a part of a domain. Raises MissingDataError when it is not on this machine."""
        part = part if suite.manifest.has_test_part else "train"
        key = (suite.name, suite.file, name, part)
        if key not in self._domains:
            self._domains[key] = suite.loader(self._root).open(name, part)
        return self._domains[key]

    def describe(self, suite: Suite, task: Task, protocol: str) -> dict[str, Any]:
        """Fingerprints and counts of a task's images, as a record stores them."""
        parts = {
            "source": self.domain(suite, task.source, "train"),
            "target": self.domain(suite, task.target, "train"),
            "target_test": self.domain(suite, task.target, test_part(protocol)),
        }
        return {
            name: {"fingerprint": data.fingerprint, "images": len(data), "class_counts": data.class_counts()}
            for name, data in parts.items()
        }

    def images(
        self,
        suite: Suite,
        task: Task,
        config: RunConfig,
        uses_target_labels: bool,
        weights: str | Path = "default",
        device: torch.device = PROCESSOR,
    ) -> RunImages:
        """Open what a run needs: decoded images, or the features that its frozen backbone gives them.

        The target's training labels go no further than this function, but for the upper bound, which trains
        on them in the source's place.
        """
        source = self.domain(suite, task.target if uses_target_labels else task.source, "train")
        target = self.domain(suite, task.target, "train")
        test = self.domain(suite, task.target, test_part(config.protocol))
        stored: list[Stored]
        if config.frozen_backbone:
            extractor = Extractor(config, weights, device)
            stored = [self._extracted(data, suite, config, extractor) for data in (source, target, test)]
        else:
            domains = (source, target, test)
            self._make_room(domains, config, device)
            stored = [self._opened(data, suite, config, device) for data in domains]
        return RunImages(
            TrainingData(stored[0], source.labels, stored[1]), stored[2], test.labels, test.classes
        )

    def _extracted(
        self, data: DomainData, suite: Suite, config: RunConfig, extractor: Extractor
    ) -> NDArray[np.float32]:
        path = extractor.path(data.content_fingerprint)
        if path not in self._features:
            self._features[path] = extractor.features(
                data.content_fingerprint,
                lambda: self._decoded(data, suite, config),
                f"{suite.name} {data.name}",
                self._advance(f"features of {data.name}"),
            )
        return self._features[path]

    def _make_room(self, wanted: Iterable[DomainData], config: RunConfig, device: torch.device) -> None:
        """Let go of images in the device's memory that the next run does not read."""
        keys = {self._resident_key(data, config, device) for data in wanted}
        self._resident = {key: images for key, images in self._resident.items() if key in keys}
        if device.type == "cuda":
            torch.cuda.empty_cache()  # what torch keeps for itself does not count as free

    @staticmethod
    def _resident_key(data: DomainData, config: RunConfig, device: torch.device) -> _ResidentKey:
        return data.content_fingerprint, config.image.resize, config.image.storage, device

    def _opened(
        self, data: DomainData, suite: Suite, config: RunConfig, device: torch.device
    ) -> Images | ResidentImages:
        images = self._decoded(data, suite, config)
        if config.image.storage == "packed":  # decoding all of them at each start would take minutes
            return images
        key = self._resident_key(data, config, device)
        if key not in self._resident:
            self._resident[key] = resident(images, device)
        return self._resident[key]

    def _decoded(self, data: DomainData, suite: Suite, config: RunConfig) -> Images:
        side, storage = config.image.resize, config.image.storage
        key = (data.content_fingerprint, side, storage)
        if key not in self._images:
            self._images[key] = decoded_images(
                data,
                side,
                "packed" if storage == "packed" else "raw",
                f"{suite.name} {data.name}",
                self._advance(f"images of {data.name}"),
            )
        return self._images[key]

    def _advance(self, what: str) -> Callable[[int, int], None] | None:
        report = self._preparing
        return None if report is None else lambda done, total: report(what, done, total)


def test_part(protocol: str) -> Part:
    """The target part that a protocol tests on."""
    return "test" if protocol == "train-test" else "train"
