"""What a search is: rule, sampler, budget, and for each method what is searched."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dabench.config import RunConfig
from dabench.errors import MissingDataError
from dabench.method import MethodEntry
from dabench.plan import PlannedRun
from dabench.recipe import LOOKED_AT_TARGET
from dabench.records import RecordStore
from dabench.search import Range
from dabench.selection import RuleEntry
from dabench.suite import Suite
from dabench.tuning.journal import Journal
from dabench.tuning.samplers import Sampler
from dabench.tuning.space import recipe_numbers
from dabench.tuning.trials import Trial

__all__ = ["Budget", "MethodSearch", "Planner", "Setting", "Values", "looked_note"]

Values = Mapping[str, Mapping[str, Any]]
Planner = Callable[[Values], dict[str, list[PlannedRun]]]


@dataclass(frozen=True)
class Budget:
    """What every method gets."""

    trials: int
    tasks: int
    seeds: int

    @property
    def runs(self) -> int:
        """Runs of one method."""
        return self.trials * self.tasks * self.seeds

    def __str__(self) -> str:
        parts = (("trial", self.trials), ("task", self.tasks), ("seed", self.seeds))
        return " x ".join(f"{count} {word}{'' if count == 1 else 's'}" for word, count in parts)


@dataclass
class MethodSearch:
    """The search for one method.

    Attributes:
        entry: the method.
        ranges: what is searched, by configuration path.
        fixed: paths that have a range and are given by ``--set``.
        recipe: values of the untouched recipe at the paths that are searched.
        runs: of trial 0, as they were planned.
        trials: judged so far, in order.
    """

    entry: MethodEntry
    ranges: Mapping[str, Range]
    fixed: Sequence[str]
    recipe: Mapping[str, Any]
    runs: Sequence[PlannedRun]
    trials: list[Trial] = field(default_factory=list)

    @property
    def config(self) -> RunConfig:
        """Configuration of a run of trial 0."""
        return self.runs[0].config

    @property
    def looked_at_target(self) -> list[str]:
        """Paths whose value in the recipe was chosen on target accuracy, by what its source says."""
        return [path for path, origin in self.runs[0].provenance.items() if LOOKED_AT_TARGET in origin]

    def first(self) -> Trial:
        """Trial 0, not judged yet."""
        return Trial(trial=0, values=dict(self.recipe), numbers=recipe_numbers(self.recipe, self.ranges))


def looked_note(search: MethodSearch) -> str:
    """Say which values of the untouched recipe were chosen on target accuracy."""
    return (
        f"The recipe that the search for {search.entry.name} starts from was chosen by {LOOKED_AT_TARGET}, "
        f"in {', '.join(search.looked_at_target)}: the winner keeps what is not searched."
    )


@dataclass(frozen=True)
class Setting:
    """A search that can start.

    Attributes:
        suite: where it is searched.
        tasks: their names.
        seeds: of the runs.
        rule: that judges.
        sampler: that proposes.
        seed: of the search.
        budget: of each method.
        searches: one a method.
        plan: from method to values to the runs of a trial, by method.
        command: that repeats the search.
    """

    suite: Suite
    tasks: Sequence[str]
    seeds: Sequence[int]
    rule: RuleEntry
    sampler: Sampler
    seed: int
    budget: Budget
    searches: Sequence[MethodSearch]
    plan: Planner
    command: str

    @property
    def direction(self) -> str:
        """In words."""
        return f"{'higher' if self.rule.cls.higher_is_better else 'lower'} is better"

    def require_images(self) -> None:
        """Raise MissingDataError where images of a run are not on this machine."""
        for search in self.searches:
            for run in search.runs:
                if run.missing is not None:
                    raise MissingDataError(str(run.missing), run.missing.hint)

    def about(self, search: MethodSearch) -> dict[str, Any]:
        """What makes a method's search this one: all but the number of trials. Needs the images."""
        return {
            "method": search.entry.name,
            "suite": self.suite.name,
            "rule": self.rule.name,
            "rule_version": self.rule.cls.version,
            "sampler": self.sampler.name,
            "search_seed": self.seed,
            "tasks": list(self.tasks),
            "seeds": list(self.seeds),
            "ranges": {path: str(one) for path, one in search.ranges.items()},
            "recipe": dict(search.recipe),
            "runs_of_trial_0": sorted(str(run.run_id) for run in search.runs),
        }

    def name(self, search: MethodSearch) -> str:
        """A method's search as files are called: another search of the same method has another digest."""
        digest = hashlib.sha256(json.dumps(self.about(search), sort_keys=True).encode()).hexdigest()[:8]
        return f"{self.suite.name}-{search.entry.name}-{self.rule.name}-{digest}"

    def journal(self, folder: RecordStore, search: MethodSearch) -> Journal:
        """The journal of a method's search."""
        return Journal(folder.root / f"{self.name(search)}.jsonl", self.about(search))
