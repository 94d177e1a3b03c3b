"""Score the runs of a results folder by selection rules; what is known is read, the rest is computed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dabench.discovery import discover_rules
from dabench.leaderboard.choices import Selection
from dabench.leaderboard.runs import Run
from dabench.scores import score_all
from dabench.selection import RULES, RuleEntry
from dabench.terminal import error_console

__all__ = ["known_rules", "scored", "selection_by", "showing_progress"]


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


@contextmanager
def showing_progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr while runs are scored, in a terminal only and gone when it is done."""
    console = error_console()
    columns = (
        TextColumn("scoring runs"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)

        def advance(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield advance
