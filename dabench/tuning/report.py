"""What a search says: ranges and budget before it, trials and winner after it. No accuracy on the target."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dabench.plan import PlannedRun
from dabench.recipe import ON_TARGET_LABELS
from dabench.tuning.setting import MethodSearch, Setting, looked_note
from dabench.tuning.trials import Trial, ranked, winner

__all__ = [
    "announce",
    "print_ranges",
    "print_trials",
    "print_winner",
    "sayer",
    "summary",
    "trial_line",
]

BASELINE = "source_only"
SHOWN = 10


def sayer(console: Console) -> Callable[[str], None]:
    """Return a function that prints a line as it is: commands and paths can be copied."""
    return lambda text: console.print(text, soft_wrap=True, markup=False, highlight=False)


def announce(console: Console, setting: Setting) -> None:
    """Say by what is chosen, with what budget, and what to keep in mind."""
    say = sayer(console)
    rule = setting.rule
    marked = f", {ON_TARGET_LABELS}" if rule.cls.uses_target_labels else ""
    for line in dict.fromkeys(f"{run.config.backbone}, {run.protocol}" for run in _firsts(setting)):
        say(f"{setting.suite.name}: {line}")
    say(f"by rule {rule.name} ({setting.direction}){marked}; sampler {setting.sampler.about}")
    methods = ", ".join(search.entry.name for search in setting.searches)
    say(f"budget of each method: {setting.budget} = {setting.budget.runs} runs; trial 0 is the recipe")
    say(f"methods: {methods}; {setting.budget.runs * len(setting.searches)} runs in all")
    for note in _notes(setting):
        console.print("note:", style="yellow", end=" ")
        say(note)


def _firsts(setting: Setting) -> list[PlannedRun]:
    """One run of trial 0 of each method."""
    return [search.runs[0] for search in setting.searches]


def _notes(setting: Setting) -> list[str]:
    notes = []
    if setting.rule.cls.uses_target_labels:
        notes.append(
            f"rule {setting.rule.name} reads target labels: what it finds is an upper bound for other rules, "
            "no result of domain adaptation"
        )
    if BASELINE not in [search.entry.name for search in setting.searches]:
        notes.append(
            f"{BASELINE} is not among the methods: a published comparison needs it with the same budget, "
            f"--method {BASELINE}"
        )
    notes += [looked_note(search) for search in setting.searches if search.looked_at_target]
    for search in setting.searches:
        if search.fixed:
            notes.append(f"{search.entry.name}: --set gives {', '.join(search.fixed)}, which is not searched")
    return notes


def print_ranges(console: Console, setting: Setting) -> None:
    """Print a table of all ranges, the recipe's values and the sources."""
    table = Table(title="ranges", title_justify="left")
    for column in ("method", "key", "range", "recipe", "source of the range"):
        table.add_column(column, overflow="fold")
    for search in setting.searches:
        for path, one in search.ranges.items():
            table.add_row(search.entry.name, path, str(one), _shown(search.recipe[path]), one.source)
    console.print(table)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value)


def trial_line(search: MethodSearch, trial: Trial) -> str:
    """Say what a trial tries."""
    values = ", ".join(f"{path} {_shown(value)}" for path, value in trial.values.items())
    what = "the recipe" if trial.trial == 0 else values
    return f"{search.entry.name}, trial {trial.trial}: {what}"


def summary(setting: Setting, trial: Trial) -> str:
    """Say what the rule says of a trial."""
    if trial.score is None:
        return f"{trial.state}: {trial.reason}"
    return f"{setting.rule.name} {trial.score:.6g}"


def print_trials(console: Console, setting: Setting, search: MethodSearch) -> None:
    """The best trials of a method, and why others have no score."""
    say = sayer(console)
    rule = setting.rule
    order = ranked(search.trials, rule.cls.higher_is_better)
    marked = f", {ON_TARGET_LABELS}" if rule.cls.uses_target_labels else ""
    title = f"{search.entry.name} by {rule.name} ({setting.direction}{marked})"
    table = Table(title=title, title_justify="left")
    table.add_column("trial", justify="right")
    for path in search.ranges:
        table.add_column(path, justify="right", overflow="fold")
    table.add_column("score", justify="right")
    table.add_column("state")
    for trial in order[:SHOWN]:
        values = [_shown(trial.values[path]) for path in search.ranges]
        score = "-" if trial.score is None else f"{trial.score:.6g}"
        state = trial.state if trial.trial else f"{trial.state}, the recipe"
        table.add_row(str(trial.trial), *values, score, state)
    console.print(table)
    if len(order) > SHOWN:
        say(f"and {len(order) - SHOWN} more, in the journal")
    for reason in dict.fromkeys(summary(setting, trial) for trial in order if trial.score is None):
        say(f"{search.entry.name}, {reason}")


def print_winner(
    console: Console, setting: Setting, search: MethodSearch, file: Path | None, run_command: str
) -> None:
    """Which trial wins, and the command that runs its recipe."""
    say = sayer(console)
    best = winner(search.trials, setting.rule.cls.higher_is_better)
    if best is None or file is None:
        say(f"{search.entry.name}: no trial has a score, so nothing is chosen")
        return
    what = "the untouched recipe wins" if best.trial == 0 else f"trial {best.trial} wins"
    marked = f", {ON_TARGET_LABELS}" if setting.rule.cls.uses_target_labels else ""
    say(f"{search.entry.name}: {what}{marked}; written: {file}")
    say(f"  next: {run_command} --recipe {shlex.quote(str(file))}")
