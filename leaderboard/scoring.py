"""Score the runs of a results folder by selection rules; what is known is read, the rest is computed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dabench.discovery import discover_rules
from dabench.leaderboard.choices import Selection
from dabench.leaderboard.runs import Run
from dabench.scores import score_all
from dabench.selection import RULES, RuleEntry

__all__ = ["known_rules", "scored", "selection_by"]


def known_rules(names: Sequence[str] = ()) -> dict[str, RuleEntry]:
    """The registered rules of these names, or all, by name.

    Raises:
        UserError: there is no such rule; the nearest name is suggested.
    """
    discover_rules()
    return {name: RULES.get(name) for name in names or RULES}


def selection_by(rule: str | None) -> Selection:
    """How tables are read by a rule; None for what each run's protocol says.

    Raises:
        UserError: as ``known_rules``.
    """
    rules = known_rules()
    if rule is not None:
        RULES.get(rule)
    return Selection(rule, frozenset(name for name, entry in rules.items() if entry.cls.uses_target_labels))


def scored(
    results: Path,
    runs: Sequence[Run],
    rules: Mapping[str, RuleEntry],
    jobs: int = 0,
    advance: Callable[[int, int], None] | None = None,
) -> list[Run]:
    """The runs with what the rules say of each; failed runs come back as they are.

    Args:
        results: the folder that the runs' files are relative to.
        runs: of that folder.
        rules: registered rules.
        jobs: processes; 0 for one a processor.
        advance: called with (runs done, runs in all).
    """
    pairs = [(results / run.file, run.record) for run in runs]
    scores = score_all(pairs, list(rules.values()), jobs, advance)
    return [replace(run, scores=scores.get(results / run.file, {})) for run in runs]
