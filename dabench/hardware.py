"""What the machine decides before a run's identity is hashed: device, precision, threads. Never by timing."""

import contextlib
import ctypes
import importlib.metadata
import os
import re
import resource
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dabench.errors import UserError

__all__ = [
    "arithmetic",
    "keep_freed_memory",
    "peak_memory_bytes",
    "processors",
    "reset_peak_memory",
    "resolve_device",
    "resolve_precision",
    "set_matrix_products",
    "to_device",
]

SMALL = re.compile(r"dann_mnist", re.IGNORECASE)
DEPTHWISE = re.compile(r"mobilenet|efficientnet|mnasnet|fbnet|lcnet|ghostnet", re.IGNORECASE)


def resolve_device(text: str, elsewhere: bool = False) -> torch.device:
    """Read auto, cpu, cuda or cuda:N.

    Args:
        text: as a user writes it.
        elsewhere: runs take place on other machines: ``cuda`` need not be on this one.

    Raises:
        UserError: no such device on this machine.
    """
    if text == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", text):
        raise UserError(f"unknown device '{text}'", "expected auto, cpu, cuda or cuda:N")
    device = torch.device(text)
    if device.type == "cuda" and not (elsewhere and device.index is None):
        count = torch.cuda.device_count()
        if (device.index or 0) >= count:
            raise UserError(
                f"device {text} is not on this machine ({count} CUDA devices)", "use --device cpu"
            )
    return device


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def to_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """Send an array to a device; to a GPU from pinned memory, so that the host does not wait."""
    tensor = torch.from_numpy(np.array(array))  # a copy: nobody who writes into it changes the array
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


@cache
def _processor_flags() -> frozenset[str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return frozenset(found.group(1).split()) if found else frozenset()


def resolve_precision(text: str, device: torch.device, backbone: str) -> str:
    """Turn auto into float32 or bfloat16, from device type, processor flags and backbone family.

    CUDA devices that have bfloat16 use it. On a processor it pays with AMX or AVX-512 BF16, and not for
    families that consist of depthwise convolutions (docs/log.md has the figures). Small networks for digits
    stay in float32.

    Raises:
        UserError: auto for a GPU that is on other machines only.
    """
    if text != "auto":
        return text
    if SMALL.search(backbone):
        return "float32"
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise UserError(
                "precision=auto asks the GPU, and this machine has none",
                "--set precision=bfloat16 or precision=float32, as the machines that work would have it",
            )
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    fast = {"amx_bf16", "avx512_bf16"} & _processor_flags()
    return "bfloat16" if fast and not DEPTHWISE.search(backbone) else "float32"


def set_matrix_products(device: torch.device, tf32: bool) -> None:
    """Let float32 matrix products on a GPU use TF32, or not; holds for the whole process."""
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high" if tf32 else "highest")


def keep_freed_memory() -> None:
    """Let the C library keep memory that is freed, where it is glibc; elsewhere do nothing.

    A step frees and takes the same large blocks as the one before. By default glibc gives them back to the
    system, which then has to clear each page anew: a tenth of MobileNetV2's step on one processor.
    """
    trim_threshold, mmap_threshold = -1, -3  # malloc.h
    try:
        library = ctypes.CDLL(None)
        # Older ones refuse more than 32 MiB. Setting the other one alone would fix the threshold at 128 KiB.
        if library.mallopt(mmap_threshold, 2**30) or library.mallopt(mmap_threshold, 2**25):
            library.mallopt(trim_threshold, 2**31 - 1)
    except (OSError, AttributeError):
        return


@cache
def arithmetic() -> tuple[str, ...]:
    """What decides the last bits of a network's output besides configuration: versions, vector extensions."""
    vectors = sorted(flag for flag in _processor_flags() if re.match(r"avx|amx|fma|asimd|sve|bf16", flag))
    return (f"torch {torch.__version__}", f"timm {importlib.metadata.version('timm')}", *vectors)


def reset_peak_memory(device: torch.device) -> None:
    """Start counting the peak anew: on the GPU, or of this process where Linux allows it."""
    if device.type == "cuda":
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.reset_peak_memory_stats(device)
    else:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)  # what earlier runs left behind is not this one's
        try:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        except OSError:
            return


def peak_memory_bytes(device: torch.device) -> int:
    """Peak memory since the reset: allocated on the GPU, or resident of this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        found = re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE)
        if found:
            return int(found.group(1)) * 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
