"""What every method must do: the contract between a method and the engine, one check a promise."""

import io
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from dabench.backbones import build_backbone
from dabench.checks.examiner import Examiner
from dabench.checks.outcome import Outcome, differences
from dabench.checks.rehearsal import Rehearsal, planned_run, rehearse
from dabench.checks.resumption import RESUMPTION
from dabench.checks.spy import Spy
from dabench.checks.squares import CLASSES, SIDE, write_suite
from dabench.checks.verdict import Check, CheckFailed, Claim, Unsteady
from dabench.method import Batch, Method, MethodEntry, Outputs
from dabench.recipe import Sourced

__all__ = ["BACKBONES", "CONTRACTS"]

BACKBONES: Mapping[str, Mapping[str, Any]] = {
    "dann_mnist": {"head.bottleneck": None, "head.classifier_hidden": [10]},
    "test_resnet": {"image.resize": 32, "image.size": 32},
    "test_vit": {"image.resize": 32, "image.size": 32},
}
TITLES = {
    "dann_mnist": "trains a small convolutional network",
    "test_resnet": "trains a residual network",
    "test_vit": "trains a vision transformer",
}
SIZES = ((6, 4), (3, 7), (2, 2))


def _run(
    entry: MethodEntry,
    folder: Path,
    spy: Spy | None = None,
    settings: Mapping[str, Any] | None = None,
    **how: Any,
) -> Rehearsal:
    """A run on the squares below a folder, which are written the first time."""
    manifest = folder / "data" / "squares" / "squares.yaml"
    if not manifest.exists():
        write_suite(manifest.parent, "arrays")
    results = folder / "results"
    return rehearse(planned_run(entry, manifest, results, settings=settings, **how), results, spy)


def describes_itself(entry: MethodEntry, folder: Path) -> None:
    """Title, summary, paper, citation, version, loss names, and the sources of its recipes' values."""
    cls = entry.cls
    wrong = []
    for name, text in (("title", cls.title), ("summary", entry.summary), ("paper", cls.paper)):
        if not text.strip():
            wrong.append(f"{name} is empty")
    if entry.summary.rstrip().endswith("."):
        wrong.append("summary ends with a full stop: it stands in a table")
    if not isinstance(cls.version, int) or cls.version < 1:
        wrong.append(f"version is {cls.version!r}, expected a whole number from 1")
    if cls.paper and not cls.paper.startswith("no paper") and not cls.bibtex.lstrip().startswith("@"):
        wrong.append("bibtex is no entry (a method without a paper says so: paper = 'no paper: ...')")
    if cls.bibtex.count("{") != cls.bibtex.count("}"):
        wrong.append("bibtex has unequal numbers of { and }")
    if len(set(cls.loss_names)) < len(cls.loss_names):
        wrong.append("loss_names has a name twice")
    if entry.file is None:
        wrong.append("its class comes from no file: records could not name what was run")
    for suite, recipe in cls.recipes.items():
        wrong += [
            f"recipes: {suite}.{path} has no source"
            for path, v in recipe.items()
            if not isinstance(v, Sourced)
        ]
        prefix = "params."
        own = {path.removeprefix(prefix): v.value for path, v in recipe.items() if path.startswith(prefix)}
        try:
            entry.config(own)
        except ValidationError as error:
            wrong.append(f"recipes: {suite}: {error.errors()[0]['msg']}")
    if wrong:
        raise CheckFailed("; ".join(wrong))


def refuses_unknown_settings(entry: MethodEntry, folder: Path) -> None:
    """A setting that it does not have is an error."""
    try:
        entry.config({"no_such_setting": 1})
    except ValidationError:
        return
    raise CheckFailed("its configuration takes a setting that it does not have: a typing error would be lost")


