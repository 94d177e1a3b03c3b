"""The bounds of a table: what they tell of a row, and how to run what is missing."""

import json
import re
import shlex
from collections.abc import Sequence

from dabench.config import RunConfig
from dabench.leaderboard.groups import BOUND, REFERENCE
from dabench.leaderboard.rows import NotRun, Row
from dabench.leaderboard.runs import Run
from dabench.leaderboard.statistics.intervals import Share, paired_share

__all__ = ["absent_bounds", "further_seeds", "is_word", "share_of_gap"]

# Of a recorded command, what belongs to the run and not to the table.
OF_THE_RUN = frozenset({"--method", "--task", "--seed", "--device"})
OF_THE_METHOD = ("params.", "loss_weights.")
# Settings that a command to be copied may repeat: backbone_args may name files, the rest are no settings.
SETTINGS = frozenset(RunConfig.model_fields) - {
    "suite", "task", "method", "seed", "backbone", "backbone_args", "weights", "protocol",
}  # fmt: skip
KEY = re.compile(r"[a-z][a-z0-9_]{0,60}(\.[a-zA-Z0-9_-]{1,60}){0,4}")
WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_+-]{0,99}(\.[A-Za-z0-9_+-]{1,99}){0,4}")
FILES = (".py", ".yaml", ".yml", ".json", ".toml", ".csv", ".npz", ".pt", ".pth", ".safetensors")
LEFT_OUT = "left out: options of the records that may name files or code, such as a suite's or weights' file"
NO_NAME = "no command: the name of its method may be that of a file"

Options = list[tuple[str, ...]]


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
    absent = [name for name in (REFERENCE, BOUND) if name not in methods]
    if not absent:
        return ()
    seeds = sorted({run.record.seed for run in runs})
    recorded = [_options(run.record.command) for run in runs]
    return tuple(NotRun(name, *_joined(name, runs, recorded, seeds)) for name in absent)


def further_seeds(runs: Sequence[Run], seeds: Sequence[int]) -> tuple[str, str]:
    """The command that runs the row of these runs with further seeds, its own settings included.

    Returns:
        The command, empty where the row's method has no plain name; and what it lacks, in words.
    """
    recorded = [_options(run.record.command, True) for run in runs]
    return _joined(runs[0].record.method, runs, recorded, seeds)


def _joined(
    method: str, runs: Sequence[Run], recorded: Sequence[Options], seeds: Sequence[int]
) -> tuple[str, str]:
    """How to run a method as these runs were, with the options that all their commands share, and a note."""
    told = [options for options in recorded if options]
    shared = [option for option in told[0] if all(option in other for other in told)] if told else []
    if not any(option[0] == "--suite" for option in shared):
        shared.insert(0, ("--suite", runs[0].record.suite))
    if not is_word(method):
        return "", NO_NAME
    kept = [option for option in shared if _harmless(option)]
    words = ["dabench", "run", "--method", method, *(word for option in kept for word in option)]
    return shlex.join([*words, *_seeds(seeds)]), LEFT_OUT if len(kept) < len(shared) else ""


def _options(command: str, of_the_method: bool = False) -> Options:
    """The options of a recorded command, each with its value; empty where it is no command of ``run``."""
    try:
        words = shlex.split(command)
    except ValueError:
        return []
    found: Options = []
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


def is_word(text: str) -> bool:
    """Whether a text can only be the name of something that is installed: no path, no file, no option.

    >>> [is_word(text) for text in ("cdan+e", "vit_tiny.augreg", "x.py", "../x", "hf-hub:x/y", "--x", "")]
    [True, True, False, False, False, False, False]
    """
    return WORD.fullmatch(text) is not None and not text.lower().endswith(FILES)


def _harmless(option: tuple[str, ...]) -> bool:
    """Whether an option of a record, which may be a stranger's, may stand in a command to be copied.

    Settings are, names are; what may name a file, an address or code is not.
    """
    name, *values = option
    if not values:
        return name == "--frozen-backbone"
    if len(values) > 1:
        return False
    if name == "--weights":
        return values[0] in ("default", "none")
    if name == "--set":
        key, _, value = values[0].partition("=")
        return KEY.fullmatch(key) is not None and key.split(".")[0] in SETTINGS and _is_plain(value)
    return name in ("--suite", "--protocol", "--backbone") and is_word(values[0])


def _is_plain(value: str) -> bool:
    """Whether a value is a number, a word, or a list of them."""
    try:
        content = json.loads(value)
    except (ValueError, RecursionError):
        return is_word(value)
    parts = content if isinstance(content, list) else [content]
    return all(
        is_word(part) if isinstance(part, str) else not isinstance(part, list | dict) for part in parts
    )


def _seeds(seeds: Sequence[int]) -> list[str]:
    """Options for these seeds; 0, 1, 2 are the command's own."""
    if list(seeds) == list(range(3)):
        return []
    if list(seeds) == list(range(len(seeds))):
        return ["--seeds", str(len(seeds))]
    return [word for seed in seeds for word in ("--seed", str(seed))]
