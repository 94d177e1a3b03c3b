"""What a change is called, on the page and in the terminal."""

from collections.abc import Iterable, Sequence

from dabench.leaderboard.against import CellChange, Changes, Place, Rescored, RowChange, beyond_noise
from dabench.leaderboard.statistics.intervals import Difference, Interval
from dabench.leaderboard.view import half_width, percent, points

__all__ = ["again", "averages", "noise", "place", "ranks", "rows_that_moved", "shift", "summary", "told"]

DASH = "–"
TO = " → "


def noise(difference: Difference | None) -> str:
    """Whether a difference is more than noise, in words; empty where nothing was compared."""
    if difference is None:
        return ""
    told = beyond_noise(difference)
    if told is None:
        return "too few seeds to tell"
    return "more than noise" if told else "within noise"


def shift(difference: Difference | None) -> str:
    """A difference in points with its interval; empty where nothing was compared."""
    if difference is None:
        return ""
    return f"{points(difference.interval.mean)} {half_width(difference.interval)}".strip()


def again(rescored: Sequence[Rescored]) -> str:
    """How many runs have another value under the same identity, and by how much at most; empty for none.

    >>> again([Rescored("A->B", 0, "", 0.9, 0.5), Rescored("A->B", 1, "", 0.5, 0.6)])
    'rescored, 2 runs, largest change −40.00 points'
    """
    if not rescored:
        return ""
    largest = max((one.now - one.before for one in rescored), key=abs)
    runs = f"{len(rescored)} run{'s' if len(rescored) > 1 else ''}"
    return f"rescored, {runs}, largest change {points(largest)} points"


def told(change: RowChange | CellChange) -> str:
    """All of a difference in one line: how much, of what, whether more than noise; or what was rescored."""
    if change.rescored or change.difference is None:
        return again(change.rescored)
    return f"{shift(change.difference)} ({change.measure}): {noise(change.difference)}"


def averages(before: Interval | None, now: Interval | None) -> str:
    """Two means in percent, or the one that there is.

    >>> averages(Interval(0.5, 0.01, 3), Interval(0.525, None, 1)), averages(None, Interval(0.5, 0.01, 3))
    ('50.00 → 52.50', '– → 50.00')
    """
    ends = [DASH if one is None else percent(one.mean) for one in (before, now)]
    return ends[0] if ends[0] == ends[1] else TO.join(ends)


def place(one: Place) -> str:
    """A rank and its interval: "3 (2–5)"."""
    if one.rank is None:
        return DASH
    if one.low is None or one.high is None:
        return str(one.rank)
    return f"{one.rank} ({one.low}{DASH}{one.high})" if one.low != one.high else f"{one.rank} ({one.low})"


def ranks(row: RowChange) -> str:
    """The rank before and now; once where it is the same."""
    before, now = place(row.place_before), place(row.place_now)
    return now if before == now else f"{before}{TO}{now}"


def rows_that_moved(rows: Iterable[RowChange]) -> tuple[RowChange, ...]:
    """All but those that are the same."""
    return tuple(row for row in rows if row.kind != "same")


def summary(changes: Changes) -> str:
    """All of it in one sentence."""
    kinds = [row.kind for board in changes.boards for row in board.rows]
    parts = [
        f"{kinds.count(kind)} {kind}" for kind in ("new", "changed", "moved", "removed") if kind in kinds
    ]
    if not parts:
        return f"Nothing has changed: {len(kinds)} rows are the same"
    rescored = changes.rescored
    more = f"; {rescored} run{'s' if rescored > 1 else ''} rescored" if rescored else ""
    return f"{', '.join(parts)} of {len(kinds)} rows{more}"
