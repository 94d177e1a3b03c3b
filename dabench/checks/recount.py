"""Count accuracies again, in plain numpy: a record must say what its stored predictions give."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.checks.rehearsal import Rehearsal, planned_run, rehearse
from dabench.checks.squares import write_suite
from dabench.checks.verdict import Check, CheckFailed, Claim
from dabench.method import MethodEntry
from dabench.openings import OpenDomains

__all__ = ["RECOUNT", "recount"]

HALF = 2e-3  # more than the rounding of a probability in half precision


def recount(run: Rehearsal, labels: NDArray[Any]) -> None:
    """Demand that every number of a record follows from the stored predictions.

    Args:
        run: a finished run.
        labels: (n,) of the test images, from the data itself, in the order of the predictions.

    Raises:
        CheckFailed: naming the evaluation and both numbers.
    """
    predictions, probabilities = (run.arrays[f"npz {key}"] for key in ("predictions", "probabilities"))
    evaluations = run.record.evaluations
    for item, predicted, given in zip(evaluations, predictions, probabilities, strict=True):
        chosen = given[np.arange(len(predicted)), predicted].astype(float)
        if (chosen < given.max(axis=1).astype(float) - HALF).any():
            raise CheckFailed(f"after step {item.step}, stored predictions are not the likeliest classes")
        right = predicted == labels
        _same(item.step, "accuracy", item.accuracy, float(right.mean()))
        classes = [float(right[labels == label].mean()) for label in np.unique(labels)]
        _same(item.step, "mean class accuracy", item.mean_class_accuracy, float(np.mean(classes)))
    last = evaluations[-1]
    _same(last.step, "result", run.record.value or 0.0, float(getattr(last, run.record.metric)))


def _same(step: int, what: str, said: float, counted: float) -> None:
    if abs(said - counted) > 1e-6:
        raise CheckFailed(
            f"after step {step} the record's {what} is {said:.3f}, the stored predictions give {counted:.3f}"
        )


def measured_by_the_engine(entry: MethodEntry, folder: Path) -> None:
    """The accuracies of a run are those of its predictions on the generated labels."""
    manifest = write_suite(folder / "data" / "squares", "arrays", changed=True)  # classes of unequal sizes
    run = planned_run(entry, manifest, folder / "results")
    rehearsal = rehearse(run, folder / "results")
    with np.load(manifest.parent / "beta.npz", allow_pickle=False) as data:
        known = {image.tobytes(): label for image, label in zip(data["images"], data["labels"], strict=True)}
    domain = OpenDomains(manifest.parent.parent).domain(run.suite, run.task.target, "train")
    recount(rehearsal, np.array([known[domain.read(row).tobytes()] for row in range(len(domain))]))


RECOUNT = Check(
    Claim(
        "is measured on its predictions",
        "counts the accuracies of a run again, from the stored predictions and the labels of the data",
        "leave the evaluation to the engine",
        leak=True,
    ),
    measured_by_the_engine,
)
