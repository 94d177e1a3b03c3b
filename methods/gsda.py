"""GSDA. Hu et al., "Unsupervised Domain Adaptation with Hierarchical Gradient Synchronization", CVPR 2020.

The authors published no code; this file is written from the paper.

r classes are divided into b groups at random. 1 + b + r discriminators tell source from target: one for the
whole domain, one a group, one a class; the latter weigh image i by its probability p_i^q of the group or
p_i^k of the class (equations 6 to 9). m is the magnitude of a discriminator's gradient with respect to the
features, summed over the images; L_syn wants the magnitude of each level to be that of its parts (10 to 12).
The discriminators minimise L_g + L_l + beta L_syn (14), the features L_c + beta L_syn - (L_g + L_l) (16), the
classifier L_c = CE(source) + alpha * entropy(target) alone (3 to 5, 17).

How one backward pass does this: a bank of discriminators gives its logits by two ways, of which that for the
adversarial losses leads back to the features with -lambda and that for L_syn with +lambda. The weights of the
discriminators lie behind neither and get everything with factor 1. As every named loss carries its own route,
factors of the engine's loss_weights leave the routing right.

What makes it cheap: the gradient of a discriminator's loss by f_i is the loss's derivative by the logit, in
closed form, times the logit's gradient by f_i, whose norm the bank returns. Groups and classes are one bank
of b + r networks. On a CPU each reads only the source images that count for it, as all others weigh exactly
0; a GPU would have to wait for their number, so there each reads all images.

Choices where the paper is silent (all of them in the configuration where they have a value):
- losses are means over the batch's images, both domains together, where the paper writes sums over the data;
- the sample weights are constants;
- the gradients of L_syn are taken at the discriminators' input, without lambda and sign of the reversal;
- both players move at once with DANN's ramp for lambda (the paper alternates, section 2.4);
- the global discriminator is DANN's, the local ones are narrower; no batch normalisation, no dropout;
- what a "highly confident pseudo label" is (section 3.1), and when the selection starts.
"first-order derivatives" (section 2.3) holds for the features: a network of ReLUs has no others by its input.
By the discriminators' weights L_syn needs second ones, which ``StackedMLP`` computes with the first.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn import functional

from dabench.config import OURS, setting
from dabench.errors import UserError
from dabench.layers import StackedMLP, domain_labels, entropy, reverse_gradient, scale_gradient
from dabench.method import Batch, Features, Method, MethodConfig, Outputs, Selection, Spec, register
from dabench.recipe import Recipe, Sourced
from dabench.search import ADVERSARIAL, Choice, LogUniform, Range

__all__ = [
    "GSDA",
    "GSDAConfig",
    "magnitudes",
    "membership",
    "relevant_images",
    "sample_weights",
    "select_confident",
    "synchronisation_loss",
    "weighted_domain_losses",
]

PAPER = "GSDA paper, section 3.1"
ELSEWHERE = "our choice: the paper's value for Office-31 (section 3.1)"
Level = Literal["global", "group", "class"]


class GSDAConfig(MethodConfig):
    """GSDA's own configuration. Defaults are the paper's for Office-31 and Office-Home."""

    levels: tuple[Level, ...] = setting(
        ("global", "group", "class"), "GSDA paper, table 1", "levels of alignment", min_length=1
    )
    synchronise: bool = setting(True, "GSDA paper, table 1", "gradient synchronisation; needs all levels")
    alpha: float = setting(0.02, ELSEWHERE, "factor of the target's entropy, equation 5", ge=0)
    beta: float = setting(1.0, ELSEWHERE, "factor of the synchronisation loss, equation 13", ge=0)
    groups: int | None = setting(
        None,
        OURS,
        "number b of groups; null: a fifth of the classes, at least 2; never more than classes",
        ge=1,
    )
    local_hidden: tuple[int, ...] = setting((256,), OURS, "hidden layers of group and class discriminators")
    source_sampling: Literal["uniform", "class_balanced"] = setting(
        "class_balanced", PAPER, "class_balanced: images of small classes are repeated"
    )
    target_selection: bool = setting(True, PAPER, "train only on target images with a confident pseudo-label")
    confidence: float = setting(0.9, OURS, "probability from which a pseudo-label is confident", ge=0, le=1)
    selection_start: float = setting(0.2, OURS, "progress from which images are selected", ge=0, le=1)
    selection_minimum: float = setting(
        0.1,
        OURS,
        "part of the target, the most confident, that is always selected; one batch at least",
        ge=0,
        le=1,
    )

    @model_validator(mode="after")
    def _levels_fit(self) -> "GSDAConfig":
        if len(set(self.levels)) < len(self.levels):
            raise ValueError(f"levels {self.levels} name a level twice")
        if self.synchronise and len(self.levels) < 3:
            raise ValueError("synchronise needs the levels global, group and class; set synchronise to false")
        return self


def membership(classes: int, groups: int, generator: torch.Generator) -> Tensor:
    """Divide classes into groups at random, without overlap, sizes differing by at most one: 0/1, (b, r)."""
    order = torch.randperm(classes, generator=generator)
    members = torch.zeros(groups, classes)
    members[torch.arange(classes) % groups, order] = 1
    return members


def sample_weights(labels: Tensor, target_logits: Tensor) -> Tensor:
    """Class weights p_i^k, (r, B_s + B_t): one-hot labels (B_s,), then predictions of (B_t, r); constants.

    Those of groups are ``membership @ weights``, (b, B_s + B_t). Over a level, an image's weights sum to 1.
    """
    classes = target_logits.shape[1]
    target = functional.softmax(target_logits.detach(), dim=1)
    return torch.cat([functional.one_hot(labels, classes).to(target.dtype), target]).T


def relevant_images(weights: Tensor, source: int) -> Tensor | None:
    """Rows that discriminators need, (K, R): source images that weigh something there, and the whole target.

    R follows the discriminator with the most; the others get images of weight 0 besides their own. None where
    that is every image. Reading R makes the host wait for the device.

    Args:
        weights: of the images for each discriminator, (K, N), source images first.
        source: the number of source images, 0 to N.
    """
    counts = weights[:, :source] > 0
    most = int(counts.sum(dim=1).amax())
    if most == source:
        return None
    own = counts.int().argsort(dim=1, descending=True, stable=True)[:, :most]
    target = torch.arange(source, weights.shape[1], device=weights.device)
    return torch.cat([own, target.expand(len(weights), -1)], dim=1)


def weighted_domain_losses(logits: Tensor, weights: Tensor, labels: Tensor) -> Tensor:
    """Weighted binary cross-entropy of each discriminator, summed over the images (equations 6 to 8): (K,).

    Args:
        logits: of "this is a source image", (K, R).
        weights: of the images for each discriminator, (K, R), at least 0.
        labels: 1 for a source image and 0 for a target image, (K, R).
    """
    losses = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    return (weights * losses).sum(dim=1)


def magnitudes(logits: Tensor, slopes: Tensor, weights: Tensor, labels: Tensor) -> Tensor:
    """Norms of the gradients of ``weighted_domain_losses`` by the features, summed over the images: (K,).

    The derivative by the logit is weight * (sigmoid(logit) - label), and its absolute value the weight times
    the probability given to the wrong domain.

    Args:
        logits: of "this is a source image", (K, R).
        slopes: norms of the logits' gradients by the features, (K, R), at least 0.
        weights: of the images for each discriminator, (K, R), at least 0.
        labels: 1 for a source image and 0 for a target image, (K, R).
    """
    wrong = torch.sigmoid((1 - 2 * labels) * logits)
    return (weights * wrong * slopes).sum(dim=1)


def synchronisation_loss(domain: Tensor, groups: Tensor, classes: Tensor, members: Tensor) -> Tensor:
    """L_syn of equations 10 to 12 from the magnitudes of the three levels.

    Args:
        domain: m of the global discriminator, a scalar.
        groups: of the group discriminators, (b,).
        classes: of the class discriminators, (r,).
        members: 0/1 membership of classes in groups, (b, r).
    """
    within: Tensor = (groups - members @ classes).abs().mean()  # equation 10, and the mean over groups of 12
    across: Tensor = (domain - groups.sum()).abs()  # equation 11
    return within + across


def select_confident(probabilities: Tensor, threshold: float, minimum: int) -> Tensor:
    """Rows (N, r) whose largest probability reaches the threshold, or the minimum most confident: (n,)."""
    order = probabilities.amax(dim=1).sort(descending=True, stable=True)
    count = max(int((order.values >= threshold).sum()), min(minimum, len(probabilities)))
    return order.indices[:count].sort().values


def _recipe(source: str = PAPER, **params: Any) -> Recipe:
    return {f"params.{name}": Sourced(value=value, source=source) for name, value in params.items()}


class GSDA(Method):
    """Global, group-wise and class-wise adversarial alignment with synchronised gradients."""

    config_class = GSDAConfig
    title = "GSDA"
    summary = "adversarial alignment of domain, classes and groups, gradients synchronised"
    paper = (
        "Hu, Kan, Shan & Chen, "
        "Unsupervised Domain Adaptation with Hierarchical Gradient Synchronization, CVPR 2020"
    )
    bibtex = """\
