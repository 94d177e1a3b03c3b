"""What a table's foot says of its numbers: seed effect, usual spread, collapses, stability, resolution."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from dabench.leaderboard.rows import Row, Table

if TYPE_CHECKING:
    from dabench.leaderboard.standings import Comparison, Standings

__all__ = ["place_span", "row_name", "standing_notes"]

MOST_NEIGHBOURS = 3


def row_name(row: Row) -> str:
    """The row's name on pages: its method, and what parts it from its siblings."""
    return f"{row.method} ({row.group.label})" if row.group.label else row.method


def place_span(row: Row, standings: "Standings") -> str:
    """The rank interval of a row, its rank where there is none; empty where it is not ranked."""
    standing = standings.rows.get(row.group.key)
    if standing is None:
        return "" if row.rank is None else str(row.rank)
    return str(standing.low) if standing.low == standing.high else f"{standing.low}–{standing.high}"


def standing_notes(table: Table, ranked: Sequence[Row], standings: "Standings") -> tuple[str, ...]:
    """Sentences for the table's foot; ``ranked`` in the order of the table."""
    return (
        *_spread(table, standings),
        *_resolution(standings),
        *_separate(ranked, standings.pairs),
        *_stability(ranked, standings),
        *_collapses(table),
    )


def _spread(table: Table, standings: "Standings") -> Iterator[str]:
    design, prior = standings.design, table.test.prior
    if design is not None and design.spread is not None:
        spread = _points(design.spread)
        yield f"The average of a row varies over seeds by {spread} points (SD, median over rows)."
    if prior is not None:
        weight = float(prior.freedom)
        counts = "all rows alike" if weight == float("inf") else f"worth {weight:.1f} degrees of freedom"
        spread = _points(prior.spread)
        yield f"Prior of the moderated t: the difference of two rows has an SD of {spread} points, {counts}."
    if standings.shared_seed is not None:
        part = f"{100 * standings.shared_seed:.0f} %"
        yield (
            f"Of the variance over seeds, an estimated {part} at least is shared by all tasks of a row "
            "(more where tasks differ much in spread; intervals that take tasks for independent miss it, "
            "the default one does not)."
        )


def _resolution(standings: "Standings") -> Iterator[str]:
    design = standings.design
    if design is None or not design.smallest:
        return
    need = f"; 1 point needs {design.seeds_for_a_point} seeds a row" if design.seeds_for_a_point else ""
    smallest = _points(design.smallest)
    yield (
        f"With {design.seeds} seeds one comparison finds a true difference of {smallest} points with "
        f"power 0.8{need}."
    )


def _separate(ranked: Sequence[Row], pairs: Mapping[tuple[str, str], "Comparison"]) -> Iterator[str]:
    """How many more seeds would part neighbours, best places first."""
    said = 0
    for upper, lower in pairwise(ranked):
        pair = pairs.get((upper.group.key, lower.group.key))
        if pair is not None and pair.more_seeds is not None and said < MOST_NEIGHBOURS:
            said += 1
            names = f"{row_name(upper)} and {row_name(lower)}"
            seeds = f"{pair.more_seeds} more seed{'s' if pair.more_seeds > 1 else ''}"
            yield f"Run {seeds} of {names} to separate them (power 0.8 after Holm's correction)."


def _stability(ranked: Sequence[Row], standings: "Standings") -> Iterator[str]:
    moved = []
    for row in ranked:
        ends = standings.rows[row.group.key].without_a_task
        if ends is not None and ends != (row.rank, row.rank):
            moved.append(row)
    if len(ranked) < 2 or standings.rows[ranked[0].group.key].without_a_task is None:
        return
    if not moved:
        yield "Leaving out any one task changes no rank."
        return
    firsts = [
        row_name(row) for row in ranked if (standings.rows[row.group.key].without_a_task or (0,))[0] == 1
    ]
    yield (
        f"Leaving out any one task changes the rank of {len(moved)} of {len(ranked)} rows; "
        f"first place: {', '.join(firsts)}."
    )


def _collapses(table: Table) -> Iterator[str]:
    done = sum(len(cell.values) for row in table.rows for cell in row.cells.values())
    count = sum(row.collapsed for row in table.rows)
    if count:
        yield (
            f"{count} of {done} finished runs collapsed (near chance, or at most half of the row's median): "
            "no interval tells of them."
        )


def _points(value: float) -> str:
    return f"{100 * value:.2f}"
