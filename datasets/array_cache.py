"""Arrays that are made again when their file in the cache is missing or broken."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.cache import cache_folder
from dabench.sealed import sealed_file

__all__ = ["cached_array", "key_of"]


def key_of(**inputs: Any) -> str:
    """Digest of everything that an array depends on: 32 hexadecimal digits.

    >>> key_of(seed=0) == key_of(seed=0) != key_of(seed=1)
    True
    """
    text = json.dumps(inputs, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def cached_array(
    kind: str, key: str, build: Callable[[], NDArray[np.uint8]], label: str = ""
) -> NDArray[np.uint8]:
    """Return the array memory-mapped and read-only from the cache folder; build and store it first if needed.

    The file is sealed: verified when opened, and safe with several processes (``dabench.sealed``). The label,
    "SUITE DOMAIN", says whose it is to ``dabench data``.
    """

    def store(path: Path) -> None:
        with path.open("wb") as file:  # np.save appends .npy to a path
            np.save(file, build(), allow_pickle=False)

    path, about = cache_folder() / kind / f"{key}.npy", {"kind": kind, "label": label}
    try:
        return _mapped(sealed_file(path, about, store))
    except FileNotFoundError:  # dropped between the two
        return _mapped(sealed_file(path, about, store))


def _mapped(path: Path) -> NDArray[np.uint8]:
    array: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array
