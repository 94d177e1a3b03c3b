"""Average thresholded confidence. Garg et al., ICLR 2022, arXiv:2201.04234.

An estimate of target accuracy: the share of target images whose confidence s reaches t, where t is such that
the share of held-out source images below t is the source error. s is the negative entropy of the softmax, the
paper's better variant (ATC-NE).

Choices: t is the source confidence (or infinity) whose count below comes closest to the number of source
errors, the lowest of equals; the authors' code ends one image off that. Logits are not calibrated first, as
the paper's are on source validation data. Confidences are compared to twelve decimals.

Known failure: right only if the same confidence means the same accuracy in both domains. A model that is sure
of everything on the target is believed.
"""

import numpy as np
from numpy.typing import NDArray

from dabench.rules.stored import entropies, labelled, usable
from dabench.selection import Rule, Snapshot, register_rule

__all__ = ["ATC", "threshold"]

DECIMALS = 12


def threshold(confidences: NDArray[np.float64], wrong: int) -> float:
    """Return the confidence below which about as many images lie as are wrong.

    Args:
        confidences: of labelled images, (n,), n at least 1.
        wrong: how many of them are classified wrongly.

    Returns:
        One of the confidences, or infinity.
    """
    ordered = np.sort(confidences)
    candidates = np.append(np.unique(ordered), np.inf)
    below = np.searchsorted(ordered, candidates, side="left")
    return float(candidates[np.argmin(np.abs(below - wrong))])


@register_rule("atc")
class ATC(Rule):
    """Chooses the highest estimate of target accuracy from confidences."""

    title = "average thresholded confidence"
    formula = "share of target images with -H(p) ≥ t; the share of held-out source below t is its error"
    paper = "Garg et al., Leveraging Unlabeled Data to Predict Out-of-Distribution Performance, ICLR 2022"
    bibtex = """\
@inproceedings{garg2022leveraging,
  title     = {Leveraging Unlabeled Data to Predict Out-of-Distribution Performance},
  author    = {Garg, Saurabh and Balakrishnan, Sivaraman and Lipton, Zachary C. and Neyshabur, Behnam
               and Sedghi, Hanie},
  booktitle = {International Conference on Learning Representations},
  year      = {2022}
}"""
    needs = ("source_val",)

    def score(self, target: Snapshot, source: Snapshot | None, source_val: Snapshot | None) -> float:
        """Return the estimated accuracy in [0, 1]."""
        held_out, labels = labelled(source_val, "source_val")
        if not usable(target.logits, held_out.logits):
            return float("nan")
        wrong = int((held_out.logits.argmax(axis=1) != labels).sum())
        # Equal predictions must compare as equal, whichever domain they come from.
        known, unknown = (np.round(-entropies(part.logits), DECIMALS) for part in (held_out, target))
        return float(np.mean(unknown >= threshold(known, wrong)))
