"""The configuration of one run: a frozen, validated model in which an unknown key is an error.

Defaults are the field's recipe for Office-31, Office-Home and VisDA-2017: SGD with Nesterov momentum 0.9,
the annealing of Ganin & Lempitsky (ICML 2015, appendix C), a backbone learning rate a tenth of the head's,
source and target batches of 32, square resize to 256 and random resized crop to 224.
Where a default comes from stands beside it as its ``source``; ``dabench show`` prints it.
"""

from typing import Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    ValidationInfo,
    field_validator,
    model_validator,
)

from dabench.backbone_args import check_arguments

__all__ = [
    "BatchConfig",
    "Frozen",
    "HeadConfig",
    "ImageConfig",
    "OptimiserConfig",
    "ReversalConfig",
    "RunConfig",
    "ScheduleConfig",
    "setting",
]

DANN = "Ganin & Lempitsky, ICML 2015 (DANN)"
FIELD = "the field's common recipe, as in TLLib's public scripts for DANN and CDAN"
OURS = "our choice"
MOST_THREADS = 4096


def setting(default: Any, source: str, about: str, **bounds: Any) -> Any:
    """Declare a configuration field: its default, where the default comes from, and what it means."""
    return Field(default, description=about, json_schema_extra={"source": source}, **bounds)


class Frozen(BaseModel):
    """Base of all configuration: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Python counts true as 1; somebody who writes steps=true means something else."""
        annotation = cls.model_fields[info.field_name or ""].annotation
        kinds = {annotation, *get_args(annotation)}
        if isinstance(value, bool) and kinds & {int, float} and bool not in kinds:
            raise ValueError("expected a number, not true or false")
        return value


class BatchConfig(Frozen):
    """Images of each domain in a step."""

    source: int = setting(32, FIELD, "source images a step", ge=2)
    target: int = setting(32, FIELD, "target images a step", ge=2)
    test: int = setting(
        256, OURS, "images a forward pass in evaluation; changes no result beyond rounding", ge=1
    )


class OptimiserConfig(Frozen):
    """Stochastic gradient descent."""

    lr: float = setting(0.01, DANN + ", appendix C: mu0", "learning rate mu0 of the new layers", gt=0)
    momentum: float = setting(0.9, DANN + ", appendix C", "momentum", ge=0, lt=1)
    nesterov: bool = setting(True, FIELD, "Nesterov momentum")
    weight_decay: float = setting(1e-3, FIELD, "L2 penalty on all weights", ge=0)
    backbone_lr_factor: float = setting(
        0.1, FIELD, "the backbone's learning rate as a part of lr", ge=0, le=1
    )
    clip_norm: float | None = setting(None, OURS, "largest norm of the whole gradient; none by default", gt=0)

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> "OptimiserConfig":
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0: set optimiser.nesterov=false or a momentum")
        return self


class ScheduleConfig(Frozen):
    """Learning rate mu(p) = lr / (1 + alpha p)^power over the progress p in [0, 1]."""

    alpha: float = setting(
        10.0, DANN + ", appendix C", "alpha of the annealing; 0 keeps the rate constant", ge=0
    )
    power: float = setting(0.75, DANN + ", appendix C: beta", "exponent of the annealing", ge=0)


class ReversalConfig(Frozen):
    """Weight of the reversed gradient, maximum * (2 / (1 + exp(-gamma p)) - 1) over the progress p."""

    gamma: float = setting(10.0, DANN + ", section 4", "steepness of the ramp", ge=0)
    maximum: float = setting(1.0, DANN + ", section 4", "value that the ramp tends to", ge=0)


class HeadConfig(Frozen):
    """Layers that every method shares, source_only too, and the width of the domain discriminator."""

    bottleneck: int | None = setting(256, FIELD, "width of the bottleneck; null for none", ge=1)
    bottleneck_batch_norm: bool = setting(True, FIELD, "batch normalisation in the bottleneck")
    classifier_hidden: tuple[int, ...] = setting((), FIELD, "hidden layers of the classifier")
    discriminator_hidden: tuple[int, ...] = setting(
        (1024, 1024), DANN + ", appendix B", "hidden layers of the domain discriminator"
    )
    discriminator_batch_norm: bool = setting(
        False,
        f"{OURS}, after Ganin & Lempitsky, ICML 2015, which names none; TLLib has it",
        "batch normalisation in the hidden layers of the domain discriminator",
    )


class ImageConfig(Frozen):
    """From an image file to a tensor. Sizes in pixels."""

    resize: int = setting(256, FIELD, "side of the square that every image is resized to", ge=8)
    size: int = setting(224, FIELD, "side of the square that the backbone sees", ge=8)
    train_crop: Literal["random_resized", "random", "center"] = setting(
        "random_resized", FIELD, "how training crops are cut"
    )
    scale: tuple[float, float] = setting(
        (0.08, 1.0), FIELD, "area of a random resized crop, as a part of the image"
    )
    ratio: tuple[float, float] = setting((3 / 4, 4 / 3), FIELD, "aspect ratio of a random resized crop")
    flip: bool = setting(True, FIELD, "random horizontal flip in training")
    color_jitter: tuple[float, float, float, float] | None = setting(
        None,
        FIELD,
        "random brightness, contrast, saturation and hue in training, as torchvision's; null for none",
    )
    storage: Literal["auto", "raw", "packed"] = setting(
        "auto",
        OURS,
        "decoded images in the cache: raw arrays, or packed as JPEG; auto follows raw_budget_gb",
    )
    raw_budget_gb: float | None = setting(
        8.0,
        OURS,
        "storage auto packs a suite's images when all of them need more than this as raw arrays",
        gt=0,
    )
    mean: tuple[float, float, float] | None = setting(
        None, "timm's data configuration of the backbone", "mean of each channel in [0, 1]; null takes timm's"
    )
    std: tuple[float, float, float] | None = setting(
        None,
        "timm's data configuration of the backbone",
        "deviation of each channel in [0, 1]; null takes timm's",
    )

    @model_validator(mode="after")
    def _crop_fits(self) -> "ImageConfig":
        if self.size > self.resize:
            raise ValueError(f"image.size {self.size} is larger than image.resize {self.resize}")
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise ValueError(f"image.scale {self.scale} is no range within (0, 1]")
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise ValueError(f"image.ratio {self.ratio} is no range above 0")
        if self.color_jitter is not None and (min(self.color_jitter) < 0 or self.color_jitter[3] > 0.5):
            raise ValueError(f"image.color_jitter {self.color_jitter}: strengths from 0, hue at most 0.5")
        return self


