"""From a sweep's configuration to the list of its runs, each with its identity and what is done already."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch

from dabench.backbones import build_backbone, file_digest
from dabench.config import RunConfig
from dabench.discovery import discover_methods, discover_suites
from dabench.errors import MissingDataError, UserError, did_you_mean
from dabench.method import METHODS, MethodEntry
from dabench.openings import OpenDomains
from dabench.protocol import find_protocol, read_recipes
from dabench.recipe import TRIAL, RecipeBook, from_search
from dabench.records import Problem, Record, RecordStore, Stamp
from dabench.repeating import repeating_command
from dabench.resolve import Layer, Resolved, flatten, resolve
from dabench.settle import check_combination, settle_machine, settle_task
from dabench.suite import SUITES, Suite, Task, parse_task
from dabench.sweepfile import SweepConfig, find_suite

__all__ = ["OTHER_ORIGIN", "PlannedRun", "check_weights", "plan", "run_identity"]


OTHER_ORIGIN = (
    "a run that is done says otherwise than now whether a search tried or chose its values, and the "
    "leaderboard goes by what it says: --force makes it again"
)


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep. ``run_id`` and ``dataset`` are None where its images are missing.

    ``changed`` names the settings of its protocol that the user has set to other values. ``found`` is
    the stamp of the record that was there; another one since then is of another process. ``found_failed`` is
    that of an earlier failure of a run that is forced.
    """

    config: RunConfig
    provenance: Mapping[str, str]
    entry: MethodEntry
    suite: Suite
    task: Task
    weights: str | Path
    command: str
    run_id: str | None = None
    dataset: Mapping[str, Any] | None = None
    path: Path | None = None
    state: Literal["to do", "done", "failed", "blocked"] = "to do"
    note: str = ""
    missing: MissingDataError | None = None
    changed: tuple[str, ...] = ()
    found: Stamp | None = None
    found_failed: Stamp | None = None

    @property
    def protocol(self) -> str:
        """What records and pages call the protocol: it says so where the run departs from it."""
        name, given = self.config.protocol_name, self.config.protocol
        return f"{given}, changed{name.removeprefix(given)}" if self.changed else name

    @property
    def label(self) -> str:
        """What the progress display calls it."""
        return f"{self.config.method} {self.suite.name} {self.task.name} seed {self.config.seed}"


