"""Which images of a run are watched for selection rules, on the side that no method sees."""

import numpy as np
from numpy.typing import NDArray

from dabench.evaluation import Watched
from dabench.inputs import Inputs, Portion, Stored
from dabench.openings import RunImages
from dabench.splits import sample
from dabench.train import Training

__all__ = ["watched_parts"]


def watched_parts(training: Training, images: RunImages) -> dict[str, Watched]:
    """Draw up to ``stored_images`` images of each part from the run's seed.

    The target's are training images: rules may not use what a holdout keeps for the test.

    Args:
        training: of the run, built.
        images: of the run.
    """
    if training.config.stored_images == 0:
        return {}
    data = training.data
    same = images.test is data.target
    parts = {"target": _part(training, data.target, "target", None, given=same)}
    if training.method.uses_target_labels:  # its labelled images are the target's: no rule may see them
        return parts
    parts["source"] = _part(training, data.source, "source", data.source_labels)
    if images.held_out is not None:
        parts["source_val"] = _part(training, images.held_out, "source_val", images.held_out_labels)
    return parts


def _part(
    training: Training, stored: Stored, name: str, labels: NDArray[np.int64] | None, given: bool = False
) -> Watched:
    """Watch a sample of a part; given: its outputs are there anyway, as those of the test images."""
    rows = sample(len(stored), training.config.stored_images, training.streams, name)
    inputs: Inputs | None = None if given else training.inputs(stored, name)
    whole = stored.rows[rows] if isinstance(stored, Portion) else rows
    return Watched(inputs, rows, whole, None if labels is None else labels[rows])
