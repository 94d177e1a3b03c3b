"""Accuracy on held-out source images: the oldest rule, and a strong one where the domains are close.

Musgrave, Belongie & Lim, "Three New Validators and a Large-Scale Benchmark Ranking for Unsupervised Domain
Adaptation", arXiv:2208.07360, measure it beside the others; the rule is older. It says nothing of the target:
a model that unlearns the target keeps its score.
"""

import numpy as np

from dabench.rules.papers import THREE_VALIDATORS, THREE_VALIDATORS_BIBTEX
from dabench.rules.stored import labelled, usable
from dabench.selection import Rule, Snapshot, register_rule

__all__ = ["SourceVal"]


@register_rule("source_val")
class SourceVal(Rule):
    """Chooses by accuracy on source images that the run did not train on."""

    title = "source validation accuracy"
    formula = "mean of [argmax z = y] over held-out source images"
    paper = f"{THREE_VALIDATORS} (as a baseline)"
    bibtex = THREE_VALIDATORS_BIBTEX
    needs = ("source_val",)

    def score(self, target: Snapshot, source: Snapshot | None, source_val: Snapshot | None) -> float:
        """Return the accuracy in [0, 1]; the first of equal logits is the prediction."""
        part, labels = labelled(source_val, "source_val")
        if not usable(part.logits):
            return float("nan")
        return float(np.mean(part.logits.argmax(axis=1) == labels))
