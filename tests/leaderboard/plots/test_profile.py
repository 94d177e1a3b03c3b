"""Performance profiles by hand."""

from typing import Any

import pytest

from dabench.leaderboard.plots.profile import gains_of, performance_profile, profile_steps

VALUES = {
    "source_only": {"A->B": (0.50, 0.50), "B->A": (0.50, 0.50)},
    "dann": {"A->B": (0.60, 0.50), "B->A": (0.45, 0.60, 0.99)},
}


def test_gains_are_paired_by_task_and_seed(reading_of: Any) -> None:
    reading = reading_of(VALUES)
    rows = {row.method: row for row in reading.table.rows}
    # The third seed of B->A has no partner.
    assert gains_of(reading.table, rows["dann"]) == pytest.approx([10, 0, -5, 10])
    assert gains_of(reading.table, rows["source_only"]) == []


def test_steps_by_hand() -> None:
    assert profile_steps([10, 0, -5, 10]) == [(-5, 0.75), (0, 0.5), (10, 0)]


def test_the_line_falls_at_each_gain(reading_of: Any, tree: Any, at: Any) -> None:
    found = tree(performance_profile(reading_of(VALUES)))
    assert found.words("name") == ["dann"]
    assert found.words("number") == ["2/4"]
    path = next(one for one in found.all("path") if one.get("id") == "performance-profile-0").get("d")
    heights = [float(part.split("H")[0]) for part in path.split("V")[1:]]
    assert heights == [66 * 0.25, 66 * 0.5, 66]  # from the top: 1 - part
    places = [float(part.split("V")[0]) for part in path.split("H")[1:-1]]
    ticks = {
        text: at(one, "x") for one, text in zip(found.all("text", "mid"), found.words("mid"), strict=True)
    }
    assert places[1] == pytest.approx(ticks["0"], abs=0.1)
    assert places[2] == pytest.approx(ticks["+10"], abs=0.1)
    assert "dann: above zero in 2 of 4 runs, median +5 points" in found.picture.text


def test_every_panel_uses_the_lines_of_all(reading_of: Any, tree: Any) -> None:
    values = {**VALUES, "cdan": VALUES["dann"], "gsda": VALUES["dann"]}
    found = tree(performance_profile(reading_of(values)))
    uses = [one.get("href") for one in found.all("use")]
    assert uses.count("#performance-profile-all") == 3
    ids = {one.get("id") for one in found.root.iter()}
    assert {use[1:] for use in uses} <= ids


def test_without_shared_runs_there_is_none(reading_of: Any) -> None:
    assert performance_profile(reading_of({"dann": {"A->B": (0.6,)}})) is None
