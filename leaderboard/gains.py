"""What is added to a row once all rows are there: moderated intervals, the gain, the share of the gap."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from dabench.leaderboard.bounds import share_of_gap
from dabench.leaderboard.groups import BOUND, REFERENCE, Group, reference_for, unlike
from dabench.leaderboard.rows import Row
from dabench.leaderboard.seeds import moderated
from dabench.leaderboard.settings import Ci, Settings
from dabench.leaderboard.statistics.pairs import NO_SPREAD, Family, compare, family

__all__ = ["Comparer", "cell_families", "with_moderated"]


def with_moderated(rows: Sequence[Row], tasks: Sequence[str], ci: Ci) -> list[Row]:
    """The rows, with moderated intervals where the settings want them; upper bounds keep Student's t.

    Bounds vary less than methods do, so they would not tell the usual variance.
    """
    made = list(rows)
    inside = [index for index, row in enumerate(rows) if not row.upper_bound]
    if ci.suite == "moderated_t":
        averages = moderated([rows[index].averages for index in inside], ci.level)
        for index, interval in zip(inside, averages, strict=True):
            made[index] = replace(made[index], average=interval)
    if ci.cell == "moderated_t":
        for task in tasks:
            cells = moderated([rows[index].cells[task].values for index in inside], ci.level)
            for index, interval in zip(inside, cells, strict=True):
                here = replace(made[index].cells[task], interval=interval)
                made[index] = replace(made[index], cells={**made[index].cells, task: here})
    return made


def cell_families(ranked: Sequence[Row], tasks: Sequence[str], settings: Settings) -> dict[str, Family]:
    """How rows are compared on each task: as their averages are, by what ranked rows vary on that task."""
    kind, fewest = settings.compare.test, settings.min_seeds
    return {task: family([row.cells[task].values for row in ranked], kind, fewest) for task in tasks}


class Comparer:
    """Compares rows of one table with their reference row; averages and cells by the same kind of test.

    Args:
        rows: by key, all of the table.
        groups: of all rows.
        tasks: of the table.
        settings: test, level and reference.
    """

    def __init__(
        self, rows: Mapping[str, Row], groups: Sequence[Group], tasks: Sequence[str], settings: Settings
    ) -> None:
        self._rows, self._groups, self._settings = rows, groups, settings
        ranked = [row for row in rows.values() if row.may_rank]
        self.test = family([row.averages for row in ranked], settings.compare.test, settings.min_seeds)
        self._cells = cell_families(ranked, tasks, settings)

    def compared(self, row: Row) -> Row:
        """Add the differences to the reference, and the share of the gap between the bounds.

        A row of the reference method is compared with nothing.
        """
        name = self._settings.compare.reference
        row = self._shared(row)
        if row.method == name:
            return row
        reference = reference_for(row.group, self._groups, name)
        if reference is None:
            if any(other.method == name for other in self._rows.values()):
                return replace(row, notes=(*row.notes, f"no single {name} row fits, so no gain"))
            return row
        base, level = self._rows[reference.key], self._settings.ci.level
        cells = {
            task: replace(cell, gain=compare(cell.values, base.cells[task].values, self._cells[task], level))
            for task, cell in row.cells.items()
        }
        differs = unlike(row.group, reference)
        notes = [f"unlike its {name}: {', '.join(differs)}"] if differs else []
        if row.tuned and not base.tuned:
            notes.append(f"no search is recorded for its {name}")
        gain = compare(row.averages, base.averages, self.test, level)
        if gain is not None and gain.test == NO_SPREAD:
            notes.append(f"gain over {name}: all seeds give the same difference, so no interval")
        if base.chosen and not row.chosen:
            notes.append(f"its {name}: {base.chosen}")
        return replace(
            row,
            cells=cells,
            gain=gain,
            reference=reference,
            notes=(*row.notes, *notes),
        )

    def _shared(self, row: Row) -> Row:
        """Add the share of the gap between the bounds, which are the same whatever gains refer to."""
        lower = None if row.method == REFERENCE else reference_for(row.group, self._groups, REFERENCE)
        if row.upper_bound or lower is None:
            return row
        upper = reference_for(row.group, self._groups, BOUND)
        if upper is not None:
            base, bound = self._rows[lower.key], self._rows[upper.key]
            return replace(row, share=share_of_gap(row, base, bound, self._settings.ci.level))
        if any(other.method == BOUND for other in self._rows.values()):
            return replace(row, notes=(*row.notes, "no single target_only row fits, so no share of the gap"))
        return row
