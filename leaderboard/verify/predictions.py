"""Recompute a record from the files beside it: its predictions, and what it stored for selection rules."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.leaderboard.verify.consistency import TOLERANCE, class_names
from dabench.metrics import measure
from dabench.npz import ArrayError, read_arrays
from dabench.plain_files import digest, plain_name
from dabench.records import Metrics, Record

__all__ = ["Recomputed", "recompute", "validation_findings"]

LARGEST_FILE = 4 * 2**30
LARGEST_PREDICTIONS = 2**25  # bytes: eight times what twenty evaluations of 100,000 images need
LARGEST_PROBABILITIES = 2**30
SUM_TOLERANCE = 0.01  # of probabilities in half precision; r classes are off by at most r * 2**-25 + 2**-12


@dataclass(frozen=True)
class Recomputed:
    """What a record's predictions say of it.

    Attributes:
        complete: its numbers were recomputed, whatever came out.
        wrong: contradictions, a sentence each.
        notes: why something was not checked.
        labels: digest of the test labels, to be compared between runs; None where they were not read.
        probabilities: digest of those of all evaluations, likewise; None also where each is 0 or 1, in which
            two good runs may agree.
    """

    complete: bool = False
    wrong: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    labels: str | None = None
    probabilities: str | None = None


@dataclass(frozen=True)
class _Named:
    """A file that a record names: its path where it is as it was written, else why not."""

    path: Path | None = None
    wrong: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def _named(record: Path, kind: str, name: str | None, sha256: str | None) -> _Named:
    """The file beside a record that it names, if it is the one that the run wrote."""
    if name is None:
        return _Named(notes=(f"it names no {kind} file",))
    if not plain_name(name):
        return _Named(wrong=(f"{kind}_file is {name!r}, expected the name of a file beside the record",))
    path = record.with_name(name)
    if sha256 is None:
        return _Named(notes=(f"it states no checksum of {name}",))
    try:
        found = digest(path, LARGEST_FILE)
    except FileNotFoundError:
        return _Named(notes=(f"its file {name} is not here",))
    except OSError as error:
        return _Named(notes=(f"its file {name} is not read: {error.strerror or error}",))
    if found != sha256:
        return _Named(
            wrong=(
                f"{name} is not the file that the run wrote: SHA-256 {found[:12]}…, expected {sha256[:12]}…",
            )
        )
    return _Named(path)


def recompute(path: Path, record: Record) -> Recomputed:
    """Recompute a finished run's numbers from its stored predictions.

    Args:
        path: of the record; its predictions lie beside it.
        record: read from there, whose metrics do not contradict themselves.
    """
    named = _named(path, "predictions", record.predictions_file, record.predictions_sha256)
    if named.path is None:
        return Recomputed(False, named.wrong, named.notes)
    try:
        arrays = read_arrays(named.path, ("steps", "predictions", "labels"), LARGEST_PREDICTIONS)
    except ArrayError as error:
        return Recomputed(False, (str(error),))
    wrong = list(_shapes(record, arrays))
    if wrong:
        return Recomputed(False, tuple(f"{named.path.name}: {sentence}" for sentence in wrong))
    wrong += _numbers(record, arrays)
    notes: list[str] = []
    seen = None
    size = arrays["predictions"].size * len(class_names(record)) * 2
    if size > LARGEST_PROBABILITIES:
        notes.append(f"its probabilities need {size} bytes and were not compared with its predictions")
    else:
        try:
            stored = read_arrays(named.path, ("probabilities",), LARGEST_PROBABILITIES)["probabilities"]
            wrong += _probabilities(stored, arrays["predictions"], len(class_names(record)))
            if np.any((stored != 0) & (stored != 1)):
                seen = hashlib.sha256(np.ascontiguousarray(stored).data).hexdigest()
        except ArrayError as error:
            wrong.append(error.reason)
    sentences = tuple(f"{named.path.name}: {sentence}" for sentence in wrong)
    labels = hashlib.sha256(arrays["labels"].astype("<i8").tobytes()).hexdigest()
    return Recomputed(True, sentences, tuple(notes), labels, seen)


def _shapes(record: Record, arrays: dict[str, NDArray[Any]]) -> Iterator[str]:
    """Whether arrays can be what they should be, before anything is computed with them."""
    steps, predictions, labels = (arrays[name] for name in ("steps", "predictions", "labels"))
    count, classes = len(record.evaluations), len(class_names(record))
    if any(array.dtype.kind not in "iu" for array in arrays.values()):
        yield "steps, predictions and labels are not all whole numbers"
        return
    expected = [item.step for item in record.evaluations]
    if steps.tolist() != expected:
        yield f"its steps are {steps.ravel()[:8].tolist()}…, the record evaluates at {expected[:8]}…"
        return
    if labels.ndim != 1 or not labels.size or predictions.shape != (count, labels.size):
        shapes = f"predictions are {[*predictions.shape]} and labels {[*labels.shape]}"
        yield f"{shapes}, expected [{count}, n] and [n]"
        return
    for name, array in (("predictions", predictions), ("labels", labels)):
        if int(array.min()) < 0 or int(array.max()) >= classes:
            yield f"{name} from {array.min()} to {array.max()}, expected 0 to {classes - 1}"


def _numbers(record: Record, arrays: dict[str, NDArray[Any]]) -> Iterator[str]:
    """The record's numbers against those that its predictions give."""
    labels, predictions = arrays["labels"].astype(np.int64), arrays["predictions"]
    classes = class_names(record)
    for item, row in zip(record.evaluations, predictions, strict=True):
        accuracy, mean_class = _accuracies(labels, row.astype(np.int64), len(classes))
        for name, found, expected in (
            ("accuracy", item.accuracy, accuracy),
            ("mean_class_accuracy", item.mean_class_accuracy, mean_class),
        ):
            if abs(found - expected) > TOLERANCE:
                yield (
                    f"{name} at step {item.step} is {found:.6f} in the record, "
                    f"its predictions give {expected:.6f}"
                )
    last: Metrics = measure(labels, predictions[-1].astype(np.int64), classes)
    if record.metrics and record.metrics.confusion != last.confusion:
        yield "the record's confusion matrix is not that of its last predictions"


