"""The heat map: numbers, shades, and what is missing."""

from collections.abc import Callable
from typing import Any

import pytest

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.plots.heat import gain_heat_map
from dabench.leaderboard.view import heat
from dabench.records import Record


def test_each_cell_has_its_number_and_shade(reading_of: Any, tree: Any, at: Any) -> None:
    values = {
        "source_only": {"A->B": (0.50, 0.50, 0.50), "B->A": (0.50, 0.50, 0.50)},
        "dann": {"A->B": (0.53, 0.531, 0.53), "B->A": (0.38, 0.37, 0.39)},
    }
    found = tree(gain_heat_map(reading_of(values)))
    assert found.words("tick")[:3] == ["A→B", "B→A", "mean"]
    assert found.words("in") == ["+3.0", "−12", "−4.5"]
    left = [at(one, "x") for one in found.all("text", "in")]
    drawn = {one.get("class").split()[1]: one.get("d") for one in found.all("path", "cell")}
    assert set(drawn) == {"p2", "m4", "m2"}
    for shade, centre in zip(("p2", "m4", "m2"), left, strict=True):
        start = float(drawn[shade][1:].split(" ")[0])
        width = float(drawn[shade].split("h")[1].split("v")[0])
        assert start + width / 2 == pytest.approx(centre, abs=0.2)
    assert heat(0.03) == "p2"


def test_bold_where_the_interval_excludes_zero(reading_of: Any, tree: Any) -> None:
    values = {
        "source_only": {"A->B": (0.50, 0.51, 0.52), "B->A": (0.50, 0.51, 0.52)},
        "dann": {"A->B": (0.60, 0.611, 0.62), "B->A": (0.40, 0.60, 0.55)},
    }
    found = tree(gain_heat_map(reading_of(values)))
    sure = [("sure" in one.get("class")) for one in found.all("text", "in")]
    assert sure == [True, False, False]


def test_missing_cells_are_dashes_and_bounds_stand_apart(
    read: Callable[..., Reading], small_sweep: list[Record], tree: Any, at: Any
) -> None:
    found = tree(gain_heat_map(read(small_sweep)))
    assert found.words("name") == ["gsda", "dann", "cdan", "cdan+e", "target_only"]
    rows = [at(one, "y") for one in found.all("text", "name")]
    assert rows[4] - rows[3] == pytest.approx(rows[1] - rows[0] + 6)
    assert "–" in found.words("tick")
    assert "gsda: +10.67 on average, from +0.67 on B→A to +20.67 on A→B." in found.picture.text


def test_a_single_task_has_no_column_of_means(reading_of: Any, tree: Any) -> None:
    values = {"source_only": {"A->B": (0.5, 0.5)}, "dann": {"A->B": (0.6, 0.61)}}
    found = tree(gain_heat_map(reading_of(values)))
    assert "mean" not in found.words("tick")
    assert found.words("in") == ["+10"]


def test_without_a_reference_there_is_none(reading_of: Any) -> None:
    assert gain_heat_map(reading_of({"dann": {"A->B": (0.6, 0.61)}})) is None


def test_twenty_rows_and_twelve_tasks_stay_small(reading_of: Any) -> None:
    tasks = [f"{a}->{b}" for a in "ACPR" for b in "ACPR" if a != b]
    names = ["source_only", *(f"method-{k}" for k in range(20))]
    values = {
        name: {task: (0.5 + 0.01 * k, 0.51 + 0.01 * k, 0.5) for task in tasks} for k, name in enumerate(names)
    }
    picture = gain_heat_map(reading_of(values))
    assert picture is not None
    assert picture.wide
    assert len(picture.svg.encode()) < 40_000
