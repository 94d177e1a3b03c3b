"""Runs of one seed against the reference's, image by image, on the predictions that both have stored."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dabench.errors import UserError
from dabench.leaderboard.boards import Reading
from dabench.leaderboard.groups import REFERENCE
from dabench.leaderboard.rows import Row
from dabench.leaderboard.runs import Run
from dabench.leaderboard.statistics.images import mcnemar, mcnemar_counts
from dabench.leaderboard.stored_predictions import Predictions, stored_predictions

__all__ = ["Paired", "against_reference"]

# Class indices of a hundred evaluations of a hundred thousand images, two bytes each, and as much again.
LARGEST_BYTES = 40 * 2**20


@dataclass(frozen=True)
class Paired:
    """One seed of a row and of its reference on the same test images, each at the step that its rule chose.

    Attributes:
        gained: images that only the row's run gets right.
        lost: images that only the reference gets right.
        p: exact McNemar test, two-sided; it knows of images only, not of other seeds.
    """

    seed: int
    gained: int
    lost: int
    p: float


def against_reference(
    reading: Reading, task: str, results: Path | None, detailed: Collection[str]
) -> dict[str, tuple[Paired, ...]]:
    """Row key to its seeds against its reference's; rows without a comparable seed are left out.

    Args:
        reading: the table and its rows.
        task: of the table.
        results: the folder that the runs' files are relative to; None where there are only records.
        detailed: files of the runs to look into.
    """
    if results is None:
        return {}
    rows = {row.group.key: row for row in reading.table.rows}
    known: dict[str, Predictions | None] = {}
    found = {}
    for key, row in rows.items():
        base = rows.get(row.reference.key) if row.reference and row.method != REFERENCE else None
        if base is not None:
            pairs = _pairs(row, base, task, results, detailed, known)
            if pairs:
                found[key] = pairs
    return found


def _pairs(
    row: Row,
    base: Row,
    task: str,
    results: Path,
    detailed: Collection[str],
    known: dict[str, Predictions | None],
) -> tuple[Paired, ...]:
    mine, theirs = _by_seed(row, task, detailed), _by_seed(base, task, detailed)
    pairs = []
    for seed in sorted(mine.keys() & theirs.keys()):
        left = _predictions(results, mine[seed], row.choices[mine[seed].file].step)
        if left is None:
            continue
        other = theirs[seed]
        if other.file not in known:  # every row asks for the reference's
            known[other.file] = _predictions(results, other, base.choices[other.file].step)
        right = known[other.file]
        if right is None or not np.array_equal(left[1], right[1]):
            continue
        gained, lost = mcnemar_counts(left[0], right[0], left[1])
        pairs.append(Paired(seed, gained, lost, mcnemar(gained, lost)))
    return tuple(pairs)


def _by_seed(row: Row, task: str, detailed: Collection[str]) -> Mapping[int, Run]:
    return {run.record.seed: run for run in row.used if run.record.task == task and run.file in detailed}


def _predictions(results: Path, run: Run, step: int | None) -> Predictions | None:
    """Predicted classes at a step and labels, both (n,); None where they are missing or not to be trusted."""
    try:
        return stored_predictions(results, run, step, LARGEST_BYTES)
    except UserError:
        return None
