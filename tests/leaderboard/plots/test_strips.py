"""Every seed is drawn, and what went wrong is marked."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from dabench.leaderboard.plots.strips import collapsed_seeds, seed_strips, stacked
from dabench.leaderboard.rows import Cell

VALUES = {
    "source_only": {"A->B": (0.50, 0.52, 0.54), "B->A": (0.60, 0.60, 0.60)},
    "dann": {"A->B": (0.70, 0.72, 0.74), "B->A": (0.70, 0.70, 0.10)},
}


def test_a_circle_a_seed_at_its_value(reading_of: Any, tree: Any, axis: Any, at: Any) -> None:
    found = tree(seed_strips(reading_of(VALUES), "A->B"))
    x = axis(found, "x", ["50", "70"])
    places = [at(one, "cx") for one in found.all("circle", "seed")]
    assert places == pytest.approx([x(v) for v in (70, 72, 74, 50, 52, 54)], abs=0.2)
    assert found.words("number") == ["3", "70.00–74.00", "3", "50.00–54.00"]
    assert found.picture.name.startswith("seed-strips-a-b")


def test_averages_are_over_all_tasks(reading_of: Any, tree: Any) -> None:
    found = tree(seed_strips(reading_of(VALUES)))
    tips = [tip for tip in found.tips() if "seed" in tip]
    assert "source_only, seed 2: 57.00" in tips
    assert "dann, seed 0: 70.00" in tips


def test_collapsed_and_failed_seeds_are_crosses_and_counted(reading_of: Any, tree: Any) -> None:
    reading = reading_of(VALUES, failed=[("source_only", "A->B", 7), ("source_only", "B->A", 7)])
    rows = [
        replace(
            row, cells={**row.cells, "B->A": replace(row.cells["B->A"], collapsed=int(row.method == "dann"))}
        )
        for row in reading.table.rows
    ]
    reading = replace(reading, table=replace(reading.table, rows=tuple(rows)))
    found = tree(seed_strips(reading))
    assert len(found.all("path", "cross")) == 2
    assert len(found.all("circle", "seed")) == 5
    assert {"1 collapsed", "2 failed"} <= set(found.words("tick"))
    assert "dann, seed 2: 42.00, collapsed" in found.tips()
    assert "source_only: 2 failed runs" in found.tips()
    assert "source_only: 55.00–57.00 over 3 seeds, 2 failed" in found.picture.text


def test_the_lowest_seeds_are_the_collapsed_ones() -> None:
    assert collapsed_seeds(Cell({3: 0.5, 1: 0.1, 2: 0.2}, collapsed=2)) == [1, 2]
    assert collapsed_seeds(Cell({3: 0.5})) == []


def test_a_row_whose_runs_all_failed_keeps_its_lane(reading_of: Any, tree: Any) -> None:
    found = tree(seed_strips(reading_of(VALUES, failed=[("cdan", "A->B", 0)]), "A->B"))
    assert "cdan" in found.words("name")
    assert "cdan: no value, 1 failed" in found.picture.text


def test_upper_bounds_are_hollow(reading_of: Any, tree: Any) -> None:
    values = {**VALUES, "target_only": {"A->B": (0.9, 0.91), "B->A": (0.9, 0.91)}}
    assert len(tree(seed_strips(reading_of(values))).all("circle", "bound")) == 2


def test_stacked_marks_of_one_level_do_not_touch() -> None:
    places = [10.0, 11, 12, 13, 30, 31]
    levels = stacked(places, 5)
    assert levels == [0, 1, -1, 2, 0, 1]
    for level in set(levels):
        row = sorted(x for x, one in zip(places, levels, strict=True) if one == level)
        assert all(right - left >= 5 for left, right in itertools.pairwise(row))


def test_nothing_but_failures_is_no_picture(reading_of: Any) -> None:
    assert seed_strips(reading_of({}, failed=[("dann", "A->B", 0)])) is None
