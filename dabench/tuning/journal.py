"""The journal of a search: one JSON line for what is searched, and one for each trial that is done.

A line is written at once and flushed to the disk. A line that was cut off when the machine went down is
passed over, and its trial is judged again; so is one that is no trial of this search: results folders travel,
and anybody may have written into one.
"""

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dabench.errors import UserError
from dabench.limited import read_limited, regular
from dabench.tuning.trials import Trial

__all__ = ["Journal"]

LARGEST_BYTES = 16 * 2**20
LONGEST_LINE = 64 * 2**10  # bytes; a trial of ten values has one kilobyte
MOST_BRACKETS = 100  # of a line: nested values need many times the memory of their text
MOST_TRIALS = 100_000
APPEND = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Journal:
    """The trials of one search, in a file.

    Args:
        path: made with the first trial.
        about: what is searched and with what budget; the file's first line. Its ``ranges`` are what every
            trial has values for.

    Raises:
        UserError: something else lies in the file's place: a link, a pipe, a folder, a file of that size.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self.path = path
        self._about = about
        self._ranges = frozenset(about.get("ranges", ()))
        self._known = self._read()

    def get(self, number: int) -> Trial | None:
        """Return what the journal says of a trial, its last word; None where it knows nothing.

        It is read anew: other processes may be at the same search. Raises UserError as the class does.
        """
        self._known = self._read()
        return self._known.get(number)

    def add(self, trial: Trial) -> None:
        """Write a trial down, unless exactly this is there already. Raises UserError as the class does."""
        if self._known.get(trial.trial) == trial:
            return
        lines = [] if self._known else [json.dumps({"search": self._about}, ensure_ascii=False)]
        lines.append(trial.model_dump_json())
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(regular(self.path, APPEND), "ab+") as file:
                if file.seek(0, os.SEEK_END):
                    file.seek(-1, os.SEEK_END)
                    if file.read(1) != b"\n":  # a line that was cut off
                        lines.insert(0, "")
                file.write("".join(f"{line}\n" for line in lines).encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._unusable("written", error) from error
        self._known[trial.trial] = trial

    def _read(self) -> dict[int, Trial]:
        try:
            content = read_limited(self.path, LARGEST_BYTES, links=False)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._unusable("read", error) from error
        known = {}
        for line in io.BytesIO(content):
            trial = _trial(line)
            if trial is not None and self._fits(trial):
                known[trial.trial] = trial
        return known

    def _fits(self, trial: Trial) -> bool:
        """Whether this search may have made a trial: its recipe alone may lie outside the ranges."""
        numbers = trial.numbers
        inside = numbers.keys() == self._ranges and all(0 <= number <= 1 for number in numbers.values())
        return (
            0 <= trial.trial < MOST_TRIALS
            and trial.values.keys() == self._ranges
            and (inside or (trial.trial == 0 and not numbers))
        )

    def _unusable(self, what: str, error: OSError) -> UserError:
        return UserError(
            f"{self.path}: the journal of the search cannot be {what}: {error.strerror or error}",
            "move it out of the way, or choose another folder with --results; runs that are done stay done",
        )


def _trial(line: bytes) -> Trial | None:
    """What a line says of a trial; None for the first line, and for one that was cut off."""
    if len(line) > LONGEST_LINE or line.count(b"[") + line.count(b"{") > MOST_BRACKETS:
        return None
    try:
        return Trial.model_validate_json(line)
    except ValidationError:
        return None
