"""Soft neighbourhood density. Saito et al., ICCV 2021, arXiv:2108.10860.

With q_i the softmax of image i's logits scaled to unit length and S_ij = q_i . q_j:
D_i = softmax over j != i of S_ij / 0.05, SND = 1/m sum_i H(D_i), in nats. High where many images are about
equally near. The temperature, and predictions instead of features, are the paper's choice.

Deviation: an image is left out of its own neighbourhood, as in the paper and in pytorch-adapt; the authors'
code leaves it in with similarity -1, which changes the score by less than 1e-6.

Known failure: where all images get one prediction, all similarities are 1 and the score is log(m - 1), the
largest there is. SND prefers a collapsed model to every other. The score says so, nothing is mended here.
"""

import numpy as np

from dabench.rules.stored import probabilities, usable
from dabench.selection import Rule, Snapshot, register_rule

__all__ = ["SND", "TEMPERATURE"]

TEMPERATURE = 0.05


@register_rule("snd")
class SND(Rule):
    """Chooses dense neighbourhoods among target predictions."""

    title = "soft neighbourhood density"
    formula = "mean entropy of softmax(cosine of predictions / 0.05), each image without itself"
    paper = (
        "Saito et al., Tune it the Right Way: Unsupervised Validation of Domain Adaptation via Soft "
        "Neighborhood Density, ICCV 2021"
    )
    bibtex = """\
@inproceedings{saito2021tune,
  title     = {Tune it the Right Way: Unsupervised Validation of Domain Adaptation via Soft Neighborhood
               Density},
  author    = {Saito, Kuniaki and Kim, Donghyun and Teterwak, Piotr and Sclaroff, Stan and Darrell, Trevor
               and Saenko, Kate},
  booktitle = {Proceedings of the IEEE/CVF International Conference on Computer Vision},
  year      = {2021}
}"""

    def score(self, target: Snapshot, source: Snapshot | None, source_val: Snapshot | None) -> float:
        """Return the mean entropy in nats, in [0, log(m - 1)]; NaN for one image, which has no neighbours."""
        if len(target.logits) < 2 or not usable(target.logits):
            return float("nan")
        unit = probabilities(target.logits)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        # Cosines of probabilities lie in [0, 1]: minus the largest one, exponents lie in [-20, 0].
        exponents = (unit @ unit.T - 1) / TEMPERATURE
        weights = np.exp(exponents)
        np.fill_diagonal(weights, 0)
        sums = weights.sum(axis=1)
        return float(np.mean(np.log(sums) - np.einsum("ij,ij->i", weights, exponents) / sums))
