"""How much memory contenders take, as well as that can be told within one process."""

import gc
import os
from collections.abc import Callable
from typing import TypeVar

import torch

from dabench.hardware import peak_memory_bytes, reset_peak_memory

__all__ = ["MemoryWatch", "how_memory_is_taken"]

T = TypeVar("T")
RESET = "/proc/self/clear_refs"


def how_memory_is_taken(device: torch.device) -> str:
    """Say what the figure means, in a sentence."""
    what = (
        "memory that torch allocated on the GPU"
        if device.type == "cuda"
        else "resident memory of the process (mapped image files count; so do pages that the allocator kept)"
    )
    return f"{what}: its peak while a contender was built and warmed up, above what was held before"


class MemoryWatch:
    """Peaks of the process, or on a GPU of the device: what each contender adds, and the highest of all.

    Args:
        device: to watch.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        # Without a peak that can be counted anew, what a contender adds below the last one is not seen.
        self._by_contender = device.type == "cuda" or os.access(RESET, os.W_OK)
        self._highest = 0

    def added(self, build: Callable[[], T]) -> tuple[T, int | None]:
        """Call ``build``; return its result and by how many bytes memory peaked above what was held before.

        None where the system does not tell.
        """
        gc.collect()
        self._peak()  # the reset forgets it
        reset_peak_memory(self._device)
        before = peak_memory_bytes(self._device)
        result = build()
        return result, self._peak() - before if self._by_contender else None

    def highest(self) -> int:
        """Bytes at the highest peak up to now."""
        self._peak()
        return self._highest

    def _peak(self) -> int:
        peak = peak_memory_bytes(self._device)
        self._highest = max(self._highest, peak)
        return peak
