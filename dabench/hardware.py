"""What the machine decides before a run's identity is hashed: device, precision, threads. Never by timing."""

import os
import re
import resource
import sys
from functools import cache
from pathlib import Path

import torch

from dabench.errors import UserError

__all__ = [
    "peak_memory_bytes",
    "processors",
    "reset_peak_memory",
    "resolve_device",
    "resolve_precision",
]

DEPTHWISE = re.compile(r"mobilenet|efficientnet|mnasnet|fbnet|lcnet|ghostnet|dann_mnist", re.IGNORECASE)


def resolve_device(text: str) -> torch.device:
    """Read auto, cpu, cuda or cuda:N.

    Raises:
        UserError: no such device on this machine.
    """
    if text == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", text):
        raise UserError(f"unknown device '{text}'", "expected auto, cpu, cuda or cuda:N")
    device = torch.device(text)
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if (device.index or 0) >= count:
            raise UserError(
                f"device {text} is not on this machine ({count} CUDA devices)", "use --device cpu"
            )
    return device


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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

    CUDA devices that have bfloat16 use it. On a processor it pays only with AMX, and not for families of
    depthwise convolutions. Small networks for digits stay in float32.
    """
    if text != "auto":
        return text
    if DEPTHWISE.search(backbone):
        return "float32"
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bfloat16" if "amx_bf16" in _processor_flags() else "float32"


def reset_peak_memory(device: torch.device) -> None:
    """Start counting the peak anew: on the GPU, or of this process where Linux allows it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
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
