"""Arrays that are made again when their file in the cache is missing or broken."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.cache import cache_folder

__all__ = ["cached_array", "key_of"]


def key_of(**inputs: Any) -> str:
    """Digest of everything that an array depends on: 32 hexadecimal digits.

    >>> key_of(seed=0) == key_of(seed=0) != key_of(seed=1)
    True
    """
    text = json.dumps(inputs, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def cached_array(kind: str, key: str, build: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return the array memory-mapped and read-only from the cache folder; build and store it first if needed.

    The file is written beside its place and renamed, so two processes that build at once do no harm.
    """
    path = cache_folder() / kind / f"{key}.npy"
    stored = _mapped(path)
    if stored is None:
        _store(path, build())
        stored = _mapped(path)
    if stored is None:
        raise OSError(f"{path} was written and cannot be read back")
    return stored


def _mapped(path: Path) -> NDArray[np.uint8] | None:
    try:
        array: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return array


def _store(path: Path, array: NDArray[np.uint8]) -> None:
    # Not records.write_atomically: it takes bytes, and a second copy of 150 MB in memory is not needed.
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.save(file, array, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