@inproceedings{hu2020unsupervised,
  title     = {Unsupervised Domain Adaptation with Hierarchical Gradient Synchronization},
  author    = {Hu, Lanqing and Kan, Meina and Shan, Shiguang and Chen, Xilin},
  booktitle = {Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)},
  pages     = {4043--4052},
  year      = {2020}
}
"""
    loss_names = ("classification", "entropy", "global", "group", "class", "synchronisation")
    recipes: ClassVar[Mapping[str, Recipe]] = {
        "office31": _recipe(alpha=0.02, beta=1.0, groups=6),
        "officehome": _recipe(alpha=0.02, beta=1.0, groups=13),
        "visda2017": _recipe(alpha=0.2, beta=10.0, groups=4),
        "digits": _recipe("our choice: as wide as the suite's domain classifier", local_hidden=[100]),
        "minidigits": _recipe("our choice: as wide as the suite's domain classifier", local_hidden=[32]),
    }
    search: ClassVar[Mapping[str, Range]] = {
        **ADVERSARIAL,
        "params.alpha": LogUniform(0.006, 0.6, f"{OURS}: half a decade beyond the paper's 0.02 and 0.2"),
        "params.beta": LogUniform(0.3, 30.0, f"{OURS}: half a decade beyond the paper's 1 and 10"),
        "params.confidence": Choice((0.7, 0.8, 0.9, 0.95), f"{OURS}: the paper gives no value"),
    }
    discriminator_batch_norm = False
    members: Tensor

    @classmethod
    def settle(cls, config: GSDAConfig, classes: int) -> GSDAConfig:
        """Fill in the number of groups; refuse more groups than classes."""
        if config.groups is None:
            return config.model_copy(update={"groups": min(max(2, round(classes / 5)), classes)})
        if config.groups > classes:
            raise UserError(
                f"params.groups={config.groups} with {classes} classes: a group has at least one class",
                f"set it to 1 to {classes}, or to null for a fifth of the classes",
            )
        return config

    def __init__(self, spec: Spec, config: GSDAConfig) -> None:
        super().__init__(spec, config)
        self.source_sampling = config.source_sampling
        self.synchronise = config.synchronise and config.beta > 0
        groups = self.settle(config, spec.classes).groups
        assert groups is not None  # settled
        self.register_buffer("members", membership(spec.classes, groups, spec.generator))
        counts: dict[Level, int] = {"global": 1, "group": groups, "class": spec.classes}
        hidden = {"global": spec.discriminator_hidden, "local": config.local_hidden}
        self.discriminators = nn.ModuleDict()  # the global one as DANN has it, and all local ones
        self.banks: dict[str, tuple[Level, ...]] = {}  # the levels of each, in the order of its networks
        for bank, levels in (("global", ("global",)), ("local", ("group", "class"))):
            used = tuple(level for level in levels if level in config.levels)
            if used:
                widths = (spec.feature_dim, *hidden[bank])
                self.discriminators[bank] = StackedMLP(sum(counts[level] for level in used), widths)
                self.banks[bank] = used

    def losses(self, source: Outputs, labels: Tensor, target: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Return the named losses, alpha and beta included; levels that are off are absent."""
        losses = {"classification": functional.cross_entropy(source.logits, labels)}
        if self.config.alpha > 0:
            losses["entropy"] = self.config.alpha * entropy(target.logits).mean()
        features = torch.cat([source.features, target.features])  # (N, D)
        weights = sample_weights(labels, target.logits)  # (r, N)
        return losses | self.alignment(features, weights, len(source), batch.reversal)

    def alignment(self, features: Tensor, weights: Tensor, source: int, reversal: float) -> dict[str, Tensor]:
        """Return a loss for each level and one for their synchronisation, routed as the module says.

        Args:
            features: of both domains, (N, D), source rows first.
            weights: class weights of the images, (r, N).
            source: the number of source rows.
            reversal: lambda, at least 0.
        """
        ways = reverse_gradient(features, reversal), scale_gradient(features, reversal)
        weights = weights / len(features)  # sums over the images become means
        shares = {"global": torch.full_like(weights[:1], 1 / len(features))}
        shares |= {"group": self.members @ weights, "class": weights}  # (K, N) each
        losses: dict[str, Tensor] = {}
        m: dict[str, Tensor] = {}  # (K,) each
        for bank, levels in self.banks.items():
            sizes = [len(shares[level]) for level in levels]
            found = self._bank(bank, ways, torch.cat([shares[level] for level in levels]), source)
            by_level, steepness = (torch.split(values, sizes) for values in found)
            losses |= {level: part.sum() for level, part in zip(levels, by_level, strict=True)}
            m |= dict(zip(levels, steepness, strict=True))
        if self.synchronise:
            losses["synchronisation"] = self.config.beta * synchronisation_loss(
                m["global"].sum(), m["group"], m["class"], self.members
            )
        return losses

    def _bank(
        self, bank: str, ways: tuple[Tensor, Tensor], weights: Tensor, source: int
    ) -> tuple[Tensor, Tensor]:
        """Losses and magnitudes of a bank's discriminators, (K,) each, from their weights (K, N)."""
        labels = domain_labels(source, weights.shape[1] - source, weights.device).to(weights.dtype)
        labels = labels.expand_as(weights)
        rows = relevant_images(weights, source) if weights.device.type == "cpu" else None
        if rows is not None:
            weights, labels = weights.gather(1, rows), labels.gather(1, rows)
        adversarial, along, slopes = self.discriminators[bank](*ways, rows)  # (K, R) each
        losses = weighted_domain_losses(adversarial, weights, labels)
        return losses, magnitudes(along, slopes, weights, labels)

    def begin_epoch(self, features: Features, progress: float) -> Selection | None:
        """Select the target images with a confident pseudo-label, from ``selection_start`` on."""
        config = self.config
        if not config.target_selection or progress < config.selection_start:
            return None
        probabilities = functional.softmax(features.target().outputs.logits, dim=1)
        minimum = max(math.ceil(config.selection_minimum * len(probabilities)), self.spec.batch_target)
        return Selection(select_confident(probabilities, config.confidence, minimum).cpu())


# The paper's table 1 (Office-31, ResNet-50), with the average accuracy that it reports.
_OFF: dict[str, Any] = {"synchronise": False}
TABLE_1: dict[str, tuple[str, dict[str, Any]]] = {
    "gsda-glb": ("GSDA's global level alone (row 1: 83.7)", {"levels": ("global",), **_OFF}),
    "gsda-glb-cls": ("GSDA's global and class level (row 2: 85.6)", {"levels": ("global", "class"), **_OFF}),
    "gsda-glb-cls-grp": ("GSDA's three levels, not synchronised (row 3: 87.0)", _OFF),
    "gsda": (f"{GSDA.summary} (row 4: 89.7)", {}),
}
for _name, (_summary, _params) in TABLE_1.items():
    register(_name, summary=_summary, **_params)(GSDA)
