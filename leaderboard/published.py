"""Numbers that papers print, in percent: shown in a section of their own, never mixed with measured runs.

They ship in ``published_results.csv``. Their selection rule is mostly unstated or looked at target labels,
and they have no seeds, so they have no interval and no rank; ``agreement`` sets them beside measured rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

__all__ = ["COLUMNS", "PublishedRow", "PublishedTable", "published_tables"]

FILE = Path(__file__).with_name("published_results.csv")
COLUMNS = (
    "suite", "method", "registry_name", "backbone", "kind", "key", "value", "metric", "selection",
    "source", "note",
)  # fmt: skip
# What one table has in common: rows of other sources or selection rules are not to be lined up with it.
ONE_TABLE = ["suite", "source", "backbone", "selection"]


@dataclass(frozen=True)
class PublishedRow:
    """One method: column to percent, and remarks on single figures."""

    method: str
    registry_name: str
    values: Mapping[str, float]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class PublishedTable:
    """One table of one source.

    Attributes:
        kinds: of each column, whether it is a task, a class or an average.
        metrics: of each column, accuracy or class_accuracy.
    """

    suite: str
    source: str
    backbone: str
    selection: str
    columns: tuple[str, ...]
    rows: tuple[PublishedRow, ...]
    kinds: Mapping[str, str]
    metrics: Mapping[str, str]


@cache
def published_tables() -> tuple[PublishedTable, ...]:
    """All published tables, by suite in the file's order.

    Raises:
        ValueError: the file that ships with dabench lacks a column.
    """
    frame = pd.read_csv(FILE, keep_default_na=False)
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise ValueError(f"{FILE.name} lacks the columns {missing}")
    groups = frame.groupby(ONE_TABLE, sort=False)
    tables = [_table([str(name) for name in key], part) for key, part in groups]
    suites = list(dict.fromkeys(frame["suite"]))
    return tuple(sorted(tables, key=lambda table: suites.index(table.suite)))


def _table(common: Sequence[str], part: pd.DataFrame) -> PublishedTable:
    suite, source, backbone, selection = common
    averages = part.loc[part["kind"] == "average", "key"]
    columns = dict.fromkeys([*part.loc[part["kind"] != "average", "key"], *averages])
    rows = []
    for (method, registry_name), lines in part.groupby(["method", "registry_name"], sort=False):
        values = {str(key): float(value) for key, value in zip(lines["key"], lines["value"], strict=True)}
        notes = _notes(dict(zip(lines["key"], lines["note"], strict=True)))
        rows.append(PublishedRow(str(method), str(registry_name), values, notes))
    kinds, metrics = (
        {str(key): str(value) for key, value in zip(part["key"], part[name], strict=True)}
        for name in ("kind", "metric")
    )
    keys = tuple(str(key) for key in columns)
    return PublishedTable(suite, source, backbone, selection, keys, tuple(rows), kinds, metrics)


def _notes(by_key: Mapping[str, str]) -> tuple[str, ...]:
    """A remark on every figure of a row once; others with the figure's column before them."""
    notes = {key: note for key, note in by_key.items() if note}
    if len(notes) == len(by_key) and len(set(notes.values())) == 1:
        return (next(iter(notes.values())),)
    return tuple(f"{key}: {note}" for key, note in notes.items())
