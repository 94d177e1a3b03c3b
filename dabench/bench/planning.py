"""What is to be timed: the same resolution as ``dabench run``, one run a method, equal but for the method."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dabench.config import RunConfig
from dabench.discovery import discover_methods
from dabench.errors import UserError
from dabench.method import METHODS
from dabench.openings import OpenDomains, RunImages
from dabench.plan import PlannedRun, plan
from dabench.records import RecordStore
from dabench.resolve import parse_assignment
from dabench.streams import Streams
from dabench.suite import Suite, Task
from dabench.sweepfile import SweepConfig, find_suite

__all__ = ["BASELINE", "BenchPlan", "RandomLabels", "open_domains", "plan_runs"]

BASELINE = "source_only"
SEED = 0
SHARED = (
    "backbone",
    "backbone_args",
    "weights",
    "protocol",
    "image",
    "batch",
    "precision",
    "tf32",  # of the whole process, as threads
    "threads",
    "compile",
)
"""Configuration in which the runs of one comparison must agree."""


@dataclass(frozen=True)
class BenchPlan:
    """What ``dabench bench`` was asked for, as far as it decides what is timed.

    Attributes:
        suite: name or manifest file.
        data: data folder.
        methods: names; none means all that train and use no target labels. The baseline comes first anyway.
        task: such as A->W; None means the suite's first.
        backbone: timm name, or None for the suite's own.
        weights: default, none, a file, or None for the suite's own.
        assignments: ``key=value``, as for ``dabench run``.
        classes: draw labels at random among so many classes; None keeps the labels.
    """

    suite: str
    data: Path
    methods: Sequence[str] = ()
    task: str | None = None
    backbone: str | None = None
    weights: str | None = None
    assignments: Sequence[str] = field(default_factory=tuple)
    classes: int | None = None


class RandomLabels(OpenDomains):
    """Images as they are, labels drawn at random among a number of classes: only times can be measured.

    Args:
        classes: how many.
        arguments: of OpenDomains.
    """

    def __init__(self, classes: int, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._classes = tuple(f"class {number}" for number in range(classes))

    def describe(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        """Fingerprints and counts of a task's images, with other classes."""
        parts = super().describe(*arguments, **named)
        return {
            name: {**part, "class_counts": dict.fromkeys(self._classes, 0)} for name, part in parts.items()
        }

    def images(
        self, suite: Suite, task: Task, config: RunConfig, uses_target_labels: bool, *place: Any
    ) -> RunImages:
        """Open what a run needs, with other labels."""
        opened = super().images(suite, task, config, uses_target_labels, *place)
        draw = np.random.default_rng(Streams(config.seed).number("bench", "labels"))
        training = opened.training
        labels = draw.integers(len(self._classes), size=len(training.source_labels))
        return RunImages(
            training=replace(training, source_labels=labels),
            test=opened.test,
            test_labels=draw.integers(len(self._classes), size=len(opened.test_labels)),
            classes=self._classes,
        )


def open_domains(request: BenchPlan, *preparing: Any) -> OpenDomains:
    """Return an opener of the images, with the labels that were asked for."""
    if request.classes is None:
        return OpenDomains(request.data, *preparing)
    return RandomLabels(request.classes, request.data, *preparing)


def plan_runs(request: BenchPlan, domains: OpenDomains, device: torch.device) -> tuple[PlannedRun, ...]:
    """Resolve one run a method, the baseline first.

    Raises:
        UserError: wrong configuration, or one in which the methods differ in more than themselves.
        MissingDataError: no images on this machine.
    """
    discover_methods()
    suite = find_suite(request.suite)
    methods = tuple(dict.fromkeys([BASELINE, *(request.methods or _usual_methods())]))
    sweep = SweepConfig(
        suites=(request.suite,),
        methods=methods,
        tasks=(request.task or suite.tasks()[0].name,),
        seeds=(SEED,),
        backbones=(request.backbone,) if request.backbone else (),
        weights=request.weights,
    )
    flags = [parse_assignment(text) for text in request.assignments]
    # Nothing is read of a results folder: force plans every run.
    runs = plan(sweep, None, flags, domains, RecordStore(Path("results")), device, force=True)
    for run in runs:
        _check(run)
        _check_same(runs[0].config, run.config)
    return tuple(runs)


def _usual_methods() -> list[str]:
    return [
        name
        for name in METHODS
        if METHODS.get(name).cls.trains_network and not METHODS.get(name).cls.uses_target_labels
    ]


def _check(run: PlannedRun) -> None:
    if run.missing is not None:
        raise run.missing
    if not run.entry.cls.trains_network:
        raise UserError(f"{run.entry.name} takes no training steps: there is nothing to time")
    if run.entry.cls.uses_target_labels:
        raise UserError(
            f"{run.entry.name} trains on the target's labels, which are not opened here: it is not timed",
            f"time {BASELINE}",
        )
    if run.config.frozen_backbone:
        raise UserError(
            "a frozen backbone takes no part in the steps: there is nothing to compare with",
            "leave --set frozen_backbone=true out; 'dabench run' prints the seconds of each run",
        )


def _check_same(first: RunConfig, other: RunConfig) -> None:
    for key in SHARED:
        one, two = getattr(first, key), getattr(other, key)
        if one != two:
            raise UserError(
                f"{first.method} and {other.method} differ in {key}: {one} and {two}",
                "set it for all methods with --set, or time them one by one",
            )
