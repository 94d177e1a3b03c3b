"""What machine, backbone, images and method decide, fixed before a run's identity is hashed."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from dabench.backbones import check_backbone, settle_backbone
from dabench.config import RunConfig
from dabench.discovery import discover_rules
from dabench.errors import UserError, unknown
from dabench.hardware import processors, resolve_precision
from dabench.images import raw_bytes
from dabench.method import Method, MethodEntry
from dabench.record import MOST_TASKS
from dabench.resolve import Resolved, flatten
from dabench.selection import RULES
from dabench.suite import Suite

__all__ = ["check_combination", "settle_machine", "settle_task"]

MOST_CLASSES = 1000  # whose record is small enough to be read, see dabench.problem
AUTO = ": what auto is on this machine"
PROCESSORS = "; null: the processors of this machine"


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
        provenance["precision"] += f"; {device.type}{AUTO}"
    if config.threads is None:
        provenance["threads"] += PROCESSORS
    update = {
        "backbone": settled.name,
        "image": config.image.model_copy(update=colours),
        "precision": precision,
        "threads": config.threads or processors(),
    }
    return replace(resolved, config=config.model_copy(update=update), provenance=provenance)


def check_combination(
    config: RunConfig, suite: Suite, weights: str | Path | None, method: type[Method] = Method
) -> None:
    """Refuse what cannot work together, before any run.

    Raises:
        UserError: naming what was asked for and what to give instead.
    """
    if weights is None and config.weights.startswith("sha256:"):
        raise UserError(
            f"the recipe of {config.method} on {suite.name} asks for a weights file with {config.weights}",
            "give it with --weights FILE",
        )
    if len(suite.tasks()) > MOST_TASKS:
        raise UserError(
            f"{suite.name} has {len(suite.tasks())} tasks, more than {MOST_TASKS}", "list fewer in 'tasks'"
        )
    if config.frozen_backbone and config.compile:
        raise UserError("compile=true has no effect with a frozen backbone", "leave one of them out")
    if config.frozen_backbone and config.weights == "none":
        raise UserError(
            f"{config.method} on {suite.name}: a frozen backbone without pretrained weights (weights: none)",
            "give --weights default or --weights FILE, with a --backbone that has some",
        )
    if config.target_test == "part" and not suite.manifest.has_test_part:
        raise UserError(
            f"target_test=part (protocol {config.protocol}) needs a suite with a test part, "
            f"{suite.name} has none",
            "use --protocol transductive, or holdout",
        )
    if config.head.discriminator_batch_norm and not method.discriminator_batch_norm:
        raise UserError(
            f"head.discriminator_batch_norm=true does not go with {config.method}, "
            "whose discriminators have no batch normalisation",
            "set it for other methods only, with METHOD.key: --set dann.head.discriminator_batch_norm=true",
        )
    _check_selection(config)


def _check_selection(config: RunConfig) -> None:
    if config.selection == RunConfig.model_fields["selection"].default:
        return  # needs nothing, and rules import slow libraries
    discover_rules()
    if config.selection not in RULES:
        raise unknown("selection rule", config.selection, RULES, where="selection")
    rule = RULES.get(config.selection).cls
    if rule.reads_outputs and not config.stored_images:
        raise UserError(
            f"selection={config.selection} reads what a run stores, and stored_images=0 stores nothing",
            "leave stored_images out",
        )
    if "source_val" in rule.needs and not config.source_holdout:
        raise UserError(
            f"selection={config.selection} needs source images that training does not see",
            "set source_holdout, such as --set source_holdout=0.1",
        )


def settle_task(resolved: Resolved, entry: MethodEntry, suite: Suite, dataset: Mapping[str, Any]) -> Resolved:
    """Fix what follows from a task's images: their storage, and what the method derives from the classes.

    Images are packed where the raw arrays of all domains of the suite exceed the budget. Where the manifest
    does not count the images, those of the task decide.

    Raises:
        UserError: there are more classes than a record holds.
    """
    config, provenance = resolved.config, dict(resolved.provenance)
    image = config.image
    if image.storage == "auto":
        needed = raw_bytes(_images(suite, dataset), image.resize)
        small = image.raw_budget_gb is None or needed <= image.raw_budget_gb * 1e9
        provenance["image.storage"] += f"; auto: raw arrays need {needed / 1e9:.2g} GB"
        image = image.model_copy(update={"storage": "raw" if small else "packed"})
    provenance["image.raw_budget_gb"] += "; spent: image.storage says what it led to"
    classes = len(dataset["source"]["class_counts"])
    if classes > MOST_CLASSES:
        raise UserError(
            f"{suite.name} has {classes} classes: the confusion matrix of a record has at most {MOST_CLASSES}"
        )
    given = entry.config(config.params)
    params = entry.cls.settle(given, classes).model_dump(mode="json")
    before = flatten({"params": given.model_dump(mode="json")})
    for path, value in flatten({"params": params}).items():
        if before.get(path) != value:
            provenance[path] = f"{provenance.get(path, 'method')}; from {classes} classes"
    image = image.model_copy(update={"raw_budget_gb": None})
    config = config.model_copy(update={"image": image, "params": params})
    return replace(resolved, config=config, provenance=provenance)


def _images(suite: Suite, dataset: Mapping[str, Any]) -> int:
    """Images of a suite, which all its tasks share; of the task where the manifest leaves a count out."""
    manifest = suite.manifest
    counts = [domain.images for domain in manifest.domains.values()]
    if manifest.has_test_part:
        counts += [domain.test_images for domain in manifest.domains.values()]
    if None in counts:
        counts = list(
            {part["fingerprint"]: part.get("whole", part["images"]) for part in dataset.values()}.values()
        )
    return sum(count or 0 for count in counts)
