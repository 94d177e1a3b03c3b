"""Information maximisation. Shi & Sha, ICML 2012; as a loss and a rule in many papers since.

I = H(1/m sum_i p_i) - 1/m sum_i H(p_i): the mutual information, in nats, of an image and its predicted class.
The first term asks for all classes to occur, which entropy alone does not; the second for sure predictions.

Known failure: a target with few or uneven classes is scored down; confident nonsense that covers all classes
evenly is scored as well as the truth.
"""

from scipy.special import entr

from dabench.rules.stored import entropies, probabilities, usable
from dabench.selection import Rule, Snapshot, register_rule

__all__ = ["InfoMax"]


@register_rule("infomax")
class InfoMax(Rule):
    """Chooses sure and evenly spread predictions on target images."""

    title = "information maximisation"
    formula = "H(mean of p) - mean of H(p)"
    paper = (
        "Shi & Sha, Information-Theoretical Learning of Discriminative Clusters for Unsupervised Domain "
        "Adaptation, ICML 2012"
    )
    bibtex = """\
@inproceedings{shi2012information,
  title     = {Information-Theoretical Learning of Discriminative Clusters for Unsupervised Domain
               Adaptation},
  author    = {Shi, Yuan and Sha, Fei},
  booktitle = {Proceedings of the 29th International Conference on Machine Learning},
  year      = {2012}
}"""

    def score(self, target: Snapshot, source: Snapshot | None, source_val: Snapshot | None) -> float:
        """Return the mutual information in nats, in [0, log r]; 0 where all predictions are equal."""
        if not usable(target.logits):
            return float("nan")
        spread = entr(probabilities(target.logits).mean(axis=0)).sum()
        return float(spread - entropies(target.logits).mean())
