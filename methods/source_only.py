"""Source only: cross-entropy on the labelled source images, the lower bound of every table.

Target images pass through the network in the same forward pass, as for every method, although no loss
reads them: batch normalisation sees both domains. A source-only run therefore differs from an adaptation
method's run by the losses alone. Statistics of the target in batch normalisation are a weak form of
adaptation of their own (Li et al., "Revisiting Batch Normalization", 2016), so on backbones that have it
this baseline can lie above one that never sees the target.

Deviations: none; there is no paper.
"""

from torch import Tensor
from torch.nn import functional

from dabench.method import Batch, Method, Outputs, register

__all__ = ["SourceOnly"]


@register("source_only")
class SourceOnly(Method):
    """Classification alone."""

    title = "Source only"
    summary = "cross-entropy on the source, no adaptation: the lower bound"
    paper = "no paper: the field's baseline"

    def losses(self, source: Outputs, labels: Tensor, target: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Return "classification": mean cross-entropy over the source images."""
        return {"classification": functional.cross_entropy(source.logits, labels)}
