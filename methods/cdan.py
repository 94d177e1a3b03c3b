"""CDAN. Long et al., "Conditional Adversarial Domain Adaptation", NeurIPS 2018, arXiv:1705.10667.

DANN's game on the features f conditioned on the predictions p = softmax(logits): the discriminator sees the
outer product f (x) p (multilinear conditioning, T_(x)), or, where D * r exceeds 4096, the randomised map
(R_f f) * (R_p p) / sqrt(d) with Gaussian R drawn once (T_(.), equation 6). With entropy conditioning
("cdan+e", equation 8) image i weighs w = 1 + exp(-H(p_i)).

Read off the authors' public code (thuml/CDAN, pytorch/loss.py) where the paper is silent:
- p is a constant in the product: no gradient runs through it.
- w is normalised within each domain, so both domains count one half; the normalising sums are constants.
- the gradient does run through w, by way of the entropy, and is reversed there as for f. It reaches the
  classifier: in equation 8 the weights belong to the classifier's side of the game.
Deviations: the authors add 1e-5 within the entropy's logarithm and use dropout in the discriminator; here
neither. Their code takes the outer product at any size unless told otherwise; the default here is the
paper's rule.
"""

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from dabench.config import setting
from dabench.layers import domain_loss, entropy, reverse_gradient
from dabench.method import Batch, Method, MethodConfig, Outputs, Spec, register
from dabench.search import ADVERSARIAL

__all__ = ["CDAN", "CDANConfig", "RandomisedMap", "entropy_weights", "outer_product"]

PAPER = "CDAN paper, section 3.1"


class CDANConfig(MethodConfig):
    """CDAN's own configuration."""

    entropy_conditioning: bool = setting(
        False, "CDAN paper: CDAN and CDAN+E", "weigh images by the certainty of their prediction"
    )
    randomised: Literal["auto", "always", "never"] = setting(
        "auto", PAPER, "randomised map instead of the outer product; auto: where D * r exceeds outer_limit"
    )
    outer_limit: int = setting(4096, PAPER, "largest outer product D * r that auto still takes", ge=1)
    random_dim: int = setting(1024, "the authors' code", "width d of the randomised map", ge=1)


def outer_product(features: Tensor, probabilities: Tensor) -> Tensor:
    """Multilinear conditioning T_(x): (N, D) and (N, r) to (N, D * r), entry d * r + k is f_d p_k."""
    return (features.unsqueeze(2) * probabilities.unsqueeze(1)).flatten(1)


class RandomisedMap(nn.Module):
    """Randomised conditioning T_(.): (N, D) and (N, r) to (N, d), the same projection for its whole life.

    Inner products are those of the outer product in expectation over the projection (paper, theorem 1).
    """

    features: Tensor
    probabilities: Tensor

    def __init__(self, feature_dim: int, classes: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.register_buffer("features", torch.randn(feature_dim, width, generator=generator))
        self.register_buffer("probabilities", torch.randn(classes, width, generator=generator))

    def forward(self, features: Tensor, probabilities: Tensor) -> Tensor:
        """Project both and multiply them entry by entry."""
        width = self.features.shape[1]
        return (features @ self.features) * (probabilities @ self.probabilities) / math.sqrt(width)


def entropy_weights(logits: Tensor, source: int, reversal: float) -> Tensor:
    """Weights of entropy conditioning, (N,): 1 + exp(-H) over its sum within the domain, times N / 2.

    The mean of w * loss over all N images is then half the weighted mean of either domain. The gradient
    with respect to the logits is multiplied by -reversal; the sums are constants.

    Args:
        logits: of the classifier, (N, r), source rows first.
        source: the number of source rows, 1 to N - 1.
        reversal: lambda, at least 0.
    """
    raw = 1 + torch.exp(-reverse_gradient(entropy(logits), reversal))
    halves = [part / part.detach().sum() for part in (raw[:source], raw[source:])]
    return torch.cat(halves) * len(logits) / 2


class CDAN(Method):
    """Domain-adversarial training of the features, given the predictions."""

    config_class = CDANConfig
    title = "CDAN"
    summary = "domain discriminator on features conditioned on predictions"
    paper = "Long, Cao, Wang & Jordan, Conditional Adversarial Domain Adaptation, NeurIPS 2018"
    bibtex = """\
@inproceedings{long2018conditional,
  title     = {Conditional Adversarial Domain Adaptation},
  author    = {Long, Mingsheng and Cao, Zhangjie and Wang, Jianmin and Jordan, Michael I.},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {31},
  pages     = {1640--1650},
  year      = {2018}
}
"""
    loss_names = ("classification", "domain")
    search = ADVERSARIAL

    def __init__(self, spec: Spec, config: Any) -> None:
        super().__init__(spec, config)
        width = spec.feature_dim * spec.classes
        randomised = config.randomised == "always"
        if config.randomised == "auto":
            randomised = width > config.outer_limit
        self.random_map: RandomisedMap | None = None
        if randomised:
            width = config.random_dim
            self.random_map = RandomisedMap(spec.feature_dim, spec.classes, width, spec.generator)
        self.discriminator = spec.discriminator(width)

    def condition(self, features: Tensor, logits: Tensor) -> Tensor:
        """Join features (N, D) with the predictions of logits (N, r), which are constants here."""
        probabilities = functional.softmax(logits.detach(), dim=1)
        if self.random_map is None:
            return outer_product(features, probabilities)
        return self.random_map(features, probabilities)  # type: ignore[no-any-return]

    def losses(self, source: Outputs, labels: Tensor, target: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Return "classification" (source) and "domain" (both domains, reversed for the network)."""
        features = torch.cat([source.features, target.features])  # (B_s + B_t, D)
        logits = torch.cat([source.logits, target.logits])  # (B_s + B_t, r)
        weights = None
        if self.config.entropy_conditioning:
            weights = entropy_weights(logits, len(source), batch.reversal)
        conditioned = self.condition(reverse_gradient(features, batch.reversal), logits)
        return {
            "classification": functional.cross_entropy(source.logits, labels),
            "domain": domain_loss(self.discriminator(conditioned), len(source), weights),
        }


register("cdan")(CDAN)
register("cdan+e", summary="CDAN with entropy conditioning", entropy_conditioning=True)(CDAN)
