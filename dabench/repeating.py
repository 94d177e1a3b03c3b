"""The command line that a record keeps: it repeats its run."""

import json
import shlex
from pathlib import Path

import torch

from dabench.hardware import resolve_device
from dabench.resolve import Resolved, flatten
from dabench.settle import AUTO, PROCESSORS
from dabench.suite import Suite

__all__ = ["repeating_command"]

OF_THIS_MACHINE = (PROCESSORS, AUTO)  # how what the machine has decided ends


def repeating_command(
    resolved: Resolved, suite: Suite, weights: str | Path | None, device: torch.device
) -> str:
    """Return the command line that repeats one run, with the identity it has on this machine.

    What recipe files and sweep files say stands in it as values, so that it needs none of them.

    Args:
        resolved: configuration and provenance of the run.
        suite: named by the file it came from where it is the user's own.
        weights: as the user gave them; None where the configuration's are meant.
        device: of the run.
    """
    config = resolved.config
    words = [
        "dabench",
        "run",
        "--method",
        config.method,
        "--suite",
        suite.file if suite.base else suite.name,
    ]
    words += ["--task", config.task, "--seed", str(config.seed)]
    if weights is not None:
        words += ["--weights", str(weights)]
    if device.type != resolve_device("auto").type:
        words += ["--device", device.type]
    values = flatten(config.model_dump(mode="json"))
    for path, origin in resolved.provenance.items():
        ours = origin.startswith(("file ", "sweep", "--set", "recipe "))
        if ours and path == "protocol":
            words += ["--protocol", resolved.protocol]
        elif ours and path == "weights":
            words += ["--weights", config.weights]
        elif ours and path in values:
            words += ["--set", f"{path}={json.dumps(values[path], ensure_ascii=False)}"]
        elif origin.startswith("backbone of the sweep"):
            words += ["--backbone", config.backbone]
        elif origin.endswith(OF_THIS_MACHINE) and path in values:
            # Another machine, or this one with fewer processors for the asking, would decide otherwise.
            words += ["--set", f"{path}={values[path]}"]
    return shlex.join(words)
