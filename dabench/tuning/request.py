"""What ``dabench tune`` was asked for."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dabench.execution import Execution

__all__ = ["TuneRequest"]


@dataclass(frozen=True)
class TuneRequest:
    """The flags of ``dabench tune``; None where a flag is not given."""

    methods: list[str]
    suite: str
    rule: str
    data: Path
    results: Path
    out: Path
    trials: int = 20
    sampler: str = "random"
    search_seed: int = 0
    tasks: list[str] | None = None
    backbone: str | None = None
    seeds: list[int] = field(default_factory=lambda: [0])
    weights: str | None = None
    device: str = "auto"
    protocol: str | None = None
    assignments: list[str] = field(default_factory=list)
    frozen_backbone: bool = False
    dry_run: bool = False
    execution: Execution = field(default_factory=Execution)

    def command(self) -> str:
        """The command line that repeats the search; folders are left out, for recipes travel."""
        words = ["dabench", "tune"]
        words += [word for method in self.methods for word in ("--method", method)]
        words += ["--suite", self.suite, "--rule", self.rule, "--trials", str(self.trials)]
        words += ["--sampler", self.sampler, "--search-seed", str(self.search_seed)]
        words += [word for seed in self.seeds for word in ("--seed", str(seed))]
        return shlex.join([*words, *self._setting(self.assignments)])

    def run_command(self, method: str) -> str:
        """The command line that runs a method in the setting of the search, with the usual seeds."""
        others = tuple(f"{other}." for other in self.methods if other != method)
        own = [text for text in self.assignments if not text.strip().startswith(others)]
        words = ["dabench", "run", "--method", method, "--suite", self.suite, *self._setting(own)]
        if self.data != Path("data"):
            words += ["--data", str(self.data)]
        if self.device != "auto":
            words += ["--device", self.device]
        return shlex.join(words)

    def _setting(self, assignments: Sequence[str]) -> list[str]:
        """The flags that tune and run share."""
        words = [word for task in self.tasks or () for word in ("--task", task)]
        named = (("backbone", self.backbone), ("weights", self.weights), ("protocol", self.protocol))
        words += [word for flag, value in named if value for word in (f"--{flag}", value)]
        words += [word for text in assignments for word in ("--set", text)]
        return [*words, "--frozen-backbone"] if self.frozen_backbone else words
