"""RankMe: the effective rank of target features. Garrido, Balestriero, Najman & LeCun, ICML 2023.

exp(-sum_k p_k log p_k) with p_k = s_k / sum_j s_j + 1e-7, s the singular values of the features (m, D), not
centred (equation 1 of arXiv:2210.02885; 1e-7 is its value for single precision).

Known failure: the paper made it for self-supervised learning, to compare runs of one method. A classifier
that has learnt its r classes well needs about r directions, so a rising rank can also mean features that
forget them. It looks at no prediction.
"""

import numpy as np
from scipy.special import entr

from dabench.rules.stored import usable
from dabench.selection import Rule, Snapshot, register_rule

__all__ = ["RankMe"]

EPSILON = 1e-7


@register_rule("rankme")
class RankMe(Rule):
    """Chooses target features that fill the most directions."""

    title = "RankMe"
    formula = "exp(H(σ / Σσ)), σ the singular values of the features"
    paper = (
        "Garrido et al., RankMe: Assessing the Downstream Performance of Pretrained Self-Supervised "
        "Representations by Their Rank, ICML 2023"
    )
    bibtex = """\
@inproceedings{garrido2023rankme,
  title     = {{RankMe}: Assessing the Downstream Performance of Pretrained Self-Supervised Representations by
               Their Rank},
  author    = {Garrido, Quentin and Balestriero, Randall and Najman, Laurent and LeCun, Yann},
  booktitle = {Proceedings of the 40th International Conference on Machine Learning},
  series    = {Proceedings of Machine Learning Research},
  volume    = {202},
  year      = {2023}
}"""

    def score(self, target: Snapshot, source: Snapshot | None, source_val: Snapshot | None) -> float:
        """Return the effective rank, about 1 to min(m, D); NaN where all features are zero."""
        if not usable(target.features):
            return float("nan")
        singular = np.linalg.svd(np.asarray(target.features, np.float64), compute_uv=False)
        if singular[0] == 0:
            return float("nan")
        return float(np.exp(entr(singular / singular.sum() + EPSILON).sum()))
