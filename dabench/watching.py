"""Which images of a run are watched for selection rules, on the side that no method sees."""

from dabench.evaluation import Watched
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
    most, streams, data = training.config.stored_images, training.streams, training.data
    if most == 0:
        return {}
    target = None if images.test is data.target else training.inputs(data.target, "target")
    parts = {"target": Watched(target, sample(len(data.target), most, streams, "target"))}
    if training.method.uses_target_labels:  # its labelled images are the target's: no rule may see them
        return parts
    rows = sample(len(data.source_labels), most, streams, "source")
    parts["source"] = Watched(training.inputs(data.source, "source"), rows, data.source_labels[rows])
    if images.held_out is not None and images.held_out_labels is not None:
        rows = sample(len(images.held_out_labels), most, streams, "source_val")
        held = training.inputs(images.held_out, "source_val")
        parts["source_val"] = Watched(held, rows, images.held_out_labels[rows])
    return parts