def trains(entry: MethodEntry, folder: Path, backbone: str) -> None:
    """Every step and every prediction keeps to the interface; every trained parameter gets a gradient."""
    spy = Examiner(len(CLASSES))
    run = _run(entry, folder, spy, {"backbone": backbone, **BACKBONES[backbone]})
    spy.finish()
    steps = [item.step for item in run.record.evaluations]
    if steps != ([2, 4, 6, 8] if entry.cls.trains_network else [0]):
        raise CheckFailed(f"it was evaluated after steps {steps}")


def trains_on_frozen_features(entry: MethodEntry, folder: Path) -> None:
    """It works on features that a frozen backbone gave."""
    weights = folder / "weights.safetensors"
    torch.manual_seed(0)
    save_file(build_backbone("dann_mnist", {}, "none", SIDE).module.state_dict(), weights)
    spy = Examiner(len(CLASSES))
    frozen = {"frozen_backbone": True, "steps": 8, "evaluations": 2, "batch.source": 6, "batch.target": 6}
    _run(entry, folder, spy, frozen, weights=weights)
    spy.finish()


def takes_batches_of_any_size(entry: MethodEntry, folder: Path) -> None:
    """Source and target batches need not be equal; 13 steps reach the last, smaller images of a pass."""
    for source, target in SIZES:
        sizes = {"batch.source": source, "batch.target": target, "steps": 13, "evaluations": 1}
        try:
            _run(entry, folder, Examiner(len(CLASSES)), sizes)
        except CheckFailed as failure:
            raise CheckFailed(f"{source} source and {target} target images a step: {failure}") from failure


def repeats_itself(entry: MethodEntry, folder: Path) -> None:
    """The seed decides, and nothing else."""
    first, second, other = (Outcome.of(_run(entry, folder, seed=seed)) for seed in (0, 0, 1))
    differing = differences(first, second)
    if differing:
        message = f"two runs with one seed differ in {', '.join(differing)}"
        # A memory that is full after the first run gives equal ones from then on; chance does not.
        by_chance = differences(second, Outcome.of(_run(entry, folder, seed=0)))
        raise (Unsteady if by_chance else CheckFailed)(message)
    if not differences(first, other):
        raise CheckFailed("two runs with different seeds are the same")


def can_be_saved(entry: MethodEntry, folder: Path) -> None:
    """The weights hold all that predictions need, and load without running code."""
    first, second = (_run(entry, folder, Examiner(len(CLASSES)), seed=seed) for seed in (0, 1))
    buffer = io.BytesIO()
    one, other = first.spy, second.spy
    try:
        torch.save({part: getattr(one, part).state_dict() for part in ("network", "method")}, buffer)
        buffer.seek(0)
        for part, state in torch.load(buffer, weights_only=True).items():
            getattr(other, part).load_state_dict(state)
    except Exception as error:  # whatever a method's state makes torch raise
        raise CheckFailed(f"its state_dict cannot be saved and loaded: {error}") from error
    assert isinstance(one, Examiner)
    images, logits = one.images, []
    for spy in (one, other):
        spy.network.eval()
        spy.method.eval()
        with torch.inference_mode():
            logits.append(spy.method.predict(spy.network, images).logits)
    if not torch.equal(*logits):
        raise CheckFailed("saved and loaded weights predict something else: some state is not in state_dict")


class _Plain(Method):
    """Classification alone, to compare with."""

    title = "Plain"

    def losses(self, source: Outputs, labels: Tensor, target: Outputs, batch: Batch) -> dict[str, Tensor]:
        return {"classification": functional.cross_entropy(source.logits, labels)}


def _plain(entry: MethodEntry, folder: Path) -> tuple[Examiner, Outcome]:
    """What a method that adds nothing gives in the same place."""
    cls = type("Plain", (_Plain,), {"uses_target_labels": entry.cls.uses_target_labels})
    manifest, results = folder / "data" / "squares" / "squares.yaml", folder / "results of another"
    run = planned_run(entry, manifest, results)
    config = run.config.model_copy(update={"params": {}, "loss_weights": {}})
    spy = Examiner(len(CLASSES))
    rehearsal = rehearse(
        replace(run, entry=MethodEntry("plain", cls, {}, "", None), config=config), results, spy
    )
    return spy, Outcome.of(rehearsal)


