"""The settings of a method over its rows: what differs from defaults first, each value with its rows."""

from collections.abc import Callable
from typing import Any

from dabench.leaderboard.boards import Reading, Site, Way, boards
from dabench.leaderboard.drill.variants import names_of, settings_of
from dabench.leaderboard.rows import Row
from dabench.leaderboard.settings import Settings
from dabench.records import Record


def rows_of(runs: list[Any]) -> list[tuple[Reading, Row]]:
    site = Site(boards(runs), {}, Settings())
    readings = [site.read(board, Way()) for board in site.boards]
    return [(reading, row) for reading in readings for row in reading.table.rows]


def test_a_value_that_all_rows_have_names_none(
    record: Callable[..., Record], runs_of: Callable[[list[Record]], Any]
) -> None:
    rows = rows_of(runs_of([record(), record(suite="other"), record(suite="third", config={"steps": 7})]))
    found = {one.path: one for one in settings_of(rows)}
    assert [(one.value, one.source, one.rows) for one in found["weights"].variants] == [("default", "–", ())]
    assert [(one.value, one.rows) for one in found["steps"].variants] == [
        ("500", ("other", "toy")),
        ("7", ("third",)),
    ]
    assert [path for path, one in found.items() if one.usual] == ["optimiser.lr"]
    assert [*found][-1] == "optimiser.lr"
    assert "method version" not in found


def test_names_say_no_more_than_is_needed(
    record: Callable[..., Record], runs_of: Callable[[list[Record]], Any]
) -> None:
    records = [record(), record(backbone="vit"), record(suite="other", protocol="inductive")]
    assert sorted(names_of(rows_of(runs_of(records)))) == [
        "other, resnet50.tv_in1k",
        "toy, resnet50.tv_in1k",
        "toy, vit",
    ]


def test_many_values_are_cut_and_counted(
    record: Callable[..., Record], runs_of: Callable[[list[Record]], Any]
) -> None:
    records = [record(suite=f"s{number}", config={"steps": number}) for number in range(11)]
    (steps,) = (one for one in settings_of(rows_of(runs_of(records))) if one.path == "steps")
    assert (len(steps.variants), steps.more) == (8, 3)
