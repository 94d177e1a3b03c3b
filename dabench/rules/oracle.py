"""The best evaluation by target labels: an upper bound for every rule, and the field's worst habit."""

import numpy as np

from dabench.selection import Array, Rule, Trace, register_rule

__all__ = ["Oracle"]


@register_rule("oracle")
class Oracle(Rule):
    """Chooses by the headline metric on the target's test labels. Never ranked."""

    title = "oracle (target labels)"
    formula = "the headline metric on the target's test labels"
    uses_target_labels = True
    reads_outputs = False

    def scores(self, trace: Trace) -> Array:
        """Return the headline metric of each evaluation, (E,) in [0, 1]."""
        if trace.values is None:
            raise ValueError("the oracle needs the metric of each evaluation")
        return np.asarray(trace.values, np.float64)
