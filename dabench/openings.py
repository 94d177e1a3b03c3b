"""The images of a run, opened once a process and shared by all runs of a sweep."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.config import RunConfig
from dabench.images import decoded_images
from dabench.suite import DomainData, Part, Suite, Task
from dabench.train import TrainingData

__all__ = ["OpenDomains", "RunImages"]


@dataclass(frozen=True)
class RunImages:
    """What a run reads: the training side, and the test side that only the evaluator gets."""

    training: TrainingData
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    classes: tuple[str, ...]


class OpenDomains:
    """Opens domains of suites below one data folder and remembers them.

    Args:
        root: the data folder, or None.
        decoding: called as (domain, images done, images in all) while images are decoded.
    """

    def __init__(self, root: Path | None, decoding: Callable[[str, int, int], None] | None = None) -> None:
        self._root = root
        self._decoding = decoding
        self._domains: dict[tuple[str, str, str, Part], DomainData] = {}
        self._arrays: dict[tuple[str, int], NDArray[np.uint8]] = {}

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

    def images(self, suite: Suite, task: Task, config: RunConfig, uses_target_labels: bool) -> RunImages:
        """Decode what a run needs.

        The target's training labels go no further than this function, but for the upper bound, which trains
        on them in the source's place.
        """
        source = self.domain(suite, task.target if uses_target_labels else task.source, "train")
        target = self.domain(suite, task.target, "train")
        test = self.domain(suite, task.target, test_part(config.protocol))
        side = config.image.resize
        training = TrainingData(self._decoded(source, side), source.labels, self._decoded(target, side))
        return RunImages(training, self._decoded(test, side), test.labels, test.classes)

    def _decoded(self, data: DomainData, side: int) -> NDArray[np.uint8]:
        key = (data.content_fingerprint, side)
        if key not in self._arrays:
            report = self._decoding
            advance = None if report is None else lambda done, total: report(data.name, done, total)
            self._arrays[key] = decoded_images(data, side, advance)
        return self._arrays[key]


def test_part(protocol: str) -> Part:
    """The target part that a protocol tests on."""
    return "test" if protocol == "train-test" else "train"
