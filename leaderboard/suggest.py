"""Which runs would tell most: further seeds of neighbours that the table cannot tell apart."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from dabench.leaderboard.bounds import further_seeds
from dabench.leaderboard.standing_notes import row_name
from dabench.records import write_atomically

if TYPE_CHECKING:
    from dabench.leaderboard.boards import Reading

__all__ = ["Suggestion", "suggestions", "write_order"]


@dataclass(frozen=True)
class Suggestion:
    """Further seeds of two neighbours.

    Attributes:
        upper, lower: names of the rows.
        difference: of their averages, upper minus lower.
        needed: seeds of each that would settle the pair, see ``Comparison.seeds_needed``.
        seeds: those to run, in both rows, after the largest that either has.
        commands: one a row, as far as there is one.
        notes: what they lack.
    """

    suite: str
    backbone: str
    protocol: str
    upper: str
    lower: str
    difference: float
    needed: int
    seeds: tuple[int, ...]
    commands: tuple[str, ...]
    notes: tuple[str, ...]
    methods: tuple[str, ...]


def suggestions(readings: Sequence["Reading"], most: int) -> list[Suggestion]:
    """Neighbours that further seeds would part, the cheapest first.

    Args:
        readings: boards with their standings.
        most: seeds to add at most; pairs that need more are left out, for they may well be equal.
    """
    found = [one for reading in readings for one in _of(reading, most)]
    return sorted(found, key=lambda one: (len(one.seeds), one.suite, one.backbone, one.protocol))


def _of(reading: "Reading", most: int) -> Iterator[Suggestion]:
    table = reading.table
    ranked = [row for row in table.rows if row.group.key in reading.standings.rows]
    for upper, lower in pairwise(ranked):
        pair = reading.standings.pairs.get((upper.group.key, lower.group.key))
        if pair is None or pair.seeds_needed is None or pair.more_seeds is None or pair.more_seeds > most:
            continue
        first = 1 + max(run.record.seed for row in (upper, lower) for run in row.group.runs)
        seeds = tuple(range(first, first + pair.more_seeds))
        told = [further_seeds(row.group.runs, seeds) for row in (upper, lower)]
        yield Suggestion(
            table.suite, table.backbone, table.protocol, row_name(upper), row_name(lower),
            pair.interval.mean, pair.seeds_needed, seeds,
            tuple(command for command, _ in told if command), tuple(note for _, note in told if note),
            (upper.method, lower.method),
        )  # fmt: skip


def write_order(path: Path, found: Sequence[Suggestion]) -> None:
    """Write the suggestions as a file for ``dabench run --order``."""
    lines = [
        {"method": method, "suite": one.suite, "backbone": one.backbone, "seeds": list(one.seeds)}
        for one in found
        for method in dict.fromkeys(one.methods)
    ]
    write_atomically(path, (json.dumps(lines, indent=1) + "\n").encode())
