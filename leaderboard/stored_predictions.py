"""What a run predicted at one step, from the file that it stored: only as the run itself wrote it."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dabench.errors import UserError
from dabench.leaderboard.runs import Run
from dabench.npz import ArrayError, read_arrays
from dabench.plain_files import digest, plain_name

__all__ = ["Predictions", "stored_predictions"]

LARGEST_FILE = 4 * 2**30
Predictions = tuple[NDArray[np.int64], NDArray[np.int64]]


def stored_predictions(results: Path, run: Run, step: int | None, limit_bytes: int) -> Predictions:
    """Predicted and true classes (n,) at a step.

    Args:
        results: the folder that the run's file is relative to.
        run: whose record names the file and its checksum.
        step: the one that the row's rule chose; it must be stored exactly once.
        limit_bytes: that the arrays may need in memory.

    Raises:
        UserError: they are not stored, not as the run wrote them, or of another shape.
    """
    record = run.record
    name = record.predictions_file
    if name is None or not plain_name(name):  # a record of a stranger may name any file
        raise UserError("a run stored no predictions")
    path = (results / run.file).with_name(name)
    try:
        if record.predictions_sha256 is None or digest(path, LARGEST_FILE) != record.predictions_sha256:
            raise UserError(f"{name} is not as its run wrote it", "dabench verify says more")
    except OSError as error:
        raise ArrayError(name, str(error.strerror or error)) from error
    arrays = read_arrays(path, ("steps", "predictions", "labels"), limit_bytes)
    steps, predictions, labels = arrays["steps"], arrays["predictions"], arrays["labels"]
    if steps.ndim != 1 or labels.ndim != 1 or predictions.shape != (*steps.shape, *labels.shape):
        raise UserError(f"{name} has arrays that do not fit each other")
    at = np.flatnonzero(steps == step)
    if len(at) != 1 or not labels.size:
        raise UserError(f"{name} has no predictions of the chosen step")
    return predictions[at[0]], labels
