"""The file of a measurement: where it may be written, and what it says, without the machine's folders."""

import json
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dabench.bench.contenders import Field
from dabench.bench.memory import how_memory_is_taken
from dabench.bench.planning import BenchPlan
from dabench.bench.report import SCHEMA_VERSION, Figures, as_json
from dabench.environment import code_version, environment
from dabench.errors import UserError
from dabench.records import write_atomically

__all__ = ["BenchRequest", "check_out", "content", "labels_note", "write"]


@dataclass(frozen=True)
class BenchRequest:
    """The flags of ``dabench bench``."""

    plan: BenchPlan
    device: str = "auto"
    rounds: int = 10
    steps_per_round: int | None = None
    profile: str | None = None
    out: Path = Path("bench.json")


def check_out(out: Path) -> None:
    """Raise a UserError where the file cannot be written, before minutes of measuring."""
    hint = "give a file in a folder that there is, such as --out bench.json"
    if out.is_dir():
        raise UserError(f"--out {out} is a folder", hint)
    if not out.parent.is_dir():
        raise UserError(f"--out {out}: no such folder {out.parent}", hint)
    try:
        with tempfile.TemporaryFile(dir=out.parent) as file:
            file.write(b"x")
    except OSError as error:
        raise UserError(f"--out {out}: cannot write into {out.parent}: {error.strerror}", hint) from error


def write(out: Path, stored: Mapping[str, Any]) -> None:
    """Write the file."""
    write_atomically(out, (json.dumps(stored, indent=1) + "\n").encode())


def labels_note(plan: BenchPlan) -> str:
    """What is said of the labels where they are drawn, else an empty string."""
    return (
        ""
        if plan.classes is None
        else f"labels drawn at random among {plan.classes} classes: only times are measured"
    )


def content(
    field: Field, request: BenchRequest, rows: Sequence[Figures], first_step: Mapping[str, float], peak: int
) -> dict[str, Any]:
    """Everything that is stored of a measurement.

    Args:
        field: what was timed.
        request: how.
        rows: figures of all contenders.
        first_step: seconds of the stages of a run's start.
        peak: bytes of the process or device at the highest.
    """
    run = field.runs[0]
    return {
        "schema_version": SCHEMA_VERSION,
        "command": _command(request),
        "environment": environment(field.device),
        "code": code_version(),
        "suite": run.suite.name,
        "task": run.task.name,
        "dataset": _dataset(run.dataset or {}, request.plan),
        "classes": len(field.images.classes),
        "labels": labels_note(request.plan) or "the suite's",
        "configurations": {
            one.entry.name: {"config": one.config.model_dump(mode="json"), "provenance": dict(one.provenance)}
            for one in field.runs
        },
        "rounds": request.rounds,
        "contenders": as_json(rows),
        "memory": how_memory_is_taken(field.device),
        "peak_memory_bytes": peak,
        "first_step": {"method": field.runs[-1].entry.name, "seconds": dict(first_step)},
    }


def _dataset(dataset: Mapping[str, Any], plan: BenchPlan) -> dict[str, Any]:
    """Fingerprints and counts; those of the classes mean nothing where labels are drawn."""
    left_out = () if plan.classes is None else ("class_counts",)
    return {
        name: {key: value for key, value in part.items() if key not in left_out}
        for name, part in dataset.items()
    }


def _command(request: BenchRequest) -> str:
    """The command line without the folders of this machine, as in records."""
    plan = request.plan
    words = ["dabench", "bench", "--suite", _without_folders(plan.suite)]
    given = (
        ("--task", plan.task), ("--backbone", plan.backbone),
        ("--weights", None if plan.weights is None else _without_folders(plan.weights)),
        ("--classes", plan.classes), ("--steps-per-round", request.steps_per_round),
    )  # fmt: skip
    for name in plan.methods:
        words += ["--method", name]
    for flag, value in given:
        words += [] if value is None else [flag, str(value)]
    for text in plan.assignments:
        words += ["--set", text]
    words += ["--device", request.device, "--rounds", str(request.rounds)]
    return shlex.join(words)


def _without_folders(path: str) -> str:
    """A path as it was typed, or the file's name where it begins at the machine's root."""
    return Path(path).name if Path(path).is_absolute() else path
