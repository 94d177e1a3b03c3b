"""What is new, changed or removed against an older state of the results, and whether it exceeds the noise.

``compare`` is a pure function of two lists of readings. A row is the same row where method, configuration
and images agree; a method with one row left on either side has changed its configuration.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dabench.leaderboard.rows import Row, Table
from dabench.leaderboard.statistics.intervals import LEVEL, ROUNDING, Difference, Interval
from dabench.leaderboard.statistics.pairs import Family
from dabench.leaderboard.statistics.pairs import compare as compare_rows

if TYPE_CHECKING:
    from dabench.leaderboard.boards import Reading

__all__ = ["BoardChange", "CellChange", "Changes", "Kind", "Place", "Rescored", "RowChange", "compare"]

Kind = Literal["new", "removed", "changed", "moved", "same"]
Board = tuple[str, str, str, str]


@dataclass(frozen=True)
class Place:
    """Rank and rank interval of a row; ``rank`` is None where it takes no place."""

    rank: int | None = None
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True)
class Rescored:
    """One run, by its identity, that has another value now; values in [0, 1]."""

    task: str
    seed: int
    run_id: str
    before: float
    now: float


@dataclass(frozen=True)
class CellChange:
    """A row on one task.

    Attributes:
        before, now: intervals over seeds; None where there was or is no value.
        seeds: which seeds were added, removed or have other values, in words.
        difference: now minus before where other runs of the same seeds have other values, else added minus
            old seeds, or kept minus removed ones; None where there is nothing to compare. Nor where a run was
            rescored: that the same run has another value is no matter of noise.
        measure: what ``difference`` is, in words: not always that of the two averages.
        rescored: runs of the same identity with other values.
    """

    task: str
    kind: Kind
    before: Interval | None
    now: Interval | None
    seeds: str = ""
    difference: Difference | None = None
    measure: str = ""
    rescored: tuple[Rescored, ...] = ()


@dataclass(frozen=True)
class RowChange:
    """One row of a board.

    Attributes:
        kind: ``moved`` where only its rank is another, since other rows have changed.
        settings: how its configuration differs from the older one's; empty where it does not.
        before, now: its averages.
        seeds, difference, measure: as of a cell, for the averages.
        cells: those that are not the same.
        rescored: runs of the same identity with other values.
    """

    method: str
    label: str
    kind: Kind
    settings: str = ""
    before: Interval | None = None
    now: Interval | None = None
    place_before: Place = Place()
    place_now: Place = Place()
    seeds: str = ""
    difference: Difference | None = None
    measure: str = ""
    cells: tuple[CellChange, ...] = ()
    rescored: tuple[Rescored, ...] = ()

    @property
    def beyond_noise(self) -> bool | None:
        """Whether the whole interval of the difference lies on one side of zero; None without an interval."""
        return beyond_noise(self.difference)

    @property
    def rank_told_apart(self) -> bool:
        """Whether the rank intervals before and now do not overlap."""
        before, now = self.place_before, self.place_now
        if before.low is None or before.high is None or now.low is None or now.high is None:
            return False
        return before.high < now.low or now.high < before.low


@dataclass(frozen=True)
class BoardChange:
    """One suite, backbone, protocol and metric; new and removed boards list their rows as such."""

    suite: str
    backbone: str
    protocol: str
    metric: str
    kind: Kind
    rows: tuple[RowChange, ...]
    tasks: int = 0

    def of(self, *kinds: Kind) -> tuple[RowChange, ...]:
        """The rows of some kinds."""
        return tuple(row for row in self.rows if row.kind in kinds)


@dataclass(frozen=True)
class Changes:
    """Everything, board by board; ``older`` names what it was compared with."""

    boards: tuple[BoardChange, ...]
    older: str = ""

    @property
    def any(self) -> bool:
        """Whether anything is not the same."""
        return any(row.kind != "same" for board in self.boards for row in board.rows)

    @property
    def rescored(self) -> int:
        """Number of runs that have another value under the same identity."""
        return sum(len(row.rescored) for board in self.boards for row in board.rows)


def compare(
    old: Iterable["Reading"], new: Iterable["Reading"], older: str = "", level: float = LEVEL
) -> Changes:
    """Compare two states of the results, each board in one reading.

    Args:
        old: the older state.
        new: the newer one, whose order is kept; boards that are gone come last.
        older: how pages name the older state.
        level: of the intervals.
    """
    before = {_board(reading.table): reading for reading in old}
    boards = []
    for reading in new:
        earlier = before.pop(_board(reading.table), None)
        rows = _rows(earlier, reading, level)
        kind: Kind = "new" if earlier is None else _worst(row.kind for row in rows)
        boards.append(BoardChange(*_board(reading.table), kind, tuple(rows), len(reading.table.tasks)))
    for board, earlier in sorted(before.items()):
        gone = tuple(_gone(row, earlier) for row in earlier.table.rows)
        boards.append(BoardChange(*board, "removed", gone, len(earlier.table.tasks)))
    return Changes(tuple(boards), older)


def beyond_noise(shift: Difference | None) -> bool | None:
    """Whether a difference is told apart from zero; None where there is no interval to tell by."""
    if shift is None or shift.interval.half_width is None:
        return None
    return shift.verdict != "unclear"


def _board(table: Table) -> Board:
    return table.suite, table.backbone, table.protocol, table.metric


def _worst(kinds: Iterable[Kind]) -> Kind:
    return "same" if set(kinds) <= {"same"} else "changed"


def _rows(old: "Reading | None", new: "Reading", level: float) -> list[RowChange]:
    matched = _matched(old.table.rows if old else (), new.table.rows)
    rows = []
    for row in new.table.rows:
        earlier = matched.pop(row.group.key, None)
        if earlier is None or old is None:
            rows.append(
                RowChange(row.method, row.group.label, "new", now=row.average, place_now=_place(row, new))
            )
        else:
            rows.append(_changed(earlier, old, row, new, level))
    return [*rows, *(_gone(row, old) for row in matched.values() if old)]


def _gone(row: Row, old: "Reading") -> RowChange:
    return RowChange(
        row.method, row.group.label, "removed", before=row.average, place_before=_place(row, old)
    )


def _matched(old: Sequence[Row], new: Sequence[Row]) -> dict[str, Row]:
    """Older rows by the key of the newer row that each became; those that are gone by a key of their own."""
    left, waiting = {row.group.key: row for row in old}, {row.group.key: row for row in new}
    found = {key: left.pop(key) for key in [*left] if key in waiting}
    waiting = {key: row for key, row in waiting.items() if key not in found}
    for same in (_same_configuration, _same_method):
        for key, row in [*waiting.items()]:
            fitting = [one for one in left.values() if same(one, row)]
            rivals = [one for one in waiting.values() if same(one, row)]
            if len(fitting) == 1 and len(rivals) == 1:
                found[key] = left.pop(fitting[0].group.key)
                del waiting[key]
    return found | {f"gone {key}": row for key, row in left.items()}


def _same_configuration(one: Row, other: Row) -> bool:
    """One configuration on images of which no domain is known to differ."""
    mine, theirs = one.group.images, other.group.images
    agree = all(mine[name] == theirs[name] for name in mine.keys() & theirs.keys())
    return agree and one.group.configuration == other.group.configuration and _same_method(one, other)


def _same_method(one: Row, other: Row) -> bool:
    return (one.method, one.upper_bound) == (other.method, other.upper_bound)


def _place(row: Row, reading: "Reading") -> Place:
    standing = reading.standings.rows.get(row.group.key)
    if row.rank is None or standing is None:
        return Place(row.rank)
    return Place(row.rank, standing.low, standing.high)


def _changed(old: Row, before: "Reading", new: Row, now: "Reading", level: float) -> RowChange:
    rescored = tuple(_rescored(old, new))
    cells = tuple(_cells(old, new, level, rescored))
    places = _place(old, before), _place(new, now)
    settings = "" if old.group.configuration == new.group.configuration else _settings(old, new)
    if cells or rescored or settings:
        kind: Kind = "changed"
    else:
        kind = "same" if places[0] == places[1] else "moved"
    seeds, shift, measure = _moved(old.averages, new.averages, level)
    if rescored:
        shift, measure = None, ""
    return RowChange(
        new.method, new.group.label, kind, settings, old.average, new.average, *places, seeds, shift,
        measure, cells, rescored,
    )  # fmt: skip


def _settings(old: Row, new: Row) -> str:
    """In which settings two rows differ, as far as the older state tells its settings."""
    mine, theirs = old.group.settings, new.group.settings
    differing = [path for path in sorted(mine.keys() & theirs.keys()) if mine[path] != theirs[path]]
    words = ", ".join(f"{path} {mine[path]} to {theirs[path]}" for path in differing[:4])
    more = f" and {len(differing) - 4} more" if len(differing) > 4 else ""
    return f"other configuration: {words}{more}" if words else "other configuration or images"


def _cells(old: Row, new: Row, level: float, rescored: Sequence[Rescored]) -> Iterator[CellChange]:
    """The tasks on which anything has changed."""
    for task in dict.fromkeys((*new.cells, *old.cells)):
        before, now = old.cells.get(task), new.cells.get(task)
        values = (before.values if before else {}), (now.values if now else {})
        seeds, shift, measure = _moved(*values, level)
        again = tuple(one for one in rescored if one.task == task)
        if again:
            shift, measure = None, ""
        if seeds:
            kind: Kind = "changed" if all(values) else "new" if values[1] else "removed"
            intervals = before.interval if before else None, now.interval if now else None
            yield CellChange(task, kind, *intervals, seeds, shift, measure, again)


def _moved(
    old: Mapping[int, float], new: Mapping[int, float], level: float
) -> tuple[str, Difference | None, str]:
    """Which seeds differ, in words, the difference that tells whether it is more than noise, and its name."""
    shared = old.keys() & new.keys()
    other = {seed for seed in shared if abs(old[seed] - new[seed]) > ROUNDING}
    added = {seed: new[seed] for seed in new.keys() - shared}
    removed = {seed: old[seed] for seed in old.keys() - shared}
    parts = ((added, "added"), (removed, "removed"), (other, "with another value"))
    words = "; ".join(f"{_seeds(seeds)} {what}" for seeds, what in parts if seeds)
    if not words or not old or not new:
        return words, None, ""
    measure = "kept seeds minus removed"
    left: Mapping[int, float] = new
    right: Mapping[int, float] = removed
    if other:  # the same seeds before and now: pairs
        left, right = {seed: new[seed] for seed in shared}, {seed: old[seed] for seed in shared}
        measure = "now minus before, seed by seed"
    elif added:
        left, right = added, removed or old
        measure = f"new seeds minus {'removed' if removed else 'old'}"
    return words, compare_rows(left, right, Family(), level), measure


def _seeds(seeds: Iterable[int]) -> str:
    listed = [str(seed) for seed in sorted(seeds)]
    return f"seed{'s' if len(listed) > 1 else ''} {', '.join(listed)}"


def _rescored(old: Row, new: Row) -> Iterator[Rescored]:
    """Runs of one identity whose value by the row's rule was another."""
    before = {run.record.run_id: old.choices[run.file].value for run in old.used}
    for run in new.used if old.rule == new.rule else ():
        was, now = before.get(run.record.run_id), new.choices[run.file].value
        if was is not None and now is not None and abs(was - now) > ROUNDING:
            yield Rescored(run.record.task, run.record.seed, run.record.run_id, was, now)
