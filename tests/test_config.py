"""The run configuration: defaults of the field, bounds, and values that cannot be meant."""

from typing import Any

import pytest
from pydantic import ValidationError

from dabench.config import BatchConfig, Frozen, ImageConfig, OptimiserConfig, RunConfig, setting
from dabench.resolve import settings_of

IDENTITY: dict[str, Any] = {"suite": "tiny", "task": "A->B", "method": "dann", "seed": 0}


def config(**changes: Any) -> RunConfig:
    return RunConfig.model_validate({**IDENTITY, **changes})


def test_defaults_are_the_fields_recipe() -> None:
    default = config()
    assert (default.backbone, default.protocol, default.steps) == ("resnet50.tv_in1k", "transductive", 20_000)
    assert (default.batch.source, default.batch.target) == (32, 32)
    optimiser = default.optimiser
    assert (optimiser.lr, optimiser.momentum, optimiser.nesterov) == (0.01, 0.9, True)
    assert (optimiser.weight_decay, optimiser.backbone_lr_factor) == (1e-3, 0.1)
    assert (default.schedule.alpha, default.schedule.power) == (10.0, 0.75)
    assert (default.reversal.gamma, default.reversal.maximum) == (10.0, 1.0)
    assert (default.image.resize, default.image.size, default.image.flip) == (256, 224, True)
    assert (default.head.bottleneck, default.head.bottleneck_batch_norm) == (256, True)


@pytest.mark.parametrize("path", [path for path in settings_of(RunConfig) if path not in IDENTITY])
def test_every_setting_says_what_it_means_and_where_its_default_comes_from(path: str) -> None:
    info = settings_of(RunConfig)[path]
    assert info.description
    assert isinstance(info.json_schema_extra, dict)
    assert len(str(info.json_schema_extra["source"])) > 5


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("steps",), 0),
        (("steps",), "many"),
        (("steps",), True),
        (("evaluations",), 0),
        (("seed",), -1),
        (("seed",), 2**31),
        (("threads",), 0),
        (("threads",), 5000),
        (("threads",), True),
        (("target_test",), "inductive"),
        (("precision",), "float16"),
        (("weights",), "imagenet.pth"),
        (("weights",), "sha256:abc"),
        (("batch", "source"), 1),
        (("optimiser", "lr"), 0.0),
        (("optimiser", "lr"), float("nan")),
        (("optimiser", "lr"), float("inf")),
        (("optimiser", "momentum"), 1.0),
        (("optimiser", "backbone_lr_factor"), 1.5),
        (("optimiser", "clip_norm"), 0),
        (("optimiser", "nesterov"), "sometimes"),
        (("image", "mean"), [0.5, 0.5]),
        (("image", "train_crop"), "five"),
        (("head", "bottleneck"), 0),
        (("loss_weights",), {"domain": float("inf")}),
        (("loss_weights",), {"domain": "much"}),
    ],
)
def test_values_that_cannot_be_meant(path: tuple[str, ...], value: object) -> None:
    nested: Any = value
    for key in reversed(path[1:]):
        nested = {key: nested}
    with pytest.raises(ValidationError) as caught:
        config(**{path[0]: nested})
    assert caught.value.errors()[0]["loc"][: len(path)] == path


@pytest.mark.parametrize("section", ["", "batch", "optimiser", "schedule", "reversal", "head", "image"])
def test_unknown_keys(section: str) -> None:
    with pytest.raises(ValidationError) as caught:
        config(**({section: {"lrr": 1}} if section else {"lrr": 1}))
    assert caught.value.errors()[0]["type"] == "extra_forbidden"


def test_combinations_that_contradict_each_other() -> None:
    with pytest.raises(ValidationError, match="evaluations 10 exceed steps 5"):
        config(steps=5)
    with pytest.raises(ValidationError, match=r"image\.size 224 is larger than image\.resize 100"):
        ImageConfig(resize=100)
    with pytest.raises(ValidationError, match=r"image\.scale"):
        ImageConfig(scale=(0.5, 0.2))
    with pytest.raises(ValidationError, match=r"image\.ratio"):
        ImageConfig(ratio=(0.0, 1.0))
    with pytest.raises(ValidationError, match="nesterov needs a momentum"):
        OptimiserConfig(momentum=0)
    assert OptimiserConfig(momentum=0, nesterov=False).momentum == 0


def test_configuration_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        config().steps = 3


def test_true_is_no_number_but_a_truth_value_where_one_is_expected() -> None:
    class Both(Frozen):
        either: bool | int = setting(1, "a test", "")
        flag: bool = setting(False, "a test", "")

    assert Both(either=True, flag=True).model_dump() == {"either": True, "flag": True}
    with pytest.raises(ValidationError, match="expected a number, not true or false"):
        BatchConfig(source=True)


def test_whole_floats_are_taken_for_integers() -> None:
    assert config(steps=1e3).steps == 1000
