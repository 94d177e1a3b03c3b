"""What a record says of itself, compared with what else it says: metrics, steps, images, names, identity.

Every function yields one sentence for each contradiction: what was found, and what was expected. Nothing but
the record is read.
"""

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

import dabench
from dabench.config import RunConfig
from dabench.records import Metrics, Record, RecordStore

__all__ = ["TOLERANCE", "class_names", "contradictions", "expected_run_id", "identity_notes", "place_notes"]

# An accuracy is a count over at most a million images: anything below is rounding of a mean.
TOLERANCE = 1e-9
LARGEST_COUNT = 2**40
NAMED_IN_CONFIG = ("suite", "task", "method", "seed", "backbone")


def contradictions(record: Record) -> Iterator[str]:
    """Everything in which a record contradicts itself."""
    yield from _names(record)
    yield from _identity(record)
    if record.status == "done" and record.metrics is not None:
        yield from _metrics(record, record.metrics)
        yield from _evaluations(record, record.metrics)


def class_names(record: Record) -> list[str]:
    """The classes in the order of their indices, as the metrics list them."""
    return list(record.metrics.per_class) if record.metrics else []


def _names(record: Record) -> Iterator[str]:
    for name in NAMED_IN_CONFIG:
        found, expected = getattr(record, name), record.config.get(name)
        if expected is not None and found != expected:
            yield f"{name} is {found!r}, its configuration says {expected!r}"
    protocols = _protocols(record)
    if record.protocol not in protocols:
        yield f"protocol is {record.protocol!r}, its configuration says {' or '.join(map(repr, protocols))}"
    tasks = record.suite_info.get("tasks")
    if isinstance(tasks, list) and tasks and record.task not in tasks:
        yield f"task is {record.task!r}, its suite has {tasks!r}"


def _protocols(record: Record) -> tuple[str, ...]:
    """What a record may call its protocol: as ``RunConfig`` names it, or "changed" by its user.

    Which of the two is told by the protocol's file, which the record does not hold.
    """
    config = record.config
    given, held = config.get("protocol"), config.get("source_holdout", 0.0)
    if not isinstance(given, str) or not isinstance(held, int | float):
        return ("none",)
    frozen = config.get("frozen_backbone") is True
    named: Any = {"protocol": given, "source_holdout": held, "frozen_backbone": frozen}
    name = RunConfig.model_construct(**named).protocol_name
    return name, f"{given}, changed{name.removeprefix(given)}"


