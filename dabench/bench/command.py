"""What ``dabench bench`` does: plan, build the contenders one by one, let them alternate, store, print."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from dabench.bench.contenders import EVALUATION, FORWARD, LOADER, Field
from dabench.bench.display import BenchDisplay
from dabench.bench.memory import MemoryWatch, how_memory_is_taken
from dabench.bench.planning import SEED, open_domains, plan_runs
from dabench.bench.profile import profiled
from dabench.bench.report import Figures, figures, multiples, table
from dabench.bench.startup import seconds_to_first_step
from dabench.bench.stored import BenchRequest, check_out, content, labels_note, write
from dabench.bench.timing import Contender, alternate, calls_within
from dabench.environment import environment
from dabench.errors import UserError
from dabench.hardware import resolve_device
from dabench.plan import check_weights
from dabench.streams import Streams
from dabench.terminal import standard_console

__all__ = ["BenchRequest", "execute"]

BLOCK_SECONDS = 1.0  # where the number of steps is not given: long against the ends of a block


@dataclass(frozen=True)
class Measured:
    """Everything that was timed: contenders in the order they were built, and of each what its name keys."""

    contenders: list[Contender]
    calls: Mapping[str, int]
    memory: Mapping[str, int | None]
    peak: int
    seconds: Mapping[str, NDArray[np.float64]]


def execute(request: BenchRequest) -> None:
    """Time everything, write the file, print the tables.

    Raises:
        UserError: anything wrong in flags or configuration, before anything is timed; no memory.
    """
    check_out(request.out)
    console, device = standard_console(), resolve_device(request.device)
    display, watch = BenchDisplay(console), MemoryWatch(device)
    try:
        with display:
            field, first_step = _prepared(request, device, display)
            measured = _measure(field, request, display, watch)
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise UserError(
            f"no memory for all contenders: {error}", "name fewer methods with -m, or set smaller batches"
        ) from error
    methods = [run.entry.name for run in field.runs]
    rows = figures(measured.contenders, measured.calls, measured.seconds, measured.memory, methods)
    stored = content(field, request, rows, first_step, measured.peak)
    write(request.out, stored)
    _print(console, field, request, rows, stored)
    say = partial(console.print, soft_wrap=True, markup=False, highlight=False)
    if request.profile is not None:
        chosen = next(one for one in measured.contenders if one.name == request.profile)
        text = profiled(chosen, device, partial(_synchronise, device))
        write(request.out, {**stored, "profile": {"method": request.profile, "table": text}})
        say(text)
    say(f"written: {request.out}")


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
    first = runs[0]
    images = domains.images(first.suite, first.task, first.config, False, first.weights, device)
    field = Field(runs, images, device)
    field.prepare()
    display.expect(len(list(field.builders())), request.rounds)
    return field, seconds_to_first_step(request.plan, device)


def _measure(field: Field, request: BenchRequest, display: BenchDisplay, watch: MemoryWatch) -> Measured:
    synchronise = partial(_synchronise, field.device)
    contenders: list[Contender] = []
    calls: dict[str, int] = {}
    memory: dict[str, int | None] = {}
    for name, build in field.builders():

        def warm(build: Any = build) -> tuple[Contender, int]:
            contender = build()
            return contender, calls_within(contender, BLOCK_SECONDS, synchronise)

        (contender, calls[name]), memory[name] = watch.added(warm)
        if request.steps_per_round is not None:
            whole = name in (EVALUATION, FORWARD) or contender.part_of is not None
            calls[name] = 1 if whole else request.steps_per_round
        contenders.append(contender)
        display.built(name, calls[name])
    order = np.random.default_rng(Streams(SEED).number("bench", "order"))
    seconds = alternate(contenders, calls, request.rounds, order, synchronise, display.block_done)
    return Measured(contenders, calls, memory, watch.highest(), seconds)


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _print(
    console: Console,
    field: Field,
    request: BenchRequest,
    rows: Sequence[Figures],
    stored: Mapping[str, Any],
) -> None:
    say = partial(console.print, soft_wrap=True, markup=False, highlight=False)
    run, config, place = field.runs[0], field.runs[0].config, environment(field.device)
    sizes = f"{config.batch.source} + {config.batch.target} images at {config.image.size}"
    note = labels_note(request.plan)
    say(
        f"{config.backbone}, {sizes}, precision {config.precision}, {run.suite.name} {run.task.name}, "
        f"{len(field.images.classes)} classes{note and f' ({note})'}"
    )
    say(f"{place['device_name']}, {config.threads} threads, torch {place['packages']['torch']}")
    console.print(table(rows, f"{request.rounds} rounds: medians"))
    base = next(row.base for row in rows if row.name == LOADER)
    say(f"of bare: speed as a part of '{base}', its faster precision, round by round; * of '{FORWARD}'")
    say("ms: of a step, a batch or an evaluation; '-': what a step takes beyond another's")
    if any(row.includes for row in rows):
        say("between epochs: ms of the whole; each step's share of it is in the row of its method")
    console.print(multiples(rows))
    peak = f"{stored['peak_memory_bytes'] / 1e6:.0f} MB at the highest"
    say(f"memory: {how_memory_is_taken(field.device)}; {peak}")
    seconds = stored["first_step"]["seconds"]
    stages = ", ".join(f"{name} {value:.2f}" for name, value in seconds.items())
    say(f"a run's start to its first batch, imports apart: {sum(seconds.values()):.2f} s ({stages})")
