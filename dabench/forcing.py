"""``--force`` that is stopped and started: what it has made again stays made, and the rest goes on.

``.dabench/forced/<digest>.json`` is there while a forced sweep is in progress. It says of each run which
result is to be replaced; a run with another one has been made again.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from dabench.limited import read_limited
from dabench.links import require_plain
from dabench.plan import PlannedRun
from dabench.publishing import create, draft_of
from dabench.records import Record, RecordStore

__all__ = ["Forced", "replaced"]

FOLDER = Path(".dabench") / "forced"
LARGEST_BYTES = 32 * 2**20
REPLACED = TypeAdapter(dict[str, str])


def replaced(run: PlannedRun, store: RecordStore) -> str:
    """Digest of the result that a forced run replaces; empty where there is none. Raises OSError."""
    record = store.look(run.path) if run.path is not None else None
    if not isinstance(record, Record) or record.status != "done" or record.run_id != run.run_id:
        return ""
    return hashlib.sha256(record.content()).hexdigest()


@dataclass(frozen=True)
class Forced:
    """A forced sweep in progress.

    Attributes:
        path: the file that says so.
        runs: all of them; those that are made again already are done.
    """

    path: Path
    runs: list[PlannedRun]

    @classmethod
    def begin(cls, runs: Sequence[PlannedRun], store: RecordStore) -> "Forced":
        """Begin a forced sweep, or go on with the same one.

        Raises:
            ResultsError: the folder cannot be written.
        """
        names = json.dumps(sorted(str(run.run_id) for run in runs)).encode()
        path = store.root / FOLDER / f"{hashlib.sha256(names).hexdigest()[:12]}.json"
        require_plain(store.root, path.parent)
        try:
            now = {str(run.run_id): replaced(run, store) for run in runs}
            before = _read(path)
            if before is not None and all(before.get(name) != digest for name, digest in now.items()):
                before = None  # of one that ended, or has nothing to do with these
            if before is None:
                path.unlink(missing_ok=True)
                before = _write(path, now)
        except OSError as error:
            raise store.unwritable(error) from error
        made = {name for name, digest in now.items() if digest and before.get(name, digest) != digest}
        return cls(path, [replace(run, state="done") if run.run_id in made else run for run in runs])

    def end(self) -> None:
        """All runs have ended: the next ``--force`` begins anew."""
        self.path.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, str] | None:
    try:
        return REPLACED.validate_json(read_limited(path, LARGEST_BYTES))
    except FileNotFoundError:
        return None
    except ValidationError:
        return None


def _write(path: Path, content: dict[str, str]) -> dict[str, str]:
    """Write the file, unless another process has just done so; return what it says."""
    draft = draft_of(path, REPLACED.dump_json(content))
    try:
        create(path, draft)
    except FileExistsError:
        return _read(path) or content
    finally:
        draft.unlink(missing_ok=True)
    return content
