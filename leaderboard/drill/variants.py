"""The configuration of a method over all its rows: each setting with its values, and where each came from."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.rows import Row

__all__ = ["Setting", "Variant", "names_of", "settings_of"]

MOST_VARIANTS = 8
DEFAULT = "default"
UNKNOWN = "–"
METHOD_VERSION = "method version"


@dataclass(frozen=True)
class Variant:
    """A value and its source, and the names of the rows that have it; none where all have."""

    value: str
    source: str
    rows: tuple[str, ...]


@dataclass(frozen=True)
class Setting:
    """One path of the configuration.

    Attributes:
        variants: distinct values with their sources, most frequent first, at most MOST_VARIANTS.
        more: how many others there are.
        usual: every row has the default.
    """

    path: str
    variants: tuple[Variant, ...]
    more: int
    usual: bool


def names_of(rows: Sequence[tuple[Reading, Row]]) -> tuple[str, ...]:
    """A name for each row among a method's rows: the suite, and what else tells the rows apart."""
    parts = [
        (table.suite, table.backbone, table.protocol, table.metric, row.group.label)
        for table, row in ((reading.table, row) for reading, row in rows)
    ]
    kept = [0]
    for place in range(1, 5):
        if len({_picked(one, [*kept, place]) for one in parts}) > len({_picked(one, kept) for one in parts}):
            kept.append(place)
    return tuple(", ".join(filter(None, _picked(one, kept))) for one in parts)


def _picked(parts: Sequence[str], places: Sequence[int]) -> tuple[str, ...]:
    return tuple(parts[place] for place in places)


def settings_of(rows: Sequence[tuple[Reading, Row]]) -> tuple[Setting, ...]:
    """All settings that any row has: what differs from the defaults first, then by path."""
    names = names_of(rows)
    found: dict[str, dict[tuple[str, str], list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, (_, row) in zip(names, rows, strict=True):
        provenance = row.group.provenance
        for path, value in row.group.settings.items():
            found[path][value, provenance.get(path, UNKNOWN)].append(name)
    found.pop(METHOD_VERSION, None)  # stands with the method's file
    made = [_setting(path, variants, len(rows)) for path, variants in found.items()]
    return tuple(sorted(made, key=lambda one: (one.usual, one.path)))


def _setting(path: str, variants: dict[tuple[str, str], list[str]], rows: int) -> Setting:
    ordered = sorted(variants.items(), key=lambda item: (-len(item[1]), item[0]))
    shown = tuple(
        Variant(value, source, () if len(names) == rows else tuple(names))
        for (value, source), names in ordered[:MOST_VARIANTS]
    )
    usual = all(source.startswith(DEFAULT) for _, source in variants)
    return Setting(path, shown, len(ordered) - len(shown), usual)
