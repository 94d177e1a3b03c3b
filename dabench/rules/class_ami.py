"""ClassAMI: do clusters of target features agree with the predicted classes?

Musgrave, Belongie & Lim, arXiv:2208.07360: AMI(argmax z, k-means(f)) with as many clusters as classes, AMI
the mutual information adjusted for chance. Features are the bottleneck's, neither scaled nor reduced.

k-means starts once (n_init=1, scikit-learn's own default for k-means++) from a fixed seed, on the images in
an order that depends on their contents alone. Ten starts would take ten times as long, more than all other
rules together. So the score carries the chance of one start, the same for equal inputs.

Deviation: where features or predicted classes are all equal the score is 0, since they share no information;
the usual convention for one cluster and one class is 1, which would make a collapsed model the best of all.

Known failure: features whose clusters are not classes (the target's own styles), or a bottleneck in which
k-means' round clusters of equal size are a poor picture.
"""

import warnings

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_mutual_info_score

from dabench.rules.papers import THREE_VALIDATORS, THREE_VALIDATORS_BIBTEX
from dabench.rules.stored import canonical_order, usable
from dabench.selection import Rule, Snapshot, register_rule

__all__ = ["ClassAMI"]


@register_rule("class_ami")
class ClassAMI(Rule):
    """Chooses predictions that agree with clusters of target features."""

    title = "ClassAMI"
    formula = "AMI(predicted classes, k-means clusters of features), r clusters"
    paper = THREE_VALIDATORS
    bibtex = THREE_VALIDATORS_BIBTEX

    def score(self, target: Snapshot, source: Snapshot | None, source_val: Snapshot | None) -> float:
        """Return the adjusted mutual information, at most 1, about 0 by chance, slightly below at worst."""
        if not usable(target.logits, target.features):
            return float("nan")
        order = canonical_order(target.features, target.logits)
        features = np.asarray(target.features, np.float64)[order]
        predicted = target.logits.argmax(axis=1)[order]
        clusters = min(target.logits.shape[1], len(features))
        with warnings.catch_warnings():
            # Near a collapse there are fewer different images than classes, and fewer clusters then.
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = KMeans(clusters, n_init=1, random_state=0).fit_predict(features)
        if (predicted == predicted[0]).all() or (found == found[0]).all():
            return 0.0
        return float(adjusted_mutual_info_score(predicted, found))
