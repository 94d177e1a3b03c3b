"""Accuracy against time: places, the front by hand, labels."""

import math
from itertools import pairwise
from typing import Any

import pytest

from dabench.leaderboard.plots.pareto import accuracy_against_time, front, training_seconds

VALUES = {
    "source_only": {"A->B": (0.50, 0.51, 0.52)},
    "slow": {"A->B": (0.70, 0.71, 0.72)},
    "beaten": {"A->B": (0.60, 0.61, 0.62)},
    "quick": {"A->B": (0.65, 0.66, 0.67)},
    "target_only": {"A->B": (0.99, 0.98, 0.99)},
}
SECONDS = {"source_only": 10.0, "quick": 20.0, "beaten": 40.0, "slow": 80.0, "target_only": 5.0}


def test_the_front_by_hand() -> None:
    assert front([(10, 51), (80, 71), (40, 61), (20, 66)]) == [0, 3, 1]
    assert front([(1, 5), (1, 7), (2, 7), (3, 7.1)]) == [
        1,
        3,
    ]  # equal cost: the better; equal value: the cheaper
    assert front([]) == []


def test_points_stand_where_they_belong_and_the_front_steps(
    reading_of: Any, tree: Any, axis: Any, at: Any
) -> None:
    found = tree(accuracy_against_time(reading_of(VALUES, **SECONDS)))
    y = axis(found, "y", ["50", "55", "60", "65", "70"])
    names = ["slow", "quick", "beaten", "source_only"]
    circles = found.all("circle", "mark")
    means = [71, 66, 61, 51]
    # The axis' numbers stand 4.5 below their line.
    assert [at(one, "cy") for one in circles] == pytest.approx([y(mean) - 4.5 for mean in means], abs=0.3)
    across = dict(zip(names, (at(one, "cx") for one in circles), strict=True))
    unit = (across["slow"] - across["source_only"]) / 3  # doublings
    assert across["quick"] - across["source_only"] == pytest.approx(unit, abs=0.2)
    path = found.one("path", "front").get("d")
    assert path.count("V") == 2  # source_only, quick, slow
    assert path.startswith(f"M{across['source_only']:g} ")
    leads = found.words("label lead")
    assert set(leads) == {"source_only", "quick", "slow"}
    assert "rows that none beats in both: source_only, quick, slow." in found.picture.text


def test_upper_bounds_are_left_out(reading_of: Any, tree: Any) -> None:
    found = tree(accuracy_against_time(reading_of(VALUES, **SECONDS)))
    assert "target_only" not in found.words("label")


def test_ticks_are_round_times_with_room_for_their_words(reading_of: Any, tree: Any, at: Any) -> None:
    found = tree(accuracy_against_time(reading_of(VALUES, source_only=50.0, quick=700.0, slow=9000.0)))
    ticks = {
        text: at(one, "x") for one, text in zip(found.all("text", "mid"), found.words("mid"), strict=True)
    }
    times = {text: x for text, x in ticks.items() if text.split(" ")[-1] in ("s", "min", "h")}
    assert "1 min" in times
    assert len(times) >= 4
    assert all(right - left > 55 for left, right in pairwise(sorted(times.values())))


def test_training_time_is_the_mean_over_runs(reading_of: Any) -> None:
    reading = reading_of(VALUES, **SECONDS)
    assert {row.method: training_seconds(row) for row in reading.table.rows} == SECONDS
    nothing = reading_of({"dann": {"A->B": (0.5, 0.6)}}, dann=0.0)
    assert training_seconds(nothing.table.rows[0]) is None


def test_two_rows_with_time_are_needed(reading_of: Any) -> None:
    assert accuracy_against_time(reading_of({"dann": {"A->B": (0.5, 0.6)}})) is None
    values = {"dann": {"A->B": (0.5, 0.6)}, "cdan": {"A->B": (0.5, 0.6)}}
    assert accuracy_against_time(reading_of(values, dann=0.0)) is None


def test_equal_times_and_averages_have_a_place(reading_of: Any, tree: Any, at: Any) -> None:
    values = {"dann": {"A->B": (0.5, 0.6)}, "cdan": {"A->B": (0.5, 0.6)}}
    found = tree(accuracy_against_time(reading_of(values)))
    assert all(math.isfinite(at(one, "cx")) for one in found.all("circle", "mark"))
