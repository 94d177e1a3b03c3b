"""Features that a run stored for selection rules, of its last evaluation: what a projection is drawn from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.leaderboard.runs import Run
from dabench.npz import ArrayError, read_arrays

__all__ = ["Features", "stored_features"]

# Ten evaluations of a thousand images with 2048 features need 41 MB in float16.
LARGEST_BYTES = 512 * 2**20
ARRAYS = ("source_features", "target_features")


@dataclass(frozen=True)
class Features:
    """Source (n, D) and target (m, D), float32, as the network gave them at the end."""

    source: NDArray[np.float32]
    target: NDArray[np.float32]


def stored_features(results: Path | None, run: Run) -> Features | str:
    """Read the features of a run's last evaluation; what stands in the way comes back in words.

    Args:
        results: the folder that the run's file is relative to.
        run: finished.
    """
    name = run.record.validation_file
    if results is None or not name:
        return "the run stored no features (stored_images=0)"
    folder = (results / run.file).parent
    if Path(name).name != name:  # a record of a stranger may name any file
        return "the record names a file of features outside of its folder"
    try:
        arrays = read_arrays(folder / name, ARRAYS, LARGEST_BYTES)
    except ArrayError as error:
        return f"the stored features cannot be read: {error.reason}"
    source, target = (arrays[key] for key in ARRAYS)
    if not _fits(source) or not _fits(target) or source.shape[2] != target.shape[2]:
        return f"the stored features have shapes {list(source.shape)} and {list(target.shape)}"
    last = [part[-1].astype(np.float32) for part in (source, target)]
    if not all(np.isfinite(part).all() for part in last):
        return "the stored features hold numbers that are not finite"
    return Features(*last)


def _fits(array: NDArray[Any]) -> bool:
    """Whether an array is (E, m, D) with something in it."""
    return array.ndim == 3 and array.size > 0 and array.dtype.kind == "f"
