"""What recomputing says of a row: how many of its runs were checked, and what was found."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from dabench.leaderboard.rows import Row
from dabench.leaderboard.verdicts import Verdict

__all__ = ["NOT_CHECKED", "Checks", "checks"]

NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Checks:
    """Verdicts on the runs that a row counts, its failed runs included.

    Attributes:
        counts: number of runs by status; ``not checked`` for those without a verdict.
    """

    counts: Mapping[str, int]

    @property
    def runs(self) -> int:
        """Number of runs."""
        return sum(self.counts.values())

    @property
    def wrong(self) -> int:
        """Number of runs that contradict themselves or their own files."""
        return self.counts.get("wrong", 0)

    @property
    def differing(self) -> int:
        """Number of runs that a rerun does not agree with."""
        return self.counts.get("rerun differs", 0)

    @property
    def sound(self) -> int:
        """Number of runs that follow from their stored predictions, or that a rerun agrees with."""
        return self.counts.get("recomputed", 0) + self.counts.get("rerun agrees", 0)

    @property
    def self_reported(self) -> int:
        """Number of runs that there is nothing to recompute from."""
        return self.counts.get("self-reported", 0)


def checks(row: Row, verdicts: Mapping[str, Verdict]) -> Checks:
    """Count the verdicts of a row.

    Args:
        row: its runs that a later one replaced are left out.
        verdicts: by file of the run; a run that was not checked is absent.
    """
    used = {run.file for run in row.used}
    counted = [run for run in row.group.runs if run.file in used or run.record.status == "failed"]
    found = (verdicts.get(run.file) for run in counted)
    return Checks(Counter(one.status if one else NOT_CHECKED for one in found))
