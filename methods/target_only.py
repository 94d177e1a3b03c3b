"""Target only: cross-entropy on labelled target images, the upper bound. It cheats, and says so.

``uses_target_labels`` makes the engine feed labelled target images in the source's place; records of such
a run are marked and never ranked. The same images, unlabelled, fill the target half of the batch, so that
steps, images a step and batch normalisation are those of every other method.

Deviations: none; there is no paper. In the transductive protocol the bound is trained and tested on the same
images, so it lies near 100 %; on ``digits`` the test part is held out.
"""

from torch import Tensor
from torch.nn import functional

from dabench.method import Batch, Method, Outputs, register

__all__ = ["TargetOnly"]


@register("target_only")
class TargetOnly(Method):
    """Classification with the target's own labels."""

    title = "Target only"
    summary = "cross-entropy on labelled target images: the upper bound, never ranked"
    paper = "no paper: the train-on-target bound of Ganin & Lempitsky, ICML 2015, table 1"
    uses_target_labels = True

    def losses(self, source: Outputs, labels: Tensor, target: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Return "classification"; source and labels are labelled target images here."""
        return {"classification": functional.cross_entropy(source.logits, labels)}
