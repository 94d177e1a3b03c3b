"""Read a results folder that may be anybody's: records, files that are none, and why."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dabench.errors import UserError
from dabench.leaderboard.runs import Run
from dabench.leaderboard.verify.words import plain
from dabench.plain_files import open_plain
from dabench.records import Problem, Record, RecordStore

__all__ = ["Folder", "read_folder"]

LARGEST_EXPLAINED = 2**20  # bytes of a broken record that are read again to say more of it
# Accuracies of a record that people take for percentages.
ACCURACIES = (("value",), ("oracle",), ("metrics", "accuracy"), ("metrics", "mean_class_accuracy"))


@dataclass(frozen=True)
class Folder:
    """What lies below a results folder.

    Attributes:
        runs: of all records that can be read.
        broken: files that look like records and are none, and folders that were not looked through, with
            reasons that are safe to print.
        foreign: JSON files that do not say that they are records.
    """

    runs: list[Run]
    broken: list[Problem]
    foreign: list[Problem]


def read_folder(results: Path) -> Folder:
    """Read all records below a folder. Links and pipes are not opened.

    Raises:
        UserError: there is no such folder.
    """
    if not results.is_dir():
        raise UserError(
            f"no results folder at '{results}'",
            "name it: dabench verify RESULTS, the folder with the records",
        )
    found = Folder([], [], [])
    store = RecordStore(results)
    unseen: list[Problem] = []
    for path in store.paths(unseen):
        relative = path.relative_to(results)
        try:
            open_plain(path).close()
        except OSError as error:
            found.broken.append(Problem(relative, f"not read: {error.strerror or error}"))
            continue
        result = store.read(path)
        if isinstance(result, Record):
            found.runs.append(Run(result, relative.as_posix()))
            continue
        reason = plain(_percent(path) or result.reason.replace(f"{results}/", ""))
        foreign = "schema_version is missing" in result.reason
        (found.foreign if foreign else found.broken).append(Problem(relative, reason))
    found.broken.extend(Problem(one.path.relative_to(results), one.reason) for one in unseen)
    return found


def _percent(path: Path) -> str:
    """A sentence where an accuracy of a broken record seems to be a percentage; else nothing."""
    try:
        if path.stat().st_size > LARGEST_EXPLAINED:
            return ""
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return ""
    for place in ACCURACIES:
        value: Any = content
        for key in place:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, int | float) and 1 < value <= 100:
            return f"{'.'.join(place)} is {value}: a percentage? accuracies lie in [0, 1]"
    return ""