def _settings_of_torch() -> dict[str, Any]:
    return {
        "default dtype": torch.get_default_dtype(),
        "gradients enabled": torch.is_grad_enabled(),
        "threads": torch.get_num_threads(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "precision of matrix products": torch.get_float32_matmul_precision(),
    }


def leaves_others_alone(entry: MethodEntry, folder: Path) -> None:
    """Batches are drawn as for any other method, and another method's run after it is as it was before."""
    write_suite(folder / "data" / "squares", "arrays")
    plain, before = _plain(entry, folder)
    settings = _settings_of_torch()
    spy = Examiner(len(CLASSES))
    _run(entry, folder, spy)
    changed = [name for name, value in _settings_of_torch().items() if value != settings[name]]
    if changed:
        raise CheckFailed(f"it changed a setting of torch for the whole process: {', '.join(changed)}")
    _, after = _plain(entry, folder)
    if before != after:
        differing = differences(before, after) or ["the accuracies"]
        raise CheckFailed(
            f"another method's run after it differs from one before it in {', '.join(differing)}"
        )
    if not entry.cls.trains_network:
        return
    balanced = spy.method.source_sampling == "class_balanced"
    source, target, images = (
        [step[part] for step in spy.drawn] == [step[part] for step in plain.drawn] for part in range(3)
    )
    if not (source or balanced) or not (spy.restricted or (target and images)):
        raise CheckFailed(
            "its batches are not those of other methods: it disturbs the engine's random numbers"
        )


CONTRACTS = (
    Check(
        Claim(
            "describes itself",
            "reads title, summary, paper, citation, version, loss names and the sources of its recipes",
            "set the class attributes that dabench/method.py lists",
        ),
        describes_itself,
    ),
    Check(
        Claim(
            "refuses settings that it does not have",
            "gives its configuration an unknown key",
            "derive the configuration from MethodConfig and leave its model_config alone",
        ),
        refuses_unknown_settings,
    ),
    *(
        Check(
            Claim(
                TITLES[backbone],
                f"8 steps with {backbone}: losses are declared, scalar and finite, every trained parameter "
                "gets a gradient, predictions are logits of every class and change nothing",
                "mend the method; for a parameter that is not to be trained, set requires_grad to False",
            ),
            partial(trains, backbone=backbone),
        )
        for backbone in BACKBONES
    ),
    Check(
        Claim(
            "trains on frozen features",
            "8 steps on features that a frozen backbone gives: images are vectors (N, backbone_dim) then",
            "go through the network's outputs; do not assume images of four dimensions",
        ),
        trains_on_frozen_features,
    ),
    Check(
        Claim(
            "takes batches of any size",
            f"13 steps each with source and target batches of {', '.join(map(str, SIZES))} images",
            "take sizes from the tensors, not from each other or from spec.batch_source",
        ),
        takes_batches_of_any_size,
    ),
    Check(
        Claim(
            "repeats itself",
            "two runs with one seed agree bit for bit, a third with another seed does not",
            "draw with torch's global functions or spec.generator alone, not with random, numpy or the time",
        ),
        repeats_itself,
    ),
    Check(
        Claim(
            "can be saved and loaded",
            "torch.save, torch.load(weights_only=True) into another run's method, the same predictions",
            "register what predictions need as parameters or buffers",
        ),
        can_be_saved,
    ),
    RESUMPTION,
    Check(
        Claim(
            "leaves the engine and other methods alone",
            "compares batches with those of a plain method, and the plain method's runs before and after",
            "keep settings of torch, random generators of others and the engine's modules as they are",
        ),
        leaves_others_alone,
    ),
)
"""All checks of the contract, in the order in which they are shown."""
