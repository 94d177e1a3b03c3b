"""DANN. Ganin & Lempitsky, "Unsupervised Domain Adaptation by Backpropagation", ICML 2015, arXiv:1409.7495.

Minimise CE(source) + BCE(D(R(f)), d), with R the gradient reversal of equations 7 and 8: the discriminator
descends on its loss, the features ascend on it with weight lambda (equations 1 and 4 to 6, in one backward
pass as in equation 9). lambda follows the paper's ramp over the progress and comes with the batch.

Choices: the domain loss is the mean over all images of the batch, both domains together; the source is
labelled 1 (the paper: 0), which only flips the sign of the discriminator's logit. The discriminator has
neither dropout nor batch normalisation.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dabench.layers import domain_loss, reverse_gradient
from dabench.method import Batch, Method, Outputs, Spec, register
from dabench.search import ADVERSARIAL

__all__ = ["DANN", "adversarial_loss"]


def adversarial_loss(
    features: Tensor, discriminator: Callable[[Tensor], Tensor], source: int, reversal: float
) -> Tensor:
    """Mean binary cross-entropy of the discriminator behind a gradient reversal (equation 9).

    Args:
        features: of both domains, (N, D), source rows first.
        discriminator: (N, D) to logits (N, 1) of "this is a source image".
        source: the number of source rows, 0 to N.
        reversal: lambda, at least 0; features receive -lambda times the loss's gradient.
    """
    return domain_loss(discriminator(reverse_gradient(features, reversal)), source)


@register("dann")
class DANN(Method):
    """Domain-adversarial training of the features."""

    title = "DANN"
    summary = "features that a domain discriminator cannot tell apart, by gradient reversal"
    paper = "Ganin & Lempitsky, Unsupervised Domain Adaptation by Backpropagation, ICML 2015"
    bibtex = """\
@inproceedings{ganin2015unsupervised,
  title     = {Unsupervised Domain Adaptation by Backpropagation},
  author    = {Ganin, Yaroslav and Lempitsky, Victor},
  booktitle = {Proceedings of the 32nd International Conference on Machine Learning},
  series    = {Proceedings of Machine Learning Research},
  volume    = {37},
  pages     = {1180--1189},
  year      = {2015}
}
@article{ganin2016domain,
  title   = {Domain-Adversarial Training of Neural Networks},
  author  = {Ganin, Yaroslav and Ustinova, Evgeniya and Ajakan, Hana and Germain, Pascal and Larochelle, Hugo
             and Laviolette, Fran{\\c{c}}ois and Marchand, Mario and Lempitsky, Victor},
  journal = {Journal of Machine Learning Research},
  volume  = {17},
  number  = {59},
  pages   = {1--35},
  year    = {2016}
}
"""
    loss_names = ("classification", "domain")
    search = ADVERSARIAL

    def __init__(self, spec: Spec, config: Any) -> None:
        super().__init__(spec, config)
        self.discriminator = spec.discriminator()

    def losses(self, source: Outputs, labels: Tensor, target: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Return "classification" (source) and "domain" (both domains, reversed for the features)."""
        features = torch.cat([source.features, target.features])  # (B_s + B_t, D)
        return {
            "classification": functional.cross_entropy(source.logits, labels),
            "domain": adversarial_loss(features, self.discriminator, len(source), batch.reversal),
        }