class RunConfig(Frozen):
    """Everything that determines one run's result, apart from the images and the code."""

    suite: str = Field(description="name of the dataset suite")
    task: str = Field(description="source and target by their short names, such as A->W")
    method: str = Field(description="name of the method")
    seed: int = Field(ge=0, lt=2**31, description="the run's only source of randomness")
    backbone: str = setting(
        "resnet50.tv_in1k", "the papers' ResNet-50 is torchvision's first weights", "timm name"
    )
    backbone_args: dict[str, Any] = setting(
        {},
        OURS,
        "further arguments of timm.create_model: numbers, texts, or short lists of them; none that load or "
        "fetch",
    )
    weights: str = setting(
        "default",
        FIELD,
        "pretrained weights: 'default' (timm's), 'none', or 'sha256:...' of a local file",
        pattern=r"^(default|none|sha256:[0-9a-f]{64})$",
    )
    protocol: str = setting(
        "transductive",
        FIELD,
        "name of the protocol: which images are trained on and tested on, and its recipe; "
        "'dabench list protocols'",
        pattern=r"^[a-z0-9][a-z0-9_.-]*$",
    )
    target_test: Literal["same", "part", "holdout"] = setting(
        "same",
        FIELD,
        "target images of the test; same: those of training, unlabelled there; part: the suite's own test "
        "part; holdout: a random part that training does not see",
    )
    target_holdout: float = setting(
        0.0,
        OURS,
        "part of the target that a holdout test keeps from training, drawn from the seed",
        ge=0,
        lt=1,
    )
    source_holdout: float = setting(
        0.0,
        OURS,
        "part of each source class kept from training for selection rules that need it, drawn from the seed",
        ge=0,
        le=0.9,
    )
    selection: str = setting(
        "last", OURS, "the selection rule that the protocol reports by; 'dabench list rules'"
    )
    stored_images: int = setting(
        1000,
        OURS,
        "images of each part (target, source, held-out source) whose logits and features are stored at every "
        "evaluation, for selection rules",
        ge=0,
    )
    steps: int = setting(
        20_000, "TLLib's DANN and CDAN scripts: 20 x 1000 on Office-31", "optimisation steps", ge=1
    )
    evaluations: int = setting(
        10, OURS, "evaluations on the target, evenly spaced, the last at the end", ge=1, le=10_000
    )
    batch: BatchConfig = BatchConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    reversal: ReversalConfig = ReversalConfig()
    head: HeadConfig = HeadConfig()
    image: ImageConfig = ImageConfig()
    frozen_backbone: StrictBool = setting(
        False,
        OURS,
        "train bottleneck, classifier and the method's own modules on features that the pretrained backbone "
        "gives once for the test view of each image; a protocol of its own",
    )
    compile: bool = setting(False, OURS, "run the backbone through torch.compile")
    precision: Literal["auto", "float32", "bfloat16"] = setting(
        "auto", OURS, "of the network's passes; auto follows from device type, processor flags and backbone"
    )
    tf32: bool = setting(
        False,
        OURS,
        "on a GPU, float32 matrix products in TF32 (10 bits of mantissa)",
    )
    threads: int | None = setting(
        None, OURS, "processor threads; null takes all processors that the process may use"
    )
    loss_weights: dict[str, float] = setting(
        {}, OURS, "factor of a method's named loss; 1 where none is given"
    )
    params: dict[str, Any] = setting(
        {}, OURS, "the method's own configuration; see 'dabench show method NAME'"
    )

    @property
    def protocol_name(self) -> str:
        """What records and pages call the protocol; holdouts and frozen features change what is measured."""
        words = [self.protocol]
        if self.source_holdout:
            words.append(f"{100 * self.source_holdout:.4g}% of the source held out")
        if self.frozen_backbone:
            words.append("frozen backbone")
        return ", ".join(words)

    @field_validator("backbone_args")
    @classmethod
    def _nothing_that_loads(cls, args: dict[str, Any]) -> dict[str, Any]:
        check_arguments(args)
        return args

    @field_validator("threads")
    @classmethod
    def _positive(cls, threads: int | None) -> int | None:
        if threads is not None and not 1 <= threads <= MOST_THREADS:
            raise ValueError(f"threads must be at least 1 and at most {MOST_THREADS}")
        return threads

    @model_validator(mode="after")
    def _evaluations_fit(self) -> "RunConfig":
        if self.evaluations > self.steps:
            raise ValueError(f"evaluations {self.evaluations} exceed steps {self.steps}")
        return self

    @model_validator(mode="after")
    def _holdout_has_a_size(self) -> "RunConfig":
        if (self.target_test == "holdout") != (self.target_holdout > 0):
            raise ValueError(
                f"target_test={self.target_test} does not go with target_holdout={self.target_holdout}: "
                "a holdout test needs a part above 0, and only it does"
            )
        return self
