"""Batch nuclear norm. Cui et al., CVPR 2020, arXiv:2003.12237; a rule in Musgrave et al., arXiv:2208.07360.

BNM = ||P||_* / m: the sum of singular values of the matrix of predictions P (m, r), over the number of
images, the normalisation of the paper's loss. Large where predictions are sure (Frobenius norm) and differ
(rank). All target images are one batch here.

Range: [1 / sqrt(m r), sqrt(min(m, r) / m)]. It depends on m, so compare it between runs on one task only.
Known failure: it asks for all classes in equal numbers.
"""

import numpy as np

from dabench.rules.stored import probabilities, usable
from dabench.selection import Rule, Snapshot, register_rule

__all__ = ["BNM"]


@register_rule("bnm")
class BNM(Rule):
    """Chooses sure and diverse predictions on target images, by the nuclear norm."""

    title = "batch nuclear norm"
    formula = "‖P‖⁎ / m"
    paper = (
        "Cui et al., Towards Discriminability and Diversity: Batch Nuclear-Norm Maximization under Label "
        "Insufficient Situations, CVPR 2020; as a rule: Musgrave et al., arXiv:2208.07360, 2022"
    )
    bibtex = """\
@inproceedings{cui2020towards,
  title     = {Towards Discriminability and Diversity: Batch Nuclear-Norm Maximization under Label
               Insufficient Situations},
  author    = {Cui, Shuhao and Wang, Shuhui and Zhuo, Junbao and Li, Liang and Huang, Qingming and Tian, Qi},
  booktitle = {Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year      = {2020}
}"""

    def score(self, target: Snapshot, source: Snapshot | None, source_val: Snapshot | None) -> float:
        """Return the nuclear norm of the predictions over m."""
        if not usable(target.logits):
            return float("nan")
        return float(np.linalg.norm(probabilities(target.logits), "nuc") / len(target.logits))
