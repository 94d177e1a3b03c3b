"""What a record says of the machine and of the code that made it."""

import importlib.metadata
import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import torch

import dabench
from dabench.hardware import processors

__all__ = ["code_version", "environment"]

PACKAGES = ("torch", "torchvision", "timm", "numpy", "pillow")


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, platform and device; no host name, no user, no path."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor_name()
    return {
        "python": platform.python_version(),
        "packages": {package: importlib.metadata.version(package) for package in PACKAGES},
        "platform": f"{platform.system()} {platform.machine()}",
        "device": device.type,
        "device_name": name,
        "processors": processors(),
    }


@cache
def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


@cache
def code_version() -> dict[str, Any]:
    """Version of dabench; in a git checkout the commit and whether there were changes, else None."""
    root = Path(dabench.__file__).resolve().parent.parent
    commit = dirty = None
    if (root / ".git").exists():
        commit = _git(root, "rev-parse", "HEAD")
        status = _git(root, "status", "--porcelain")
        dirty = None if status is None else bool(status)
    return {"version": dabench.__version__, "commit": commit, "dirty": dirty}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
