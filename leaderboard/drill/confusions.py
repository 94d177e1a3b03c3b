"""A confusion matrix of anybody's record: checked against its classes, and its largest confusions."""

from dataclasses import dataclass

from dabench.records import Record

__all__ = ["Confused", "Confusion", "confusion_of"]

SHOWN = 20


@dataclass(frozen=True)
class Confused:
    """Images of one class that were taken for another: how many, and which part of the class, in [0, 1]."""

    true: str
    predicted: str
    images: int
    share: float


@dataclass(frozen=True)
class Confusion:
    """Images by true class (rows) and predicted class (columns).

    Attributes:
        classes: names in the order of rows and columns.
        counts: (r, r), none negative.
        largest: the largest numbers beside the diagonal, at most SHOWN; of equals the first.
        others: images confused that ``largest`` leaves out.
    """

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    largest: tuple[Confused, ...]
    others: int

    @property
    def images(self) -> int:
        """Test images in all."""
        return sum(map(sum, self.counts))


def confusion_of(record: Record) -> Confusion | None:
    """The confusion matrix of a run's last step.

    None where there is none, or where it is not square, negative or does not fit the record's classes.
    """
    if record.metrics is None:
        return None
    counts = tuple(tuple(row) for row in record.metrics.confusion)
    classes = tuple(record.metrics.per_class)
    size = len(classes)
    if not size or len(counts) != size or any(len(row) != size or min(row) < 0 for row in counts):
        return None
    found = [
        (images, true, predicted)
        for true, row in enumerate(counts)
        for predicted, images in enumerate(row)
        if images and true != predicted
    ]
    found.sort(key=lambda item: (-item[0], item[1], item[2]))
    largest = tuple(
        Confused(classes[true], classes[predicted], images, images / sum(counts[true]))
        for images, true, predicted in found[:SHOWN]
    )
    return Confusion(classes, counts, largest, sum(images for images, *_ in found[SHOWN:]))
