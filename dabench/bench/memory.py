"""How much memory a contender adds, as well as that can be told within one process."""

import ctypes
import gc
from collections.abc import Callable
from typing import TypeVar

import torch

from dabench.hardware import peak_memory_bytes, reset_peak_memory

__all__ = ["added_memory", "how_memory_is_taken"]

T = TypeVar("T")


def how_memory_is_taken(device: torch.device) -> str:
    """Say what the figure means, in a sentence."""
    what = (
        "memory that torch allocated on the GPU"
        if device.type == "cuda"
        else "resident memory of the process (mapped image files count; so do pages that the allocator kept)"
    )
    return f"{what}: its peak while a contender was built and warmed up, above what was held before"


def added_memory(build: Callable[[], T], device: torch.device) -> tuple[T, int]:
    """Call ``build``; return its result, and by how many bytes memory peaked above what was held before."""
    gc.collect()
    _return_free_pages()
    reset_peak_memory(device)
    before = peak_memory_bytes(device)
    result = build()
    return result, peak_memory_bytes(device) - before


def _return_free_pages() -> None:
    """Ask the C library to give back what was freed, lest the next contender live in it unseen."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc only
    if trim is not None:
        trim(0)