def _accuracies(
    labels: NDArray[np.int64], predictions: NDArray[np.int64], classes: int
) -> tuple[float, float]:
    """Accuracy, and its mean over the classes that have a test image; both arrays (n,)."""
    right = labels == predictions
    totals = np.bincount(labels, minlength=classes)
    seen = totals > 0
    by_class = np.bincount(labels[right], minlength=classes)[seen] / totals[seen]
    return float(right.mean()), float(by_class.mean())


def _probabilities(stored: NDArray[Any], predictions: NDArray[Any], classes: int) -> Iterator[str]:
    """Probabilities, (E, n, r), must be such, and largest where the prediction is.

    They were rounded to half precision after the prediction was made: two classes may have become equal, or
    be one step of that precision apart.
    """
    if stored.dtype != np.float16 or stored.shape != (*predictions.shape, classes):
        expected = [*predictions.shape, classes]
        yield f"probabilities are {stored.dtype} {[*stored.shape]}, expected float16 {expected}"
        return
    for evaluation, (rows, chosen) in enumerate(zip(stored, predictions, strict=True)):
        sums = rows.sum(axis=1, dtype=np.float32)
        if not np.isfinite(sums).all() or rows.min() < 0 or np.abs(sums - 1).max() > SUM_TOLERANCE:
            yield f"probabilities of evaluation {evaluation + 1} are no probabilities that sum to 1"
            return
        own = np.take_along_axis(rows, chosen.astype(np.int64)[:, None], axis=1)[:, 0]
        below = np.nextafter(rows.max(axis=1), np.float16(0))
        odd = int((own < below).sum())
        if odd:
            yield (
                f"{odd} of {len(chosen)} predictions of evaluation {evaluation + 1} "
                "are not the class with the largest probability"
            )
            return


def validation_findings(path: Path, record: Record) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is wrong with the file that selection rules read, and why it was not checked.

    A run may have stored none.
    """
    if record.validation_file is None:
        return (), ()
    named = _named(path, "validation", record.validation_file, record.validation_sha256)
    if named.path is None:
        return named.wrong, named.notes
    try:
        steps = read_arrays(named.path, ("steps",), LARGEST_PREDICTIONS)["steps"]
    except ArrayError as error:
        return (str(error),), ()
    if steps.tolist() != [item.step for item in record.evaluations]:
        return (f"{named.path.name}: its steps are not those of the record's evaluations",), ()
    return (), ()
