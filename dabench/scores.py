"""What selection rules say of finished runs: computed from what each run stored, kept beside its record.

``seed0-<run_id>.scores.json`` lies beside the record. A rule is scored again where the stored arrays, the
rule's version or its file have changed; nothing else needs a second look, so a table of a thousand runs
opens at once.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from dabench.records import Record
from dabench.selection import RuleEntry

__all__ = ["RuleScores", "score_all", "score_run"]


class RuleScores(BaseModel):
    """What one rule says of one run.

    Attributes:
        scores: of each evaluation; None where the score is not defined. Empty where the rule cannot be
            applied to the run; ``reason`` says why.
        step: the step that it chooses, or None.
        value: the run's headline metric on the target's test labels at that step, in [0, 1], or None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    version: int = 1
    source_sha256: str | None = None
    scores: list[float | None] = []
    step: int | None = None
    value: float | None = None
    reason: str = ""


def score_run(path: Path, record: Record, rules: Sequence[RuleEntry]) -> dict[str, RuleScores]:
    """Score one finished run by each rule; read what is known, compute and keep the rest.

    Args:
        path: of the record; the arrays lie beside it.
        record: of a run that is done.
        rules: registered rules.
    """
    raise NotImplementedError


def score_all(
    runs: Sequence[tuple[Path, Record]],
    rules: Sequence[RuleEntry],
    jobs: int = 0,
    advance: Callable[[int, int], None] | None = None,
) -> dict[Path, Mapping[str, RuleScores]]:
    """Score many runs, on several processes where it pays.

    Args:
        runs: record paths and records; failed ones are left out of the answer.
        rules: registered rules.
        jobs: processes; 0 for one a processor.
        advance: called with (runs done, runs in all).
    """
    raise NotImplementedError
