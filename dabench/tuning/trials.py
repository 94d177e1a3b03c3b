"""One trial of a search: the values it tried, and what the rule says of its runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from dabench.records import Record
from dabench.scores import RuleScores, score_run
from dabench.selection import RuleEntry

__all__ = ["Trial", "judged", "ranked", "winner"]


class Trial(BaseModel):
    """A configuration that was tried.

    Attributes:
        trial: its number; 0 is the untouched recipe.
        values: configuration path to value.
        numbers: the same as numbers in [0, 1], one a range; none for a recipe that lies outside a range.
        state: "no score" where a run has none by the rule; such a trial and a failed one cannot win.
        score: mean over tasks and seeds of the rule's score at the step that the rule chooses.
        reason: why there is no score.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    trial: int
    values: dict[str, Any]
    numbers: dict[str, float] = {}
    state: Literal["done", "failed", "no score"] = "done"
    score: float | None = None
    reason: str = ""


def judged(trial: Trial, runs: Sequence[tuple[Path, Record]], rule: RuleEntry) -> Trial:
    """Say of a trial what the rule says of its runs.

    Args:
        trial: what was tried.
        runs: record paths and records, as many for each task; a failed one makes the trial fail.
        rule: that scores them.
    """
    for _, record in runs:
        if record.status == "failed":
            reason = record.failure.message.splitlines()[0] if record.failure else ""
            return trial.model_copy(update={"state": "failed", "score": None, "reason": reason})
    total = 0.0
    for path, record in runs:
        scores = score_run(path, record, [rule])[rule.name]
        score = _at_its_step(scores, record)
        if score is None:
            reason = f"{record.task} seed {record.seed}: {scores.reason}"
            return trial.model_copy(update={"state": "no score", "score": None, "reason": reason})
        total += score
    return trial.model_copy(update={"state": "done", "score": total / len(runs), "reason": ""})


def _at_its_step(scores: RuleScores, record: Record) -> float | None:
    """The score of the evaluation that the rule chooses in a run."""
    if scores.step is None:
        return None
    return scores.scores[[evaluation.step for evaluation in record.evaluations].index(scores.step)]


def ranked(trials: Sequence[Trial], higher_is_better: bool) -> list[Trial]:
    """Sort trials, the best first, the earlier of equals first, those without a score last."""
    sign = -1.0 if higher_is_better else 1.0
    return sorted(trials, key=lambda one: (one.score is None, sign * (one.score or 0.0), one.trial))


def winner(trials: Sequence[Trial], higher_is_better: bool) -> Trial | None:
    """Return the best trial; None where none has a score."""
    best = ranked(trials, higher_is_better)[:1]
    return best[0] if best and best[0].score is not None else None
