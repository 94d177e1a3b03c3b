"""Which evaluation of a run counts: a table's numbers are taken by a selection rule."""

from dataclasses import dataclass

from dabench.leaderboard.runs import Run

__all__ = ["LAST", "Choice", "Selection"]

LAST = "last"
NOT_SCORED = "the rule is not installed here, or the run was not scored by it"


@dataclass(frozen=True)
class Choice:
    """What a rule says of one finished run.

    Attributes:
        value: headline metric on the target at the chosen step, in [0, 1]; None where the rule is not
            available.
        step: the chosen step, or None.
        reason: why the rule is not available.
        kept_last: an upper bound, which validators do not apply to: its last step stands.
    """

    value: float | None
    step: int | None
    reason: str = ""
    kept_last: bool = False


@dataclass(frozen=True)
class Selection:
    """How the numbers of a table are taken.

    Attributes:
        rule: a rule's name; None takes each run by the rule that its own protocol reports by.
        peeking: the rules that read target labels: their rows are marked and never ranked.
    """

    rule: str | None = None
    peeking: frozenset[str] = frozenset({"oracle"})

    def rule_of(self, run: Run) -> str:
        """The rule that a run is taken by."""
        return self.rule or str(run.record.config.get("selection") or LAST)

    def choose(self, run: Run) -> Choice:
        """What the rule says of a finished run. Nothing takes the place of a rule that is not available."""
        rule = self.rule_of(run)
        record = run.record
        last = record.evaluations[-1].step
        if rule == LAST:
            return Choice(record.value, last)
        scores = run.scores.get(rule)
        if scores is not None and scores.value is not None:
            return Choice(scores.value, scores.step)
        if record.uses_target_labels:
            return Choice(record.value, last, kept_last=True)
        return Choice(None, None, (scores.reason if scores else "") or NOT_SCORED)
