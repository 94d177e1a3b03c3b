"""Results as data: one JSON record a run, predictions beside it, both written atomically.

Accuracies are in [0, 1]; times in seconds; memory in bytes. A record's predictions lie beside it in a
compressed array file (no pickles), which the record names and which is named by the digest of its content:
two processes that end one run never overwrite each other's. Its arrays, E evaluations of n images, r classes:
``steps`` (E,), ``predictions`` (E, n) class indices, ``probabilities`` (E, n, r) float16, ``labels`` (n,).

What selection rules read lies in a second array file, without any target label: ``steps`` (E,) and, for the
parts ``target`` (training images), ``source`` and ``source_val`` (held-out source), each of m fixed images:
``<part>_rows`` (m,) rows of the whole domain, ``<part>_logits`` (E, m, r) and ``<part>_features`` (E, m, D)
in float16, and ``<part>_labels`` (m,) of the two source parts.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dabench.errors import UserError
from dabench.limited import read_limited
from dabench.publishing import create, draft_of, pack, tidy, write_atomically

__all__ = [
    "SCHEMA_VERSION",
    "SCORES_SUFFIX",
    "Evaluation",
    "Failure",
    "Metrics",
    "Problem",
    "Record",
    "RecordStore",
    "ResultsError",
    "Stamp",
    "write_atomically",
]

SCHEMA_VERSION = 1
LARGEST_RECORD_BYTES = 64 * 2**20
SUFFIXES = {"predictions": ".npz", "validation": ".validation.npz"}
SCORES_SUFFIX = ".scores.json"
Stamp = tuple[int, int, int]
"""What tells one version of a file from another: file number, time and size."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Metrics(_Model):
    """Of one set of predictions. Classes without a test image have no accuracy (None)."""

    accuracy: float = Field(ge=0, le=1)
    mean_class_accuracy: float = Field(ge=0, le=1)
    per_class: dict[str, float | None]
    confusion: list[list[int]] = Field(description="rows: true class, columns: predicted class")


class Evaluation(_Model):
    """One evaluation on the target: the metric values, and the mean losses since the last one."""

    step: int = Field(ge=0)
    accuracy: float = Field(ge=0, le=1)
    mean_class_accuracy: float = Field(ge=0, le=1)
    target_entropy: float | None = Field(
        None, description="mean entropy of the predictions, nats; needs no label"
    )
    losses: dict[str, float] = {}
    seconds: float = Field(ge=0, description="since the run's first step")


class Failure(_Model):
    """Why a run has no result."""

    kind: str
    message: str
    traceback: str = ""


class Timing(_Model):
    """How long, how fast, how much."""

    started_at: str
    total_seconds: float = Field(ge=0)
    training_seconds: float = Field(0.0, ge=0)
    images_per_second: float | None = Field(None, ge=0)
    peak_memory_bytes: int | None = Field(None, ge=0)


class Record(_Model):
    """One run. ``status`` is ``done`` with metrics, or ``failed`` with the reason."""

    schema_version: Literal[1] = 1
    run_id: str = Field(pattern=r"^[0-9a-f]{16}$")
    status: Literal["done", "failed"]
    failure: Failure | None = None
    suite: str
    task: str
    source: str
    target: str
    method: str
    backbone: str
    seed: int
    protocol: str
    uses_target_labels: bool = Field(False, description="an upper bound: never ranked")
    metric: Literal["accuracy", "mean_class_accuracy"] = Field(description="the suite's headline metric")
    selection: Literal["last"] = "last"
    value: float | None = Field(None, ge=0, le=1, description="headline metric at the last step")
    oracle: float | None = Field(
        None, ge=0, le=1, description="best over evaluations, chosen on target labels"
    )
    oracle_step: int | None = None
    metrics: Metrics | None = None
    evaluations: list[Evaluation] = []
    config: dict[str, Any]
    provenance: dict[str, str] = Field({}, description="configuration path to where its value came from")
    method_info: dict[str, Any] = Field({}, description="version, source_sha256, title, paper")
    suite_info: dict[str, Any] = Field(
        {}, description="title, tasks and classes, for pages that lack the manifest"
    )
    dataset: dict[str, Any] = Field(
        {}, description="fingerprints, image and class counts of source and target"
    )
    environment: dict[str, Any] = {}
    code: dict[str, Any] = Field({}, description="version of dabench, commit, whether there were changes")
    timing: Timing | None = None
    command: str = ""
    predictions_file: str | None = None
    predictions_sha256: str | None = None
    validation_file: str | None = None
    validation_sha256: str | None = None

    def content(self) -> bytes:
        """The record's file."""
        return (self.model_dump_json(indent=1) + "\n").encode()

    @model_validator(mode="after")
    def _status_fits(self) -> "Record":
        if self.status == "done" and (self.metrics is None or self.value is None or not self.evaluations):
            raise ValueError("a record that is done needs value, metrics and evaluations")
        if self.status == "failed" and self.failure is None:
            raise ValueError("a failed record needs its failure")
        return self


class ResultsError(UserError):
    """The results folder is full, read-only or gone: nothing can be written down there."""


@dataclass(frozen=True)
class Problem:
    """A file that could not be read as a record, and why."""

    path: Path
    reason: str


