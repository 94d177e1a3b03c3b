"""What a rule says of a trial: means at the chosen steps, failures, scores that are missing, ties."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dabench.scores import RuleScores
from dabench.selection import RULES
from dabench.tuning.trials import Trial, judged, ranked, winner

ENTROPY = RULES.get("entropy")


def record(name: str, status: str = "done") -> Any:
    steps = [SimpleNamespace(step=step) for step in (5, 10, 15)]
    failure = SimpleNamespace(message="no room\nat all")
    return Path(name), SimpleNamespace(task="A->B", seed=0, status=status, evaluations=steps, failure=failure)


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> dict[str, RuleScores]:
    """Scores by the name of the record's file."""
    scores: dict[str, RuleScores] = {}
    monkeypatch.setattr(
        "dabench.tuning.trials.score_run",
        lambda path, record, rules: {rules[0].name: scores[path.name]},
    )
    return scores


def test_the_score_is_the_mean_at_the_steps_that_the_rule_chooses(scored: dict[str, RuleScores]) -> None:
    scored["a"] = RuleScores(scores=[0.5, 0.25, 0.75], step=10, value=0.9)
    scored["b"] = RuleScores(scores=[None, 1.0, 0.75], step=15, value=0.1)
    trial = judged(Trial(trial=2, values={"x": 1}), [record("a"), record("b")], ENTROPY)
    assert (trial.state, trial.score, trial.trial, trial.values) == ("done", 0.5, 2, {"x": 1})


def test_a_failed_run_makes_the_trial_fail_whatever_the_others_say(scored: dict[str, RuleScores]) -> None:
    scored["a"] = RuleScores(scores=[0.5, 0.25, 0.75], step=10)
    trial = judged(Trial(trial=1, values={}), [record("a"), record("b", "failed")], ENTROPY)
    assert (trial.state, trial.score, trial.reason) == ("failed", None, "no room")


def test_a_missing_score_keeps_the_trial_from_winning(scored: dict[str, RuleScores]) -> None:
    scored["a"] = RuleScores(scores=[0.0, 0.0, 0.0], step=5)
    scored["b"] = RuleScores(scores=[None] * 3, reason="the score is not defined at any evaluation")
    trial = judged(Trial(trial=1, values={}), [record("a"), record("b")], ENTROPY)
    assert (trial.state, trial.score) == ("no score", None)
    assert trial.reason == "A->B seed 0: the score is not defined at any evaluation"
    assert winner([trial], higher_is_better=False) is None
    other = Trial(trial=2, values={}, score=9.0)
    assert winner([trial, other], higher_is_better=False) == other


def test_the_direction_counts_and_the_earlier_of_equals_wins() -> None:
    scores = {0: 0.5, 1: None, 2: 0.5, 3: 0.1, 4: -0.0, 5: 0.0}
    trials = [Trial(trial=number, values={}, score=score) for number, score in scores.items()]
    assert [trial.trial for trial in ranked(trials, True)] == [0, 2, 3, 4, 5, 1]
    assert [trial.trial for trial in ranked(trials, False)] == [4, 5, 3, 0, 2, 1]
    assert winner(trials[:3], True) == trials[0]  # the untouched recipe, where nothing is better
    assert winner([], True) is None
