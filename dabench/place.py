"""Where and how the runs of a sweep take place."""

import stat
from dataclasses import dataclass
from pathlib import Path

import torch

from dabench.budget import Deadline
from dabench.records import RecordStore, ResultsError

__all__ = ["Place"]

LONGEST_POLL = 5.0  # seconds between two looks at runs that others have


@dataclass(frozen=True)
class Place:
    """Where and how runs take place; plays no part in their identity. Can be sent to other processes.

    Attributes:
        data: the data folder.
        results: the results folder.
        device: such as cpu, cuda:0.
        lease: seconds without a sign of life after which others take a run over.
        checkpoint_seconds: between two checkpoints of a run; 0 makes one at each evaluation.
        force: runs that are done are run again.
        fail_fast: the sweep stops at the first failed run.
        deadline: when it stops, with a checkpoint of the run in progress.
        trackers: names of those that note the progress of runs besides JSON lines.
        listed: a file in the results folder that was there when the sweep began; where it is gone, so is the
            folder, and what a mount point shows in its place is no place for records.
    """

    data: Path | None
    results: Path
    device: torch.device
    lease: float = 60.0
    checkpoint_seconds: float = 60.0
    force: bool = False
    fail_fast: bool = False
    deadline: Deadline | None = None
    trackers: tuple[str, ...] = ()
    listed: Path | None = None

    def require_results(self) -> None:
        """Raise ResultsError where the results folder is gone, or another one is in its place."""
        try:
            there = stat.S_ISDIR(self.results.stat().st_mode)
            there = there and (self.listed is None or stat.S_ISREG(self.listed.stat().st_mode))
        except (FileNotFoundError, NotADirectoryError):
            there = False
        except OSError as error:
            raise self.store.unwritable(error) from error
        if not there:
            raise ResultsError(
                f"the results folder {self.results} is gone", "bring it back and run the same command again"
            )

    @property
    def store(self) -> RecordStore:
        """The records of the results folder."""
        return RecordStore(self.results)

    @property
    def poll(self) -> float:
        """Seconds between two looks at runs that others have."""
        return min(LONGEST_POLL, self.lease / 5)

    @property
    def out_of_time(self) -> bool:
        """Whether the deadline has come."""
        return self.deadline is not None and self.deadline.left() <= 0
