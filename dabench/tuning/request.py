"""What ``dabench tune`` was asked for."""

import shlex
from dataclasses import dataclass, field
from pathlib import Path

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

    def command(self) -> str:
        """The command line that repeats the search; folders are left out, for recipes travel."""
        words = ["dabench", "tune"]
        words += [word for method in self.methods for word in ("--method", method)]
        words += ["--suite", self.suite, "--rule", self.rule, "--trials", str(self.trials)]
        words += ["--sampler", self.sampler, "--search-seed", str(self.search_seed)]
        words += [word for task in self.tasks or () for word in ("--task", task)]
        words += [word for seed in self.seeds for word in ("--seed", str(seed))]
        for flag, value in (("backbone", self.backbone), ("weights", self.weights)):
            words += [f"--{flag}", value] if value else []
        words += ["--protocol", self.protocol] if self.protocol else []
        words += [word for text in self.assignments for word in ("--set", text)]
        words += ["--frozen-backbone"] if self.frozen_backbone else []
        return shlex.join(words)
