"""The images of a run, opened once a process and shared by all runs of a sweep."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dabench.config import RunConfig
from dabench.errors import UserError, error_chain
from dabench.frozen import Extractor
from dabench.images import Images, decoded_images
from dabench.inputs import Portion, ResidentImages, Stored, Whole, resident
from dabench.splits import Rows, split_source, split_target
from dabench.streams import Streams
from dabench.suite import DomainData, Part, Suite, Task
from dabench.train import TrainingData

__all__ = ["OpenDomains", "RunImages"]

PROCESSOR = torch.device("cpu")
_ResidentKey = tuple[str, int, str, torch.device]


@dataclass(frozen=True)
class RunImages:
    """What a run reads: the training side, and the sides that only the evaluator gets.

    Attributes:
        training: what training may see.
        test: the target's test images or features; ``training.target`` itself where they are the same.
        test_labels: (n,) class indices.
        classes: class names.
        held_out: source images or features kept from training, for selection rules; None without a holdout.
        held_out_labels: theirs.
    """

    training: TrainingData
    test: Stored
    test_labels: NDArray[np.int64]
    classes: tuple[str, ...]
    held_out: Stored | None = None
    held_out_labels: NDArray[np.int64] | None = None


class OpenDomains:
    """Opens domains of suites below one data folder and remembers them.

    Args:
        root: the data folder, or None.
        preparing: called as (what, images done, images in all) while images or features are prepared.
    """

    def __init__(self, root: Path | None, preparing: Callable[[str, int, int], None] | None = None) -> None:
        self.root = root
        self._preparing = preparing
        self._domains: dict[tuple[str, str, str, Part], DomainData] = {}
        self._images: dict[tuple[str, int, str], Images] = {}
        self._resident: dict[_ResidentKey, Images | ResidentImages] = {}
        self._features: dict[Path, NDArray[np.float32]] = {}
        self._broken: dict[tuple[str, int, str], UserError] = {}

    def domain(self, suite: Suite, name: str, part: Part) -> DomainData:
        """Open a part of a domain. Raises MissingDataError when it is not on this machine."""
        part = part if suite.manifest.has_test_part else "train"
        key = (suite.name, suite.file, name, part)
        if key not in self._domains:
            self._domains[key] = suite.loader(self.root).open(name, part)
        return self._domains[key]

    def describe(
        self, suite: Suite, task: Task, config: RunConfig, uses_target_labels: bool = False
    ) -> dict[str, Any]:
        """Fingerprints and counts of a task's images, as a record stores them.

        Fingerprints are of whole domains; images and class counts are of what the run reads of them. Where
        that is a portion, ``whole`` is the number of all. An upper bound has the source of its task too,
        which it does not read.
        """
        source, target, test = self._domains_of(suite, task, config, False)
        streams = Streams(config.seed)
        kept = None if uses_target_labels else _split_source(source, config, streams)[0]
        trained, tested = _split_target(target, config, streams)
        parts = {"source": (source, kept), "target": (target, trained), "target_test": (test, tested)}
        return {name: _description(*part) for name, part in parts.items()}

    def _domains_of(
        self, suite: Suite, task: Task, config: RunConfig, uses_target_labels: bool
    ) -> tuple[DomainData, DomainData, DomainData]:
        """What the source's images are drawn from, the target's, and those of the test."""
        source = self.domain(suite, task.target if uses_target_labels else task.source, "train")
        target = self.domain(suite, task.target, "train")
        return source, target, self.domain(suite, task.target, test_part(config.target_test))

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
        domains = self._domains_of(suite, task, config, uses_target_labels)
        stored: list[Whole]
        if config.frozen_backbone:
            extractor = Extractor(config, weights, device)
            stored = [self._extracted(data, suite, config, extractor) for data in domains]
        else:
            self._make_room(domains, config, device)
            stored = [self._opened(data, suite, config, device) for data in domains]
        source, target, test = domains
        streams = Streams(config.seed)
        trained, tested = _split_target(target, config, streams)
        labelled, labels = stored[0], source.labels
        if uses_target_labels:  # the bound trains on what the others adapt to: no holdout takes any of it
            kept, held = trained, None
        else:
            kept, held = _split_source(source, config, streams)
        trained_on = _portion(stored[1], trained)
        # One object for both, so that everybody sees that the test images are those of training.
        test_images = trained_on if test is target and tested is None else _portion(stored[2], tested)
        return RunImages(
            TrainingData(_portion(labelled, kept), _rows(labels, kept), trained_on),
            test_images,
            _rows(test.labels, tested),
            test.classes,
            None if held is None else _portion(labelled, held),
            None if held is None else labels[held],
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
        if key in self._broken:  # decoded once, for all runs that it fails
            raise self._broken[key].with_traceback(None)
        if key not in self._images:
            try:
                self._images[key] = decoded_images(
                    data,
                    side,
                    "packed" if storage == "packed" else "raw",
                    f"{suite.name} {data.name}",
                    self._advance(f"images of {data.name}"),
                )
            except UserError as error:
                if not any(
                    isinstance(link, OSError) for link in error_chain(error)
                ):  # a folder may come back
                    self._broken[key] = error
                raise
        return self._images[key]

    def _advance(self, what: str) -> Callable[[int, int], None] | None:
        report = self._preparing
        return None if report is None else lambda done, total: report(what, done, total)


def test_part(target_test: str) -> Part:
    """The suite's part that is tested on."""
    return "test" if target_test == "part" else "train"


def _split_target(data: DomainData, config: RunConfig, streams: Streams) -> tuple[Rows | None, Rows | None]:
    """Rows to train on and to test on; None for all of them."""
    if config.target_test != "holdout":
        return None, None
    return split_target(len(data), config.target_holdout, streams)


def _split_source(data: DomainData, config: RunConfig, streams: Streams) -> tuple[Rows | None, Rows | None]:
    """Labelled rows to train on and to hold out; None for all of them, and for none held out."""
    if not config.source_holdout:
        return None, None
    return split_source(data.labels, config.source_holdout, streams)


def _portion(whole: Whole, rows: Rows | None) -> Stored:
    return whole if rows is None else Portion(whole, rows)


def _rows(labels: NDArray[np.int64], rows: Rows | None) -> NDArray[np.int64]:
    return labels if rows is None else labels[rows]


def _description(data: DomainData, rows: Rows | None) -> dict[str, Any]:
    used = data.class_counts(rows)
    found: dict[str, Any] = {"fingerprint": data.fingerprint, "images": sum(used.values())}
    if rows is not None:
        found["whole"] = len(data)
    return {**found, "class_counts": used}
