"""Mean entropy of target predictions. Morerio, Cavazza & Murino, ICLR 2018, arXiv:1711.10288.

H = -1/m sum_i sum_k p_ik log p_ik, p the softmax of the logits, in nats. Lower is better: their paper picks
the weight of its alignment loss by it.

Known failure: a model that is sure of one class for all images has entropy 0, the best there is.
"""

from dabench.rules.stored import entropies, usable
from dabench.selection import Rule, Snapshot, register_rule

__all__ = ["Entropy"]


@register_rule("entropy")
class Entropy(Rule):
    """Chooses the surest predictions on target images."""

    title = "target entropy"
    formula = "-1/m Σᵢ Σₖ pᵢₖ log pᵢₖ"
    paper = (
        "Morerio et al., Minimal-Entropy Correlation Alignment for Unsupervised Deep Domain Adaptation, "
        "ICLR 2018"
    )
    bibtex = """\
@inproceedings{morerio2018minimal,
  title     = {Minimal-Entropy Correlation Alignment for Unsupervised Deep Domain Adaptation},
  author    = {Morerio, Pietro and Cavazza, Jacopo and Murino, Vittorio},
  booktitle = {International Conference on Learning Representations},
  year      = {2018}
}"""
    higher_is_better = False

    def score(self, target: Snapshot, source: Snapshot | None, source_val: Snapshot | None) -> float:
        """Return the mean entropy in nats, in [0, log r]."""
        if not usable(target.logits):
            return float("nan")
        return float(entropies(target.logits).mean())
