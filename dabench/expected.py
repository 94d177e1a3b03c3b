"""Which runs a results folder is to hold: one small file a sweep, for ``dabench status``.

``.dabench/sweeps/<digest>.json`` lists the runs of a plan; the same plan has the same file, whoever makes it.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from dabench.config import Frozen
from dabench.limited import read_limited
from dabench.links import require_plain
from dabench.plan import PlannedRun
from dabench.publishing import write_atomically
from dabench.records import RecordStore

__all__ = ["Expected", "ExpectedRun", "read_expected", "write_expected"]

FOLDER = Path(".dabench") / "sweeps"
LARGEST_BYTES = 32 * 2**20
MOST_SWEEPS = 1000
NAME = r"^[^./\\\x00-\x1f][^/\\\x00-\x1f]{0,199}$"  # of a folder, and never one above


class ExpectedRun(Frozen):
    """A run that a sweep has planned."""

    suite: str = Field(pattern=NAME)
    task: str = Field(pattern=NAME)
    method: str = Field(pattern=NAME)
    backbone: str = Field(pattern=NAME)
    seed: int
    run_id: str = Field(pattern=r"^[0-9a-f]{16}$")


class Expected(Frozen):
    """All runs of one sweep."""

    schema_version: Literal[1] = 1
    runs: tuple[ExpectedRun, ...]


def write_expected(store: RecordStore, runs: Sequence[PlannedRun]) -> Path:
    """List the runs of a plan in the results folder, if they are not listed.

    Raises:
        ResultsError: the folder cannot be written.
    """
    listed = [
        ExpectedRun(
            suite=run.suite.name, task=run.task.name, method=run.config.method, backbone=run.config.backbone,
            seed=run.config.seed, run_id=str(run.run_id),
        )
        for run in runs
    ]  # fmt: skip
    content = Expected(runs=tuple(listed)).model_dump_json(indent=1).encode() + b"\n"
    names = json.dumps(sorted({run.run_id for run in listed})).encode()
    path = store.root / FOLDER / f"{hashlib.sha256(names).hexdigest()[:12]}.json"
    require_plain(store.root, path.parent)
    try:
        if not path.exists():
            write_atomically(path, content)
    except OSError as error:
        raise store.unwritable(error) from error
    return path


def read_expected(root: Path) -> tuple[dict[str, Expected], list[str]]:
    """Read the lists of all sweeps of a results folder.

    Returns:
        Name of a sweep to its runs; and a line for each file that cannot be read.
    """
    try:
        names = sorted(name for name in os.listdir(root / FOLDER) if name.endswith(".json"))
    except OSError:
        return {}, []
    found: dict[str, Expected] = {}
    wrong: list[str] = []
    for name in names[:MOST_SWEEPS]:
        try:
            content = read_limited(root / FOLDER / name, LARGEST_BYTES)
            found[name.removesuffix(".json")] = Expected.model_validate_json(content)
        except (OSError, ValidationError) as error:
            reason = str(error).splitlines()[0]
            wrong.append(f"{FOLDER / name}: no list of runs: {reason}")
    if len(names) > MOST_SWEEPS:
        wrong.append(f"{FOLDER}: {len(names) - MOST_SWEEPS} files more than {MOST_SWEEPS} are not read")
    return found, wrong
