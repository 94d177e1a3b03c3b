"""Which runs of a row collapsed: they finished, and learned next to nothing."""

from dabench.leaderboard.rows import Row, Table
from dabench.leaderboard.statistics.collapse import collapsed

__all__ = ["collapsed_runs"]


def collapsed_runs(table: Table, row: Row, task: str) -> set[str]:
    """Files of the counted runs of a row on a task that collapsed."""
    values = row.cells[task].values
    seeds = sorted(values)
    marks = dict(
        zip(seeds, collapsed([values[seed] for seed in seeds], len(table.info.classes)), strict=True)
    )
    return {run.file for run in row.used if run.record.task == task and marks.get(run.record.seed)}