def _problem(path: Path, text: bytes) -> "Problem | Record":
    """Say what is wrong with a file that is no record."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Problem(path, f"no readable JSON: {error}")
    if not isinstance(content, dict) or "schema_version" not in content:
        return Problem(path, "no record of dabench: schema_version is missing")
    if content["schema_version"] != SCHEMA_VERSION:
        return Problem(
            path, f"schema_version {content['schema_version']!r}, this dabench reads {SCHEMA_VERSION}"
        )
    try:
        return Record.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "record"
        return Problem(path, f"{where}: {first['msg']}")


def _files(record: Record) -> set[str]:
    """Names of the array files that belong to a record."""
    return {name for name in (record.predictions_file, record.validation_file) if name}


class RecordStore:
    """The records below a results folder: ``<suite>/<task>/<method>/seed<k>-<run_id>.json``.

    Args:
        root: the results folder; made when the first record is written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, record: Record) -> Path:
        """Where a record lies."""
        return self.place(record.suite, record.task, record.method, record.seed, record.run_id)

    def place(self, suite: str, task: str, method: str, seed: int, run_id: str) -> Path:
        """Where the record of a run lies, or would lie."""
        return self.root / suite / task.replace("->", "2") / method / f"seed{seed}-{run_id}.json"

    def write(
        self,
        record: Record,
        arrays: Mapping[str, NDArray[Any]] | None = None,
        validation: Mapping[str, NDArray[Any]] | None = None,
    ) -> Path:
        """Write the predictions and what selection rules read, then the record that names them.

        A record that is there is replaced.

        Returns:
            The record's path.

        Raises:
            ResultsError: the disk is full, or the folder cannot be written.
        """
        path = self.path(record)
        try:
            record = self._with_arrays(record, arrays, validation)
            write_atomically(path, record.content())
        except OSError as error:
            raise self.unwritable(error) from error
        tidy(path, _files(record))
        return path

    def publish(
        self,
        record: Record,
        arrays: Mapping[str, NDArray[Any]] | None = None,
        validation: Mapping[str, NDArray[Any]] | None = None,
        replaces: Stamp | None = None,
    ) -> Record | None:
        """Write as ``write`` does, unless somebody else has written this run's record meanwhile.

        Args:
            record: of the run.
            arrays: its predictions.
            validation: what selection rules read.
            replaces: stamp of the record that may be replaced; None where there was none.

        Returns:
            The record as it was written; None where another one stays, and nothing of this one.

        Raises:
            ResultsError: the disk is full, or the folder cannot be written.
        """
        path = self.path(record)
        try:
            record = self._with_arrays(record, arrays, validation)
            draft = draft_of(path, record.content())
            try:
                create(path, draft)
            except FileExistsError:
                there = self.read(path)
                ours = isinstance(there, Record) and there.run_id == record.run_id
                if isinstance(there, Record) and ours and self.stamp(path) != replaces:
                    for name in _files(record) - _files(there):
                        path.with_name(name).unlink(missing_ok=True)
                    return None
                os.replace(draft, path)
            finally:
                draft.unlink(missing_ok=True)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and self.stamp(path) not in (None, replaces):
                return None  # whoever came first has cleared away what was to be published
            raise self.unwritable(error) from error
        tidy(path, _files(record))
        return record

    def stamp(self, path: Path) -> Stamp | None:
        """Return what tells this version of a file from another; None where there is none."""
        try:
            found = path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _with_arrays(
        self,
        record: Record,
        arrays: Mapping[str, NDArray[Any]] | None,
        validation: Mapping[str, NDArray[Any]] | None,
    ) -> Record:
        """Write the array files; return the record that names them."""
        path = self.path(record)
        for name, content in (("predictions", arrays), ("validation", validation)):
            if content is not None:
                packed = pack(content)
                digest = hashlib.sha256(packed).hexdigest()
                file = path.with_name(f"{path.stem}.{digest[:8]}{SUFFIXES[name]}")
                write_atomically(file, packed)
                record = record.model_copy(update={f"{name}_file": file.name, f"{name}_sha256": digest})
        return record

    def require_writable(self) -> None:
        """Try to write into the folder. Raises UserError when that fails, before hours of training do."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root) as file:
                file.write(b"x")
        except OSError as error:
            raise self.unwritable(error) from error

    def unwritable(self, error: OSError) -> ResultsError:
        """Return the error for a results folder that is full, read-only or gone."""
        return ResultsError(
            f"cannot write records into {self.root}: {error.strerror or error}",
            "records written so far are intact; make room, or choose another folder with --results, "
            "and run the same command again",
        )

    def read(self, path: Path) -> Record | Problem:
        """Read one file; what is wrong with it comes back as a Problem, never as an exception."""
        try:
            text = read_limited(path, LARGEST_RECORD_BYTES)
        except OSError as error:
            return Problem(path, error.strerror or str(error))
        try:
            return Record.model_validate_json(text)  # several times faster than by way of Python objects
        except ValidationError:
            return _problem(path, text)

    def read_all(self) -> tuple[list[Record], list[Problem]]:
        """Read every record below the folder, sorted by path; files that are none come back by name."""
        records: list[Record] = []
        problems: list[Problem] = []
        for path in self.paths():
            result = self.read(path)
            if isinstance(result, Record):
                records.append(result)
            else:
                problems.append(result)
        return records, problems

    def paths(self) -> Iterator[Path]:
        """All JSON files below the folder, but for scores of selection rules and what is hidden."""
        for path in sorted(self.root.rglob("*.json")):
            if path.name.endswith(SCORES_SUFFIX):
                continue
            if not any(part.startswith(".") for part in path.relative_to(self.root).parts):
                yield path
