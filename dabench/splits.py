"""Which images a protocol keeps from training: a part of the target for the test, a part of the source."""

import numpy as np
from numpy.typing import NDArray

from dabench.errors import UserError
from dabench.streams import Streams

__all__ = ["Rows", "sample", "split_source", "split_target"]

Rows = NDArray[np.int64]


def _generator(streams: Streams, *name: str) -> np.random.Generator:
    return np.random.default_rng(streams.number("split", *name))


def split_target(images: int, part: float, streams: Streams) -> tuple[Rows, Rows]:
    """Divide the target at random, without a look at labels: rows to train on, rows to test on, ascending.

    Every method with the same seed gets the same parts.

    Args:
        images: in the target.
        part: for the test, in (0, 1).
        streams: of the run.

    Raises:
        UserError: one of the two would be empty.
    """
    tested = round(part * images)
    if not 0 < tested < images:
        raise UserError(
            f"target_holdout={part} of {images} target images leaves {images - tested} to train on and "
            f"{tested} to test on",
            "give a part that leaves both some images",
        )
    order = _generator(streams, "target").permutation(images)
    return np.sort(order[tested:]), np.sort(order[:tested])


def split_source(labels: NDArray[np.int64], part: float, streams: Streams) -> tuple[Rows, Rows]:
    """Divide the source at random, class by class: rows to train on, rows held out, ascending.

    Each class gives its share, rounded, and keeps at least one image.

    Args:
        labels: (n,) class indices.
        part: to hold out, in (0, 1).
        streams: of the run.

    Raises:
        UserError: no class is large enough to give an image.
    """
    generator = _generator(streams, "source")
    held = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        held[rows[: min(round(part * len(rows)), len(rows) - 1)]] = True
    if not held.any():
        raise UserError(
            f"source_holdout={part} holds no image out: the largest class has "
            f"{np.unique(labels, return_counts=True)[1].max()}",
            "give a larger part",
        )
    return np.flatnonzero(~held), np.flatnonzero(held)


def sample(images: int, most: int, streams: Streams, name: str) -> Rows:
    """Return up to ``most`` rows of a domain's images, drawn from the named stream, ascending."""
    if images <= most:
        return np.arange(images)
    return np.sort(_generator(streams, "sample", name).choice(images, most, replace=False))
