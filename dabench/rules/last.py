"""The last evaluation: what a run without any model selection reports."""

import numpy as np

from dabench.selection import Array, Rule, Trace, register_rule

__all__ = ["Last"]


@register_rule("last")
class Last(Rule):
    """Chooses the last evaluation. Its score, the step, says nothing of how good a run is."""

    title = "last step"
    formula = "the step itself"
    compares_runs = False
    reads_outputs = False

    def scores(self, trace: Trace) -> Array:
        """Return the steps, (E,)."""
        return trace.steps.astype(np.float64)
