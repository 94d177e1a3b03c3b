"""Deep embedded validation with normalised weights. Musgrave, Belongie & Lim, arXiv:2208.07360.

``dev`` with two changes, both as in the authors' experiments: the weights are divided by their maximum and
shifted to a mean of 1 before anything else, which keeps one image from carrying the estimate; and the loss is
the cross-entropy, so that models without an error on held-out images still differ.

Known failures: it estimates no risk any more, it only orders models. Features that mix the domains make it
the plain source loss, as with ``dev``.
"""

import numpy as np
from scipy.special import log_softmax

from dabench.rules.importance import normalised, risk, weighed
from dabench.rules.papers import THREE_VALIDATORS, THREE_VALIDATORS_BIBTEX
from dabench.selection import Rule, Snapshot, register_rule

__all__ = ["DEVN"]


@register_rule("devn")
class DEVN(Rule):
    """Chooses the least loss on held-out source images, under normalised importance weights."""

    title = "deep embedded validation, normalised"
    formula = "mean(v l) + η (mean(v) - 1), v = w / max w shifted to mean 1, l the cross-entropy"
    paper = THREE_VALIDATORS
    bibtex = THREE_VALIDATORS_BIBTEX
    higher_is_better = False
    needs = ("source", "source_val")

    def score(self, target: Snapshot, source: Snapshot | None, source_val: Snapshot | None) -> float:
        """Return the weighted cross-entropy in nats; NaN for fewer than two held-out images."""
        found = weighed(target, source, source_val)
        if found is None:
            return float("nan")
        weights, held_out, labels = found
        logs = log_softmax(np.asarray(held_out.logits, np.float64), axis=1)
        losses = -logs[np.arange(len(labels)), labels]
        return risk(normalised(weights), losses)
