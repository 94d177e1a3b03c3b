"""What ``dabench bench`` does: plan, build the contenders one by one, let them alternate, print, store."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from dabench.bench.contenders import EVALUATION, FORWARD, LOADER, Field
from dabench.bench.display import BenchDisplay
from dabench.bench.memory import added_memory, how_memory_is_taken
from dabench.bench.planning import SEED, BenchPlan, open_domains, plan_runs
from dabench.bench.profile import profiled
from dabench.bench.report import SCHEMA_VERSION, Figures, as_json, figures, table
from dabench.bench.startup import seconds_to_first_step
from dabench.bench.timing import Contender, alternate, calls_within
from dabench.environment import code_version, environment
from dabench.errors import UserError
from dabench.hardware import resolve_device
from dabench.plan import check_weights
from dabench.records import write_atomically
from dabench.streams import Streams
from dabench.terminal import standard_console

__all__ = ["BenchRequest", "execute"]

BLOCK_SECONDS = 1.0  # where the number of steps is not given: long against the ends of a block


@dataclass(frozen=True)
class BenchRequest:
    """The flags of ``dabench bench``."""

    plan: BenchPlan
    device: str = "auto"
    rounds: int = 10
    steps_per_round: int | None = None
    profile: str | None = None
    out: Path = Path("bench.json")


@dataclass(frozen=True)
class Measured:
    """Everything that was timed: contenders in the order they were built, and of each what its name keys."""

    contenders: list[Contender]
    calls: Mapping[str, int]
    memory: Mapping[str, int]
    seconds: Mapping[str, NDArray[np.float64]]


def execute(request: BenchRequest) -> None:
    """Time everything, print the table, write the file.

    Raises:
        UserError: anything wrong in flags or configuration, before anything is timed; no memory.
    """
    console, device = standard_console(), resolve_device(request.device)
    display = BenchDisplay(console)
    try:
        with display:
            field, first_step = _prepared(request, device, display)
            measured = _measure(field, request, display)
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise UserError(
            f"no memory for all contenders: {error}", "name fewer methods with -m, or set smaller batches"
        ) from error
    steps = [name for name in measured.seconds if name not in (LOADER, FORWARD, EVALUATION)]
    rows = figures(measured.contenders, measured.calls, measured.seconds, measured.memory, steps)
    _print(console, field, request, rows, first_step)
    write_atomically(
        request.out, (json.dumps(_content(field, request, rows, first_step), indent=1) + "\n").encode()
    )
    console.print(f"written: {request.out}", soft_wrap=True, markup=False, highlight=False)
    if request.profile is not None:
        chosen = next(one for one in measured.contenders if one.name == request.profile)
        console.print(
            profiled(chosen, device, partial(_synchronise, device)),
            soft_wrap=True,
            markup=False,
            highlight=False,
        )


def _prepared(
    request: BenchRequest, device: torch.device, display: BenchDisplay
) -> tuple[Field, dict[str, float]]:
    """Plan and open everything once, which warms all caches; then time how a second run starts."""
    domains = open_domains(request.plan, display.preparing)
    runs = plan_runs(request.plan, domains, device)
    names = [run.entry.name for run in runs]
    if request.profile is not None and request.profile not in names:
        raise UserError(f"--profile {request.profile}: not among the methods timed", ", ".join(names))
    check_weights(runs)
    display.expect(len(names) + 5, request.rounds)
    first = runs[0]
    images = domains.images(first.suite, first.task, first.config, False, first.weights, device)
    field = Field(runs, images, device)
    field.prepare()
    return field, seconds_to_first_step(request.plan, device)


def _measure(field: Field, request: BenchRequest, display: BenchDisplay) -> Measured:
    synchronise = partial(_synchronise, field.device)
    contenders: list[Contender] = []
    calls: dict[str, int] = {}
    memory: dict[str, int] = {}
    for name, build in field.builders():

        def warm(build: Any = build) -> tuple[Contender, int]:
            contender = build()
            return contender, calls_within(contender, BLOCK_SECONDS, synchronise)

        (contender, calls[name]), memory[name] = added_memory(warm, field.device)
        if request.steps_per_round is not None:
            calls[name] = 1 if name in (EVALUATION, FORWARD) else request.steps_per_round
        contenders.append(contender)
        display.built(name, calls[name])
    order = np.random.default_rng(Streams(SEED).number("bench", "order"))
    seconds = alternate(contenders, calls, request.rounds, order, synchronise, display.block_done)
    return Measured(contenders, calls, memory, seconds)


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _print(
    console: Console, field: Field, request: BenchRequest, rows: Sequence[Figures], first: Mapping[str, float]
) -> None:
    say = partial(console.print, soft_wrap=True, markup=False, highlight=False)
    run, config, place = field.runs[0], field.runs[0].config, environment(field.device)
    sizes = f"{config.batch.source} + {config.batch.target} images at {config.image.size}"
    say(
        f"{config.backbone}, {sizes}, precision {config.precision}, {run.suite.name} {run.task.name}, "
        f"{len(field.images.classes)} classes{_labels(request)}"
    )
    say(f"{place['device_name']}, {config.threads} threads, torch {place['packages']['torch']}")
    console.print(table(rows, f"{request.rounds} rounds: medians"))
    base = next(row.base for row in rows if row.name == LOADER)
    say(f"of bare: speed as a part of '{base}', its faster precision, round by round; * of '{FORWARD}'")
    say("ms: of a step, a batch or an evaluation; '-': what a step takes beyond another's")
    say(f"memory: {how_memory_is_taken(field.device)}")
    stages = ", ".join(f"{name} {seconds:.2f}" for name, seconds in first.items())
    say(f"a run's start to its first batch, imports apart: {sum(first.values()):.2f} s ({stages})")


def _labels(request: BenchRequest) -> str:
    drawn = f" (labels drawn at random among {request.plan.classes} classes: only times are measured)"
    return "" if request.plan.classes is None else drawn


def _content(
    field: Field, request: BenchRequest, rows: Sequence[Figures], first: Mapping[str, float]
) -> dict[str, Any]:
    run = field.runs[0]
    return {
        "schema_version": SCHEMA_VERSION,
        "command": _command(request),
        "environment": environment(field.device),
        "code": code_version(),
        "suite": run.suite.name,
        "task": run.task.name,
        "dataset": dict(run.dataset or {}),
        "classes": len(field.images.classes),
        "labels": _labels(request).strip(" ()") or "the suite's",
        "configurations": {
            one.entry.name: {"config": one.config.model_dump(mode="json"), "provenance": dict(one.provenance)}
            for one in field.runs
        },
        "rounds": request.rounds,
        "contenders": as_json(rows),
        "memory": how_memory_is_taken(field.device),
        "first_step": {"method": field.runs[-1].entry.name, "seconds": dict(first)},
    }


def _command(request: BenchRequest) -> str:
    """The command line without the folders of this machine, as in records."""
    plan = request.plan
    words = ["dabench", "bench", "--suite", plan.suite]
    given = (
        ("--task", plan.task), ("--backbone", plan.backbone), ("--weights", plan.weights),
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
