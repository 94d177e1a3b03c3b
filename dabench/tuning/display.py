"""Progress of a search: as a sweep's, counted over all trials, and without accuracies on the target."""

from dabench.display import SweepDisplay
from dabench.plan import PlannedRun
from dabench.records import Record

__all__ = ["SearchDisplay"]


class SearchDisplay(SweepDisplay):
    """Shows the runs of all trials as one sweep; who searches by a rule does not see what it does not see."""

    def begin(self, run: PlannedRun, number: int, total: int) -> None:
        """A run starts; numbers are those within a trial and are replaced by those of the search."""
        super().begin(run, self._number + 1, self._total)

    def skip(self, runs: int) -> None:
        """Runs that are done already, or that a failed trial leaves out, are none that one waits for."""
        self._total -= runs
        self._progress.update(self._sweep, total=self._total)

    def outcome(self, record: Record) -> str:
        """What is said of a run that has ended: how long it took, or why it failed."""
        if record.status == "failed":
            return super().outcome(record)
        return f"done  ({record.timing.total_seconds if record.timing else 0.0:.1f} s)"
