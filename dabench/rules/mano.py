"""MaNo: a norm of normalised logits. Xie, Odonnat, Feofanov et al., NeurIPS 2024, arXiv:2405.18979.

(1/(m r) sum_ik v_ik^4)^(1/4) with v the logits brought to rows that sum to 1. How depends on
phi = mean_ik of -log softmax(z)_ik, the cross-entropy against uniform targets, over all target images:
softmax where phi > 5, else a second-order Taylor expansion, 1 + z + z^2/2, minus the row's smallest value and
divided by the row's sum. Order, threshold and subtraction are those of the authors' code; their README puts
1/(m r) outside the root, which leaves the order of runs on one task as it is.

Known failure: the expansion is not monotone in the logits (z = -5 counts more than z = 2) and changes when a
constant is added to them; a run whose phi crosses 5 jumps; a model that is sure of one class for all images
scores r^(-1/4), the largest there is.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from dabench.rules.stored import usable
from dabench.selection import Rule, Snapshot, register_rule

__all__ = ["MaNo", "normalise"]

ORDER = 4
THRESHOLD = 5.0


def normalise(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring logits (m, r) to rows that are not negative and sum to 1; a row of equal logits becomes zero.

    A zero row occurs with the expansion alone, as in the authors' code.
    """
    if -log_softmax(logits, axis=1).mean() > THRESHOLD:
        return np.asarray(softmax(logits, axis=1))
    expanded = 1 + logits + logits**2 / 2
    expanded -= expanded.min(axis=1, keepdims=True)
    sums = expanded.sum(axis=1, keepdims=True)
    return expanded / np.where(sums > 0, sums, 1.0)


@register_rule("mano")
class MaNo(Rule):
    """Chooses target logits with a large norm after normalisation."""

    title = "MaNo"
    formula = "(1/(m r) Σ vᵢₖ⁴)^(1/4), v the softmax of the logits or its Taylor expansion"
    paper = (
        "Xie et al., MANO: Exploiting Matrix Norm for Unsupervised Accuracy Estimation Under Distribution "
        "Shifts, NeurIPS 2024"
    )
    bibtex = """\
@inproceedings{xie2024mano,
  title     = {{MANO}: Exploiting Matrix Norm for Unsupervised Accuracy Estimation Under Distribution Shifts},
  author    = {Xie, Renchunzi and Odonnat, Ambroise and Feofanov, Vasilii and Deng, Weijian and
               Zhang, Jianfeng and An, Bo},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {37},
  year      = {2024}
}"""

    def score(self, target: Snapshot, source: Snapshot | None, source_val: Snapshot | None) -> float:
        """Return the norm, in [0, r^(-1/4)]."""
        if not usable(target.logits):
            return float("nan")
        values = normalise(np.asarray(target.logits, np.float64))
        return float(np.mean(values**ORDER) ** (1 / ORDER))
