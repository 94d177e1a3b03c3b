"""The journal of a search: one JSON line for what is searched, and one for each trial that is done.

A line is written at once and flushed to the disk. A line that was cut off when the machine went down is
passed over, and its trial is judged again.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dabench.tuning.trials import Trial

__all__ = ["Journal"]


class Journal:
    """The trials of one search, in a file.

    Args:
        path: made with the first trial.
        about: what is searched and with what budget; the file's first line.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self.path = path
        self._about = about
        self._known = self._read()

    def get(self, number: int) -> Trial | None:
        """Return what the journal says of a trial, its last word; None where it knows nothing.

        It is read anew: other processes may be at the same search.
        """
        self._known = self._read()
        return self._known.get(number)

    def add(self, trial: Trial) -> None:
        """Write a trial down, unless exactly this is there already."""
        if self._known.get(trial.trial) == trial:
            return
        lines = [] if self._known else [json.dumps({"search": self._about}, ensure_ascii=False)]
        lines.append(trial.model_dump_json())
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a line that was cut off
                    lines.insert(0, "")
            file.write("".join(f"{line}\n" for line in lines).encode())
            file.flush()
            os.fsync(file.fileno())
        self._known[trial.trial] = trial

    def _read(self) -> dict[int, Trial]:
        known = {}
        if self.path.exists():
            for line in self.path.read_bytes().splitlines():
                try:
                    trial = Trial.model_validate_json(line)
                except ValidationError:  # the first line, or one that was cut off
                    continue
                known[trial.trial] = trial
        return known
