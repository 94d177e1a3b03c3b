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

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from pydantic import ValidationError

from dabench.errors import UserError
from dabench.limited import read_limited
from dabench.problem import LARGEST_RECORD_BYTES, SCHEMA_VERSION, Problem, content_of, problem_of
from dabench.publishing import (
    create,
    draft_of,
    pack,
    recover,
    remove,
    supersede,
    tidy,
    write_all,
    write_atomically,
)
from dabench.record import Evaluation, Failure, Metrics, Record, Timing
from dabench.walking import walk

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
    "Timing",
    "write_atomically",
]

SUFFIXES = {"predictions": ".npz", "validation": ".validation.npz"}
SCORES_SUFFIX = ".scores.json"
NO_RECORD = frozenset({
    errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.ENXIO, errno.ELOOP, errno.EFBIG
})  # fmt: skip
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
Stamp = tuple[int, int]
"""What tells one version of a file from another: time and size. File numbers are not stable everywhere."""


class ResultsError(UserError):
    """The results folder is full, read-only or gone: nothing can be written down there."""


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
        record, files = self._with_arrays(record, arrays, validation)
        try:
            write_all(path, files)
            write_atomically(path, content_of(record))
        except OSError as error:
            raise self.unwritable(error) from error
        tidy(path, lambda: _files(record), owner=True)
        return path

    def publish(
        self,
        record: Record,
        arrays: Mapping[str, NDArray[Any]] | None = None,
        validation: Mapping[str, NDArray[Any]] | None = None,
        replaces: Stamp | None = None,
        make_room: Callable[[], bool] | None = None,
    ) -> Record | None:
        """Write as ``write`` does, unless somebody else has written this run's record meanwhile.

        Args:
            record: of the run.
            arrays: its predictions.
            validation: what selection rules read.
            replaces: stamp of the record that may be replaced; None where there was none. A failure never
                replaces a result.
            make_room: called while the disk is full, before another attempt; says whether it made any.

        Returns:
            The record as it was written; None where another one stays, and nothing of this one.

        Raises:
            ResultsError: the disk is full, or the folder cannot be written, or what is there cannot be read.
            ValueError: the record would be too large to be read.
        """
        while True:
            try:
                return self._publish(record, arrays, validation, replaces)
            except OSError as error:
                if make_room is None or error.errno not in FULL or not make_room():
                    raise self.unwritable(error) from error

    def _publish(
        self,
        record: Record,
        arrays: Mapping[str, NDArray[Any]] | None,
        validation: Mapping[str, NDArray[Any]] | None,
        replaces: Stamp | None,
    ) -> Record | None:
        path = self.path(record)
        record, files = self._with_arrays(record, arrays, validation)
        try:
            write_all(path, files)
            draft = draft_of(path, content_of(record))
            try:
                create(path, draft)
            except FileExistsError:
                if not self._replace(path, draft, record, replaces):
                    self._withdraw(path, files.keys())
                    return None
            finally:
                with contextlib.suppress(OSError):
                    draft.unlink(missing_ok=True)
        except FileNotFoundError:
            if self.stamp(path) not in (None, replaces):
                self._withdraw(path, files.keys())
                return None  # whoever came first has cleared away what was to be published
            raise
        except BaseException:
            self._withdraw(path, files.keys())
            raise
        with contextlib.suppress(OSError):  # it is published, whatever comes
            self._finish(path, record, files)
        return record

    def _finish(self, path: Path, record: Record, files: Mapping[str, bytes]) -> None:
        if not all(path.with_name(name).exists() for name in files):
            write_all(path, files)  # who took the run over has cleared them away
        tidy(path, lambda: _files(record) | self.named(path))
        if record.status == "done":
            remove(self.failed_again(path))

    def _replace(self, path: Path, draft: Path, record: Record, replaces: Stamp | None) -> bool:
        """Put a record in the place of another one, if that may go. Raises OSError as ``look``."""
        if path.is_dir():
            raise OSError(errno.EEXIST, f"{path.name} is there and cannot be read: a folder")
        there = self.look(path)
        if there == record:
            return True  # it was linked, and the answer was lost
        ours = isinstance(there, Record) and there.run_id == record.run_id and self.stamp(path) == replaces
        if isinstance(there, Record) and ours and there.status == record.status == "done":
            os.replace(draft, path)  # at no moment without a result
            return True

        def may_go(file: Path) -> bool:
            found = self.look(file)
            if isinstance(found, Problem):
                return True
            return found.run_id != record.run_id or (
                found.status == "failed" and self.stamp(file) == replaces
            )

        return may_go(path) and supersede(path, draft, may_go)

    def named(self, path: Path) -> set[str]:
        """Names of the array files that belong to the record that is there by now. Raises as ``look``."""
        there = self.look(path)
        return _files(there) if isinstance(there, Record) else set()

    def recover(self, path: Path) -> None:
        """Put back a result that a killed process has left aside; for who owns the run."""

        def is_result(aside: Path) -> bool:
            found = self.look(aside)
            return isinstance(found, Record) and found.status == "done"

        recover(path, is_result)

    def stamp(self, path: Path) -> Stamp | None:
        """Return what tells this version of a file from another; None where there is none.

        Raises:
            OSError: nobody can tell at the moment.
        """
        try:
            found = path.stat()
        except OSError as error:
            if error.errno in NO_RECORD:
                return None
            raise
        return found.st_mtime_ns, found.st_size

    def _with_arrays(
        self,
        record: Record,
        arrays: Mapping[str, NDArray[Any]] | None,
        validation: Mapping[str, NDArray[Any]] | None,
    ) -> tuple[Record, dict[str, bytes]]:
        """Pack the arrays; return the record that names their files, and these by name."""
        path, files = self.path(record), {}
        for name, content in (("predictions", arrays), ("validation", validation)):
            if content is not None:
                packed = pack(content)
                digest = hashlib.sha256(packed).hexdigest()
                file = f"{path.stem}.{digest[:8]}{SUFFIXES[name]}"
                files[file] = packed
                record = record.model_copy(update={f"{name}_file": file, f"{name}_sha256": digest})
        return record, files

    def _withdraw(self, path: Path, names: Set[str]) -> None:
        """Remove array files whose record was not published, if nobody else's names them."""
        with contextlib.suppress(OSError):
            for name in names - self.named(path):
                path.with_name(name).unlink(missing_ok=True)

    def failed_again(self, path: Path) -> Path:
        """Where the failure of a forced run lies, beside the result that it does not replace."""
        return path.with_name(f".{path.stem}.failed.json")

    def note_failed_again(self, path: Path, record: Record) -> None:
        """Write that failure down, for other processes of the same sweep. Raises ResultsError."""
        try:
            write_atomically(self.failed_again(path), record.content())
        except OSError as error:
            raise self.unwritable(error) from error

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
            reason = error.strerror or str(error)
            return Problem(path, reason, error.errno not in NO_RECORD, error.errno or errno.EIO)
        try:
            return Record.model_validate_json(text)  # several times faster than by way of Python objects
        except ValidationError:
            return problem_of(path, text)

    def look(self, path: Path) -> Record | Problem:
        """As ``read``, for who acts on what is not there. Raises OSError where nobody can tell."""
        found = self.read(path)
        if isinstance(found, Problem) and found.unreadable:
            raise OSError(found.number, f"{path.name} is there and cannot be read: {found.reason}")
        return found

    def read_all(self) -> tuple[list[Record], list[Problem]]:
        """Read every record below the folder, sorted by path; files that are none come back by name."""
        records: list[Record] = []
        problems: list[Problem] = []
        for path in self.paths(problems):
            result = self.read(path)
            if isinstance(result, Record):
                records.append(result)
            else:
                problems.append(result)
        return records, problems

    def paths(self, problems: list[Problem] | None = None) -> Iterator[Path]:
        """All JSON files below the folder, but for scores of selection rules and what is hidden.

        Args:
            problems: gets what is not looked through, and why; ``dabench.walking`` has the limits.
        """

        def report(path: str, reason: str) -> None:
            if problems is not None:
                problems.append(Problem(self.root / path, reason))

        for path, _ in walk(self.root, report):
            name = path[path.rfind("/") + 1 :]
            if name.endswith(".json") and not name.endswith(SCORES_SUFFIX) and name[0] != ".":
                yield self.root / path
