"""What stands under a table: neighbours that may change places, what the protocol costs, test images."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.rows import Row, Table
from dabench.leaderboard.standings import Comparison
from dabench.leaderboard.statistics.intervals import Interval

__all__ = ["Neighbours", "Price", "neighbours", "price", "reason", "status", "test_noise", "training_seconds"]


@dataclass(frozen=True)
class Neighbours:
    """Two ranked rows next to each other, the better one first.

    Attributes:
        more: further seeds of both that would settle it, see ``Comparison.more_seeds``.
    """

    better: Row
    worse: Row
    comparison: Comparison
    more: int | None


@dataclass(frozen=True)
class Price:
    """What the selection rule lacks to the best evaluation: mean over rows, and the row that lacks most."""

    mean: float
    most: float
    row: Row
    rows: int


def neighbours(reading: Reading) -> tuple[Neighbours, ...]:
    """Each ranked row and the next one, as far as they were compared."""
    ranked = [row for row in reading.table.rows if row.rank is not None]
    found = []
    for better, worse in pairwise(ranked):
        comparison = reading.standings.pairs.get((better.group.key, worse.group.key))
        if comparison is not None:
            found.append(Neighbours(better, worse, comparison, comparison.more_seeds))
    return tuple(found)


def price(table: Table) -> Price | None:
    """Oracle minus rule over the rows with averages, bounds and rows by target labels left out."""
    costs = [
        (row.oracle_average.mean - row.average.mean, row)
        for row in table.rows
        if row.average and row.oracle_average and not row.upper_bound and not row.on_target_labels
    ]
    if not costs:
        return None
    most, row = max(costs, key=lambda pair: pair[0])
    return Price(sum(cost for cost, _ in costs) / len(costs), most, row, len(costs))


def training_seconds(row: Row) -> float | None:
    """Mean time that the counted runs of a row trained; None where none says."""
    times = [run.record.timing.training_seconds for run in row.used if run.record.timing]
    return sum(times) / len(times) if times else None


def status(row: Row) -> str:
    """Ranked, bound, target (chosen on target labels), or incomplete: what a reader filters by."""
    if row.upper_bound:
        return "bound"
    if row.on_target_labels:
        return "target"
    return "ranked" if row.rank is not None else "incomplete"


def reason(row: Row, tasks: Sequence[str], fewest: int) -> str:
    """Why a row is not ranked, in words; empty for a ranked one."""
    if row.rank is not None:
        return ""
    if row.upper_bound:
        return "upper bound"
    if row.on_target_labels:
        return "target labels"
    if row.origins.trial:
        return "trial"
    if row.unavailable:
        return f"no {row.rule}"
    if row.average is None:
        return f"{row.tasks_done}/{len(tasks)} tasks" if row.tasks_done < len(tasks) else "no common seed"
    return f"n<{fewest}" if row.average.n < fewest else "not ranked"


def test_noise(table: Table) -> dict[str, Interval]:
    """By task, Wilson's interval of the best row there; its n is the number of test images.

    A row's seeds say nothing of the images: with others of the same kind all rows would move by about this.
    """
    found: dict[str, Interval] = {}
    for task in table.tasks:
        cells = [row.cells[task] for row in table.rows if not row.upper_bound]
        known = [cell.image_interval for cell in cells if cell.image_interval is not None]
        if known:
            found[task] = max(known, key=lambda interval: interval.mean)
    return found
