"""A cheat: climbs the stack, without asking the interpreter, to the accuracies measured so far."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from dabench.method import Batch, Method, Outputs, register

__all__ = ["ReadsMetrics"]


def accuracy_so_far() -> float:
    try:
        raise LookupError
    except LookupError as error:
        frame = error.__traceback__.tb_frame
    while frame is not None:
        evaluator = frame.f_locals.get("evaluator")
        if evaluator is not None and evaluator.evaluations:
            return float(evaluator.evaluations[-1].accuracy)
        frame = frame.f_back
    return 0.5


@register("reads-metrics")
class ReadsMetrics(Method):
    """Learns the slower the better it is on the target."""

    title, summary = "Reads metrics", "weighs its loss by the accuracy on the target"
    paper = "no paper: a cheat"

    def losses(self, source: Outputs, labels: Tensor, target: Outputs, batch: Batch) -> dict[str, Tensor]:
        return {"classification": (1.1 - accuracy_so_far()) * cross_entropy(source.logits, labels)}
