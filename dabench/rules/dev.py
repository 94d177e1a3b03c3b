"""Deep embedded validation. You, Wang, Long & Jordan, ICML 2019.

The error of held-out source images, each weighted by how much more likely its features are in the target,
with a control variate (``dabench.rules.importance``): an estimate of the error on the target. The loss is the
0-1 error, as in the authors' code; the density ratio comes from a logistic regression instead of a network.

Known failures: features that mix the domains make all weights 1, whether or not the classes are matched, and
the score is the plain source error. Where the domains are far apart a few images carry all the weight: the
estimate is not bounded and can be negative. Where no held-out image is wrong it is 0, whatever the target is.
"""

import numpy as np

from dabench.rules.importance import risk, weighed
from dabench.selection import Rule, Snapshot, register_rule

__all__ = ["DEV"]


@register_rule("dev")
class DEV(Rule):
    """Chooses the least importance-weighted error on held-out source images."""

    title = "deep embedded validation"
    formula = "mean(w e) + η (mean(w) - 1), η = -cov(w e, w) / var(w), e the 0-1 error"
    paper = "You et al., Towards Accurate Model Selection in Deep Unsupervised Domain Adaptation, ICML 2019"
    bibtex = """\
@inproceedings{you2019towards,
  title     = {Towards Accurate Model Selection in Deep Unsupervised Domain Adaptation},
  author    = {You, Kaichao and Wang, Ximei and Long, Mingsheng and Jordan, Michael},
  booktitle = {Proceedings of the 36th International Conference on Machine Learning},
  series    = {Proceedings of Machine Learning Research},
  volume    = {97},
  year      = {2019}
}"""
    higher_is_better = False
    needs = ("source", "source_val")

    def score(self, target: Snapshot, source: Snapshot | None, source_val: Snapshot | None) -> float:
        """Return the estimated target error; NaN for fewer than two held-out images."""
        found = weighed(target, source, source_val)
        if found is None:
            return float("nan")
        weights, held_out, labels = found
        errors = (held_out.logits.argmax(axis=1) != labels).astype(np.float64)
        return risk(weights, errors)
