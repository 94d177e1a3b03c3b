"""What a run stored for selection rules, read as the file of a stranger.

Only what is asked for is unpacked, and no more of it than the run's record accounts for.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.npz import ArrayError, array_names, read_arrays
from dabench.plain_files import digest, plain_name
from dabench.records import Record
from dabench.selection import Part

__all__ = ["PARTS", "Unreadable", "read_parts"]

LARGEST_FILE_BYTES = 2 * 2**30
LARGEST_ARRAYS_BYTES = 2 * 2**30  # of what is read at a time
WIDEST = 2**14  # features; those of the widest usual backbones are 4,096
MOST_IMAGES = 1000  # of a part, where the record does not say how many were to be stored
NUMBER_BYTES, LABEL_BYTES = 2, 8
PARTS = ("target", "source", "source_val")


class Unreadable(Exception):
    """The stored arrays cannot be used; the message says why."""


def read_parts(path: Path, record: Record, wanted: Collection[str]) -> dict[str, Part]:
    """Read parts of what a run stored, checked against its record.

    Args:
        path: of the record; the arrays lie beside it.
        record: of a run that is done.
        wanted: names of parts; those that were not stored are left out.

    Raises:
        Unreadable: there is no such file, it is another one than the run wrote, or holds something else.
    """
    name = str(record.validation_file)
    if not plain_name(name):
        raise Unreadable("the record names a file of stored outputs outside of its folder")
    file = path.with_name(name)
    try:
        found = digest(file, LARGEST_FILE_BYTES)
    except OSError as error:
        raise Unreadable(f"{name} cannot be read: {error.strerror or error}") from error
    if found != record.validation_sha256:
        raise Unreadable(f"{name} is not the file that the run wrote")
    try:
        return _parts(file, record, wanted)
    except ArrayError as error:
        raise Unreadable(f"{name} does not fit its record: {error.reason}") from error
    except Exception as error:  # a file of somebody else's may hold anything
        raise Unreadable(f"{name} does not fit its record: {type(error).__name__}: {error}") from error


def _parts(file: Path, record: Record, wanted: Collection[str]) -> dict[str, Part]:
    stored = array_names(file)
    _require("target_logits" in stored, "lack of target_logits")
    steps = read_arrays(file, ["steps"], LABEL_BYTES * len(record.evaluations))["steps"]
    _require(steps.tolist() == [item.step for item in record.evaluations], "steps")
    found = {}
    for part in PARTS:
        if part in wanted and f"{part}_logits" in stored:
            names = [f"{part}_logits", f"{part}_features", *([] if part == "target" else [f"{part}_labels"])]
            found[part] = _part(read_arrays(file, names, _limit(record)), part, record)
    _require(len({part.features.shape[2] for part in found.values()}) < 2, "widths of its parts")
    return found


def _limit(record: Record) -> int:
    """Bytes that one part may need, by the record's evaluations, classes and stored images."""
    told = record.config.get("stored_images")
    images = told if type(told) is int and told > 0 else MOST_IMAGES
    row = NUMBER_BYTES * (_classes(record) + WIDEST) * len(record.evaluations) + LABEL_BYTES
    return min(LARGEST_ARRAYS_BYTES, images * row)


def _classes(record: Record) -> int:
    return len(record.metrics.per_class) if record.metrics else 0


def _part(arrays: Mapping[str, NDArray[Any]], name: str, record: Record) -> Part:
    """One part, with labels unless it is the target."""
    logits, features = arrays[f"{name}_logits"], arrays[f"{name}_features"]
    for kind, array in (("logits", logits), ("features", features)):
        _require(array.ndim == 3 and array.dtype.kind == "f", f"{name}_{kind}")
        _require(array.shape[:2] == (len(record.evaluations), logits.shape[1]), f"shape of {name}_{kind}")
    _require(logits.shape[2] == _classes(record), f"number of classes in {name}_logits")
    labels = None
    if name != "target":
        labels = arrays[f"{name}_labels"]
        _require(labels.shape == logits.shape[1:2] and labels.dtype.kind in "iu", f"{name}_labels")
        labels = labels.astype(np.int64)
        _require(bool(((labels >= 0) & (labels < logits.shape[2])).all()), f"range of {name}_labels")
    return Part(logits.astype(np.float32), features.astype(np.float32), labels)


def _require(fits: bool, what: str) -> None:
    if not fits:
        raise ValueError(f"unexpected {what}")
