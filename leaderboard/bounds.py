"""The bounds of a table: what they tell of a row, and how to run what is missing."""

import shlex
from collections.abc import Sequence

from dabench.leaderboard.groups import BOUND, REFERENCE
from dabench.leaderboard.rows import NotRun, Row
from dabench.leaderboard.runs import Run
from dabench.leaderboard.statistics.intervals import Share, paired_share

__all__ = ["absent_bounds", "further_seeds", "share_of_gap"]

# Of a recorded command, what belongs to the run and not to the table.
OF_THE_RUN = frozenset({"--method", "--task", "--seed", "--device"})
OF_THE_METHOD = ("params.", "loss_weights.")


def share_of_gap(row: Row, reference: Row, bound: Row, level: float) -> Share | None:
    """(row - reference) / (bound - reference) of the averages, paired over the seeds that all three have.

    None where no seed is shared.
    """
    seeds = sorted(set(row.averages) & set(reference.averages) & set(bound.averages))
    if not seeds:
        return None
    below = [reference.averages[seed] for seed in seeds]
    part = [row.averages[seed] - low for seed, low in zip(seeds, below, strict=True)]
    whole = [bound.averages[seed] - low for seed, low in zip(seeds, below, strict=True)]
    return paired_share(part, whole, level)


def absent_bounds(runs: Sequence[Run]) -> tuple[NotRun, ...]:
    """The bounds that none of a table's runs is of; the lower one first."""
    methods = {run.record.method for run in runs}
    return tuple(NotRun(name, _command(name, runs)) for name in (REFERENCE, BOUND) if name not in methods)


def further_seeds(runs: Sequence[Run], seeds: Sequence[int]) -> str:
    """The command that runs the row of these runs with further seeds, its own settings included."""
    return _joined(runs[0].record.method, runs, [_options(run.record.command, True) for run in runs], seeds)


def _command(method: str, runs: Sequence[Run]) -> str:
    """How to run a method as the runs of a table were: with the options that all their commands share."""
    seeds = sorted({run.record.seed for run in runs})
    return _joined(method, runs, [_options(run.record.command) for run in runs], seeds)


def _joined(
    method: str, runs: Sequence[Run], recorded: Sequence[list[tuple[str, ...]]], seeds: Sequence[int]
) -> str:
    told = [options for options in recorded if options]
    first = told[0] if told else []
    shared = [option for option in first if all(option in other for other in told)]
    if not any(option[0] == "--suite" for option in shared):
        shared.insert(0, ("--suite", runs[0].record.suite))
    words = ["dabench", "run", "--method", method]
    return shlex.join([*words, *(word for option in shared for word in option), *_seeds(seeds)])


def _options(command: str, of_the_method: bool = False) -> list[tuple[str, ...]]:
    """The options of a recorded command, each with its value; empty where it is no command of ``run``."""
    try:
        words = shlex.split(command)
    except ValueError:
        return []
    found: list[tuple[str, ...]] = []
    for word in words[2:] if words[:2] == ["dabench", "run"] else []:
        if word.startswith("--"):
            found.append((word,))
        elif found:
            found[-1] = (*found[-1], word)
    return [
        option
        for option in found
        if option[0] not in OF_THE_RUN
        and (of_the_method or not (option[0] == "--set" and option[-1].startswith(OF_THE_METHOD)))
    ]


def _seeds(seeds: Sequence[int]) -> list[str]:
    """Options for these seeds; 0, 1, 2 are the command's own."""
    if list(seeds) == list(range(3)):
        return []
    if list(seeds) == list(range(len(seeds))):
        return ["--seeds", str(len(seeds))]
    return [word for seed in seeds for word in ("--seed", str(seed))]