def expected_run_id(record: Record) -> str | None:
    """The identity of a run, hashed from its record as ``dabench.plan.run_identity`` does before the run.

    None where the record lacks a part of it.
    """
    domains = {name: part for name, part in record.dataset.items() if isinstance(part, Mapping)}
    whole = all(
        "fingerprint" in part and isinstance(part.get("class_counts"), Mapping) for part in domains.values()
    )
    version = record.method_info.get("version")
    if not domains or not whole or version is None:
        return None
    content = {
        "config": record.config,
        "dataset": {name: part["fingerprint"] for name, part in domains.items()},
        "classes": {name: list(part["class_counts"]) for name, part in domains.items()},
        "method_version": version,
        "metric": record.metric,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _identity(record: Record) -> Iterator[str]:
    if record.method_info.get("version") is None:
        yield "method_info has no version of the method, without which its run_id cannot be checked"
        return
    if record.code.get("version") != dabench.__version__:
        return  # another version may hash other things: see identity_notes
    expected = expected_run_id(record)
    if expected is None and record.status == "done":
        yield "its data set lacks fingerprints or class counts, without which its run_id cannot be checked"
    if expected not in (None, record.run_id):
        yield (
            f"run_id is {record.run_id}, its configuration, images and method's version give {expected}: "
            "one of them was changed afterwards"
        )


def identity_notes(record: Record) -> Iterator[str]:
    """Why a finished run's identity was not checked, where it does not fit and need not."""
    version = record.code.get("version")
    if (
        record.status == "done"
        and version != dabench.__version__
        and expected_run_id(record) != record.run_id
    ):
        made = f"dabench {version}" if isinstance(version, str) else "a dabench that it does not name"
        yield f"identity not checked: made by {made}, this is {dabench.__version__}"


def _metrics(record: Record, metrics: Metrics) -> Iterator[str]:
    counts = _counts(metrics)
    if isinstance(counts, str):
        yield counts
        return
    classes, totals, right = class_names(record), counts.sum(axis=1), np.diag(counts)
    listed = record.suite_info.get("classes")
    if isinstance(listed, list) and listed and listed != classes:
        yield f"per_class lists {len(classes)} classes that are not the suite's {len(listed)}, in their order"
    seen = totals > 0
    by_class = np.divide(right, totals, where=seen, out=np.zeros(len(right)))
    yield from _unlike("metrics.accuracy", metrics.accuracy, right.sum() / totals.sum(), "confusion matrix")
    yield from _unlike(
        "metrics.mean_class_accuracy", metrics.mean_class_accuracy, by_class[seen].mean(), "confusion matrix"
    )
    odd = [
        name
        for name, stated, known, value in zip(
            classes, metrics.per_class.values(), seen, by_class, strict=True
        )
        if (stated is not None) != known or (stated is not None and abs(stated - value) > TOLERANCE)
    ]
    if odd:
        k = classes.index(odd[0])
        expected = f"{by_class[k]:.6f}" if seen[k] else "none, without a test image"
        yield (
            f"per_class of {odd[0]!r} is {metrics.per_class[odd[0]]}, its confusion matrix gives {expected}"
            f"{_more(len(odd) - 1, 'other class', 'other classes')}"
        )
    yield from _images(record, classes, totals)


def _counts(metrics: Metrics) -> NDArray[np.int64] | str:
    """The confusion matrix, (r, r), or why it is none."""
    size = len(metrics.per_class)
    rows = metrics.confusion
    if not size or len(rows) != size or any(len(row) != size for row in rows):
        return f"the confusion matrix is not {size} by {size}, as many as per_class has classes"
    if any(not 0 <= count <= LARGEST_COUNT for row in rows for count in row):
        return "the confusion matrix has a count that is negative or larger than any number of images"
    counts = np.array(rows, np.int64)
    return counts if counts.any() else "the confusion matrix counts no image"


def _images(record: Record, classes: list[str], totals: NDArray[np.int64]) -> Iterator[str]:
    """Test images of each class: the confusion matrix against the data set's counts."""
    part = record.dataset.get("target_test")
    if not isinstance(part, Mapping):
        return
    images, counts = part.get("images"), part.get("class_counts")
    if isinstance(images, int) and images != totals.sum():
        yield f"the confusion matrix counts {totals.sum()} images, the data set has {images} test images"
    elif isinstance(counts, Mapping) and list(counts) == classes:
        odd = [k for k, count in enumerate(counts.values()) if count != int(totals[k])]
        if odd:
            yield (
                f"the confusion matrix counts {totals[odd[0]]} images of class {classes[odd[0]]!r}, the data "
                f"set has {counts[classes[odd[0]]]!r}{_more(len(odd) - 1, 'other class', 'other classes')}"
            )


def _evaluations(record: Record, metrics: Metrics) -> Iterator[str]:
    evaluations = record.evaluations
    steps = [item.step for item in evaluations]
    if any(later <= earlier for earlier, later in itertools.pairwise(steps)):
        yield f"the steps of its evaluations do not rise: {steps!r}"
    planned = record.config.get("steps")
    if isinstance(planned, int) and steps[-1] not in (planned, 0):
        yield f"its last evaluation is at step {steps[-1]}, its configuration has {planned} steps"
    last = evaluations[-1]
    for name in ("accuracy", "mean_class_accuracy"):
        yield from _unlike(f"metrics.{name}", getattr(metrics, name), getattr(last, name), "last evaluation")
    values = [getattr(item, record.metric) for item in evaluations]
    if record.value is not None:
        yield from _unlike(f"value ({record.metric})", record.value, values[-1], "last evaluation")
    if record.oracle is not None:
        yield from _unlike("oracle", record.oracle, max(values), "best evaluation")
        largest = max(values)
        best = [step for step, value in zip(steps, values, strict=True) if value == largest]
        if record.oracle_step is not None and record.oracle_step not in best:
            yield f"oracle_step is {record.oracle_step}, its best evaluation is at step {best[-1]}"


def _unlike(name: str, found: float, expected: float, source: str) -> Iterator[str]:
    if abs(found - expected) > TOLERANCE:
        yield f"{name} is {found:.6f}, its {source} gives {expected:.6f}"


def _more(count: int, one: str, many: str) -> str:
    return f", and so for {count} {one if count == 1 else many}" if count else ""


def place_notes(record: Record, file: str) -> Iterator[str]:
    """Where a record lies and what it is called, against what it says of itself; no reason to doubt it.

    Args:
        record: read from the file.
        file: relative to the results folder, with forward slashes.
    """
    expected = RecordStore(PurePosixPath()).path(record).as_posix()  # type: ignore[arg-type]
    if not f"/{file}".endswith(f"/{expected}"):
        yield f"it lies at {file!r}, dabench would have written it to {expected!r}"
