"""What machine, backbone, images and method decide, fixed before a run's identity is hashed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dabench.backbones import check_backbone, settle_backbone
from dabench.config import RunConfig
from dabench.errors import UserError
from dabench.hardware import processors, resolve_precision
from dabench.images import raw_bytes
from dabench.method import MethodEntry
from dabench.resolve import Resolved
from dabench.suite import Suite

__all__ = ["check_combination", "settle_images", "settle_machine"]


def settle_machine(resolved: Resolved, device: torch.device) -> Resolved:
    """Fix what the machine decides, before the identity is hashed, and say so."""
    config, provenance = resolved.config, dict(resolved.provenance)
    check_backbone(config.backbone)
    settled = settle_backbone(config.backbone, config.weights)
    if settled.name != config.backbone:
        provenance["backbone"] += "; the tag is timm's default"
    colours = {"mean": config.image.mean or settled.mean, "std": config.image.std or settled.std}
    precision = resolve_precision(config.precision, device, config.backbone)
    if config.precision == "auto":
        provenance["precision"] += f"; auto on {device.type}"
    if config.threads is None:
        provenance["threads"] += "; null: the processors of this machine"
    update = {
        "backbone": settled.name,
        "image": config.image.model_copy(update=colours),
        "precision": precision,
        "threads": config.threads or processors(),
    }
    return Resolved(config.model_copy(update=update), provenance)


def check_combination(config: RunConfig, suite: Suite, weights: str | Path | None) -> None:
    """Refuse what cannot work together, before any run.

    Raises:
        UserError: naming what was asked for and what to give instead.
    """
    if weights is None and config.weights.startswith("sha256:"):
        raise UserError(
            f"the recipe of {config.method} on {suite.name} asks for a weights file with {config.weights}",
            "give it with --weights FILE",
        )
    if config.frozen_backbone and config.weights == "none":
        raise UserError(
            f"{config.method} on {suite.name}: a frozen backbone without pretrained weights (weights: none)",
            "give --weights default or --weights FILE, with a --backbone that has some",
        )
    if config.protocol == "train-test" and not suite.manifest.has_test_part:
        raise UserError(
            f"protocol train-test needs a suite with a test part, {suite.name} has none",
            "use protocol=transductive",
        )


def settle_images(config: RunConfig, entry: MethodEntry, dataset: Mapping[str, Any]) -> RunConfig:
    """Fix what follows from a task's images: their storage, and what the method derives from the classes.

    Images are packed where the raw arrays of the task exceed the budget.

    Packed images differ a little from raw ones, so the choice is part of the identity; the budget is not.
    """
    image = config.image
    if image.storage == "auto":
        counts = {part["fingerprint"]: part["images"] for part in dataset.values()}
        needed = sum(raw_bytes(count, image.resize) for count in counts.values())
        small = image.raw_budget_gb is None or needed <= image.raw_budget_gb * 1e9
        image = image.model_copy(update={"storage": "raw" if small else "packed"})
    params = entry.cls.settle(entry.config(config.params), len(dataset["source"]["class_counts"]))
    update = {
        "image": image.model_copy(update={"raw_budget_gb": None}),
        "params": params.model_dump(mode="json"),
    }
    return config.model_copy(update=update)