def run_identity(
    config: RunConfig, dataset: Mapping[str, Any], entry: MethodEntry, metric: str = "accuracy"
) -> str:
    """Hash of what determines a run's result: configuration, images, labels, class order, method's version.

    Not of where it ran: device index, folders and file names play no part.
    """
    content = {
        "config": config.model_dump(mode="json"),
        "dataset": {name: part["fingerprint"] for name, part in dataset.items()},
        # Label i means the i-th class: another order permutes the classifier's initial weights.
        "classes": {name: list(part["class_counts"]) for name, part in dataset.items()},
        "method_version": entry.cls.version,
        "metric": metric,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def plan(
    sweep: SweepConfig,
    sweep_file: Path | None,
    flags: Sequence[tuple[str, Any]],
    domains: OpenDomains,
    store: RecordStore,
    device: torch.device,
    force: bool = False,
) -> list[PlannedRun]:
    """List a sweep's runs, one seed of everything before the second.

    Args:
        sweep: what to run; flags for methods, suites and so on are merged into it already.
        sweep_file: where it came from, for provenance.
        flags: ``--set`` assignments in order.
        domains: to fingerprint the images.
        store: to see what is done.
        device: decides the precision where that is auto.
        force: plan runs that are done as "to do".

    Raises:
        UserError: anything wrong in the configuration, before any run.
    """
    discover_methods()
    discover_suites()
    suites = [find_suite(name) for name in sweep.suites]
    entries = [METHODS.get(name) for name in dict.fromkeys(sweep.methods)]
    if not suites or not entries:
        lacking = "--suite" if not suites else "--method"
        raise UserError(
            f"nothing to run: {lacking} is missing", "such as: dabench run --method dann --suite minidigits"
        )
    _check_scopes(sweep, suites, entries)
    if sweep.backbones and any(path.rpartition(".")[2] == "backbone" for path, _ in flags):
        raise UserError(
            "--set backbone does not go with a list of backbones", "use --backbone, which replaces the list"
        )
    scoped = _scoped(flags, suites, entries)
    weights, identity = _weights(sweep)
    books = _books(sweep, suites, entries)
    find = cache(find_protocol)  # a file is read once
    tasks = _tasks(sweep, suites)
    runs: list[PlannedRun] = []
    for seed in dict.fromkeys(sweep.seeds):
        for suite in suites:
            for backbone in dict.fromkeys(sweep.backbones) or (None,):
                for task in tasks[suite.name]:
                    for entry in entries:
                        layers = _layers(sweep, sweep_file, scoped, suite, entry, identity)
                        resolved = resolve(suite, task, entry, seed, layers, backbone, books, find)
                        resolved = settle_machine(resolved, device)
                        check_combination(resolved.config, suite, weights, entry.cls)
                        run = PlannedRun(
                            config=resolved.config,
                            provenance=resolved.provenance,
                            entry=entry,
                            suite=suite,
                            task=task,
                            weights=weights or resolved.config.weights,
                            command=repeating_command(resolved, suite, weights, device),
                            changed=resolved.changed,
                        )
                        runs.append(_with_state(run, domains, store, force))
    return runs


def _check_scopes(sweep: SweepConfig, suites: Sequence[Suite], entries: Sequence[MethodEntry]) -> None:
    for kind, given, names in (
        ("per_method", sweep.per_method, set(METHODS)),
        ("per_suite", sweep.per_suite, set(SUITES) | {suite.name for suite in suites}),
    ):
        for name in given:
            if name not in names:
                raise UserError(f"{kind}.{name}: no such name", did_you_mean(name, names))
    sections = {"config": sweep.config}
    sections |= {f"per_suite.{name}": values for name, values in sweep.per_suite.items()}
    sections |= {f"per_method.{name}": values for name, values in sweep.per_method.items()}
    for section, values in sections.items():
        if "weights" in flatten(values):
            raise UserError(
                f"{section}.weights is not set here", "use the sweep's key 'weights', or --weights"
            )
    if len({suite.name for suite in suites}) < len(suites):
        raise UserError("a suite is listed twice")


def _books(sweep: SweepConfig, suites: Sequence[Suite], entries: Sequence[MethodEntry]) -> list[RecipeBook]:
    """Read the recipe files; one that reaches no run would be lost without a word."""
    books = [read_recipes(Path(text)) for text in sweep.recipes]
    for text, book in zip(sweep.recipes, books, strict=True):
        if not any(book.layers(suite.name, entry.name) for suite in suites for entry in entries):
            raise UserError(
                f"{text}: recipe {book.name} says nothing of these methods on these suites",
                f"it has methods {', '.join(book.methods) or 'none'}; leave out --recipe",
            )
    return books


def _scope(path: str, names: Iterable[str]) -> tuple[str, str]:
    """Divide ``gsda.params.beta`` into name and path; a path without one of the names is for all."""
    found = max((name for name in names if path.startswith(f"{name}.")), key=len, default="")
    return found, path.removeprefix(f"{found}.") if found else path


def _scoped(
    flags: Sequence[tuple[str, Any]], suites: Sequence[Suite], entries: Sequence[MethodEntry]
) -> list[tuple[str, str, Any]]:
    """Assignments as (method, suite or "" for all; path; value).

    Raises:
        UserError: one for a method or suite that does not run: it would be lost without a word.
    """
    running = [*(entry.name for entry in entries), *(suite.name for suite in suites)]
    scoped = []
    for text, value in flags:
        scope, path = _scope(text, {*METHODS, *SUITES, *running})
        if scope and scope not in running:
            raise UserError(
                f"--set {text}: {scope} is not part of this sweep", f"it runs {', '.join(running)}"
            )
        if path == "weights":
            raise UserError(f"--set {text}: weights is not set here", "use --weights default, none or a file")
        scoped.append((scope, path, value))
    return scoped


def _tasks(sweep: SweepConfig, suites: Sequence[Suite]) -> dict[str, list[Task]]:
    """Tasks of each suite; a task given must be one of at least one of the suites."""
    if not sweep.tasks:
        return {suite.name: suite.tasks() for suite in suites}
    chosen: dict[str, list[Task]] = {suite.name: [] for suite in suites}
    for text in sweep.tasks:
        errors = []
        for suite in suites:
            try:
                task = parse_task(text, suite.manifest)
            except UserError as error:
                errors.append(error)
            else:
                if task not in chosen[suite.name]:
                    chosen[suite.name].append(task)
        if len(errors) == len(suites):
            raise errors[0]
    return chosen


def _weights(sweep: SweepConfig) -> tuple[str | Path | None, str | None]:
    """What to load, and what the identity says: a file counts by its content."""
    if sweep.weights in (None, "default", "none"):
        return sweep.weights, sweep.weights
    path = Path(str(sweep.weights))
    if not path.is_file():
        raise MissingDataError(
            f"weights file {path} does not exist", "expected --weights default, none or a file"
        )
    if len(sweep.backbones) > 1:
        raise UserError("one weights file cannot fit several backbones", "run one --backbone at a time")
    return path, f"sha256:{file_digest(path)}"


def _layers(
    sweep: SweepConfig,
    sweep_file: Path | None,
    flags: Sequence[tuple[str, str, Any]],
    suite: Suite,
    entry: MethodEntry,
    weights: str | None,
) -> list[Layer]:
    where = f"file {sweep_file.name}" if sweep_file else "sweep"
    named = {} if sweep.protocol is None else {"protocol": sweep.protocol}
    layers = [
        Layer.of_values(f"{where}, protocol", named),
        Layer.of_values(f"{where}, config", sweep.config),
        Layer.of_values(f"{where}, per_suite.{suite.name}", sweep.per_suite.get(suite.name, {})),
        Layer.of_values(f"{where}, per_method.{entry.name}", sweep.per_method.get(entry.name, {})),
    ]
    if weights is not None:
        layers.append(Layer.of_values("weights of the sweep", {"weights": weights}))
    values: dict[str, Any] = {}
    for scope, path, value in flags:
        if scope in ("", entry.name, suite.name):
            values |= flatten({path: value})
    layers.append(Layer.of_values("--set", values))
    return layers


def _with_state(run: PlannedRun, domains: OpenDomains, store: RecordStore, force: bool) -> PlannedRun:
    try:
        dataset = domains.describe(run.suite, run.task, run.config, run.entry.cls.uses_target_labels)
    except MissingDataError as error:
        return replace(run, state="blocked", note=str(error), missing=error)
    settled = settle_task(Resolved(run.config, dict(run.provenance)), run.entry, run.suite, dataset)
    run = replace(run, config=settled.config, provenance=settled.provenance)
    run_id = run_identity(run.config, dataset, run.entry, run.suite.manifest.metric)
    path = store.place(run.suite.name, run.task.name, run.config.method, run.config.seed, run_id)
    found, failed = store.stamp(path), store.stamp(store.failed_again(path))
    run = replace(run, run_id=run_id, dataset=dataset, path=path, found=found, found_failed=failed)
    if not os.path.lexists(path):
        return run
    record = store.read(path)
    if path.is_dir() or (isinstance(record, Problem) and record.unreadable):
        reason = record.reason if isinstance(record, Problem) else "a folder"
        raise UserError(
            f"{path} is where a record belongs, and cannot be read: {reason}",
            "it stays as it is: make it readable, or move it away, and run the same command again",
        )
    if force:
        return run
    if not isinstance(record, Record):
        return replace(run, note=f"{path} cannot be read and is made again: {record.reason}")
    if record.run_id != run_id:
        return replace(run, note=f"{path} is the record of another run ({record.run_id}) and is made again")
    if record.status == "failed":
        reason = record.failure.message if record.failure else ""
        return replace(run, state="failed", note=reason)
    note = ""
    if record.method_info.get("source_sha256") != run.entry.source_sha256:
        note = (
            f"the file of method {run.entry.name} has changed since this run but its version is still "
            f"{run.entry.cls.version}: raise the version if results change, or use --force"
        )
    elif _searched(record.provenance) != _searched(run.provenance):
        note = OTHER_ORIGIN
    return replace(run, state="done", note=note)


def _searched(provenance: Mapping[str, str]) -> dict[str, bool]:
    """The values that a search tried or chose, and whether it only tried them."""
    return {path: source == TRIAL for path, source in provenance.items() if from_search(source)}


def check_weights(runs: Sequence[PlannedRun]) -> None:
    """Build every backbone of the runs once, so that missing weights stop a sweep before it starts."""
    seen: set[tuple[Any, ...]] = set()
    for run in runs:
        config = run.config
        key = (
            config.backbone,
            json.dumps(config.backbone_args, sort_keys=True),
            str(run.weights),
            config.image.size,
        )
        if key not in seen:
            seen.add(key)
            build_backbone(config.backbone, config.backbone_args, run.weights, config.image.size)
