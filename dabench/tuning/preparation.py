"""Check everything of a search that can be checked before its first run."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from dabench.config import RunConfig
from dabench.discovery import discover_rules
from dabench.errors import UserError
from dabench.openings import OpenDomains
from dabench.plan import OTHER_ORIGIN, PlannedRun, plan
from dabench.recipe import TRIAL
from dabench.records import RecordStore
from dabench.selection import RULES, RuleEntry
from dabench.sweepfile import SweepConfig, flag_values
from dabench.tuning.request import TuneRequest
from dabench.tuning.samplers import find_sampler
from dabench.tuning.setting import Budget, MethodSearch, Setting, Values
from dabench.tuning.space import fixed_paths, ranges_of, recipe_values

__all__ = ["prepare"]


def prepare(request: TuneRequest, domains: OpenDomains, store: RecordStore, device: torch.device) -> Setting:
    """Check everything that can be checked before a run.

    Raises:
        UserError: a rule that cannot compare runs or lacks what it reads, a method that cannot be searched,
            anything wrong in flags or configuration.
    """
    discover_rules()
    rule = RULES.get(request.rule)
    _check_rule(rule)
    sampler = find_sampler(request.sampler, request.search_seed, rule.cls.higher_is_better)
    flags = flag_values(request.assignments, request.protocol, request.frozen_backbone)
    planner = partial(_planned, _sweep(request), flags, domains, store, device)
    searches = [_search(runs, rule) for runs in planner({}).values()]
    runs = searches[0].runs
    tasks = list(dict.fromkeys(run.task.name for run in runs))
    seeds = list(dict.fromkeys(run.config.seed for run in runs))
    return Setting(
        suite=runs[0].suite,
        tasks=tasks,
        seeds=seeds,
        rule=rule,
        sampler=sampler,
        seed=request.search_seed,
        budget=Budget(request.trials, len(tasks), len(seeds)),
        searches=searches,
        plan=planner,
        command=request.command(),
    )


def _check_rule(rule: RuleEntry) -> None:
    if rule.cls.compares_runs:
        return
    able = sorted(name for name in RULES if RULES.get(name).cls.compares_runs)
    raise UserError(
        f"rule {rule.name} chooses a step within a run, but its scores do not compare two runs: "
        "it cannot choose between configurations",
        f"rules that can: {', '.join(able)}",
    )


def _sweep(request: TuneRequest) -> SweepConfig:
    return SweepConfig(
        suites=(request.suite,),
        methods=tuple(dict.fromkeys(request.methods)),
        tasks=tuple(dict.fromkeys(request.tasks or ())),
        seeds=tuple(dict.fromkeys(request.seeds)),
        backbones=(request.backbone,) if request.backbone else (),
        weights=request.weights,
    )


def _planned(
    sweep: SweepConfig,
    flags: Sequence[tuple[str, Any]],
    domains: OpenDomains,
    store: RecordStore,
    device: torch.device,
    values: Values,
) -> dict[str, list[PlannedRun]]:
    """The runs of a trial of all methods: ordinary runs, the tried values as flags of one method each."""
    tried = [(f"{method}.{path}", value) for method, its in values.items() for path, value in its.items()]
    runs: dict[str, list[PlannedRun]] = {}
    for run in plan(sweep, None, [*flags, *tried], domains, store, device):
        own = dict.fromkeys(values.get(run.config.method, {}), TRIAL)
        note = "" if run.note == OTHER_ORIGIN else run.note  # its own trials of an earlier day
        run = replace(run, provenance={**run.provenance, **own}, note=note)
        runs.setdefault(run.config.method, []).append(run)
    return runs


def _search(runs: Sequence[PlannedRun], rule: RuleEntry) -> MethodSearch:
    first = runs[0]
    entry = first.entry
    if entry.cls.uses_target_labels:
        raise UserError(
            f"{entry.name} trains on the target's labels: an upper bound is not searched by a rule",
            "leave it out",
        )
    for run in runs:
        _check_stored(run.config, rule)
    declared = ranges_of(entry)
    fixed = fixed_paths(first, declared)
    ranges = {path: one for path, one in declared.items() if path not in fixed}
    if not ranges:
        why = f"--set gives {', '.join(fixed)}" if fixed else "the method declares no range"
        raise UserError(f"nothing to search for {entry.name}: {why}", "ranges stand in the method's 'search'")
    return MethodSearch(entry, ranges, fixed, recipe_values(first, ranges), runs)


def _check_stored(config: RunConfig, rule: RuleEntry) -> None:
    """Refuse a rule that would find nothing to read after the first hours of training."""
    if "source_val" in rule.cls.needs and not config.source_holdout:
        raise UserError(
            f"rule {rule.name} reads source images that training does not see, and no run would keep any",
            "hold a part out with --set source_holdout=0.2",
        )
    if rule.cls.reads_outputs and not config.stored_images:
        raise UserError(
            f"rule {rule.name} reads what runs store, and stored_images=0 stores nothing",
            "leave --set stored_images=0 out",
        )
