"""GSDA's ablation ladder."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from dabench.leaderboard.plots.ladder import RUNGS, ablation_ladder
from dabench.leaderboard.standings import Comparison, Standings
from dabench.leaderboard.statistics.intervals import Interval

METHODS = [method for method, _ in RUNGS]
VALUES = {
    method: {"A->B": (0.50 + 0.05 * k, 0.51 + 0.05 * k, 0.52 + 0.05 * k)} for k, method in enumerate(METHODS)
}


def test_rungs_stand_in_the_papers_order_with_their_steps(reading_of: Any, tree: Any) -> None:
    found = tree(ablation_ladder(reading_of(VALUES)))
    assert found.words("name") == METHODS
    steps = [word for word in found.words("number") if "±" not in word]
    assert steps == ["+5.00"] * 4


def test_steps_come_from_the_standings_in_either_direction(reading_of: Any, tree: Any) -> None:
    reading = reading_of(VALUES)
    key = {row.method: row.group.key for row in reading.table.rows}
    pairs = [
        Comparison(key["gsda-glb"], key["source_only"], Interval(0.0123, 0.01, 3), "t"),
        Comparison(key["gsda-glb"], key["gsda-glb-cls"], Interval(-0.02, 0.004, 3), "t"),
    ]
    standings = Standings("t", pairs={(one.left, one.right): one for one in pairs})
    found = tree(ablation_ladder(replace(reading, standings=standings)))
    assert [word for word in found.words("number") if "±" not in word][:2] == ["+1.23", "+2.00"]
    assert (
        "gsda-glb-cls (+ class): 61.00 ±2.48, +2.00 ±0.40 points against the rung above" in found.picture.text
    )


def test_bars_lead_from_mean_to_mean(reading_of: Any, tree: Any, axis: Any) -> None:
    found = tree(ablation_ladder(reading_of(VALUES)))
    x = axis(found, "x", ["50", "55", "60", "65", "70"])
    bars = [one.split("H") for one in found.one("path", "step").get("d").split("M")[1:]]
    ends = [(float(start.split(" ")[0]), float(end)) for start, end in bars]
    expected = [(x(a), x(b)) for a, b in pairwise([51, 56, 61, 66, 71])]
    assert np.allclose(ends, expected, atol=0.2)


def test_missing_rungs_are_skipped_but_two_are_needed(reading_of: Any, tree: Any) -> None:
    two = {method: VALUES[method] for method in ("gsda-glb", "gsda")}
    assert tree(ablation_ladder(reading_of(two))).words("name") == ["gsda-glb", "gsda"]
    assert ablation_ladder(reading_of({m: VALUES[m] for m in ("source_only", "gsda")})) is None


def test_of_several_rows_the_one_with_the_last_rungs_settings_counts(
    record: Any, read: Any, tree: Any
) -> None:
    records = [
        record(
            method, "A->B", seed, values["A->B"][seed] + (0.2 if steps == 900 else 0), config={"steps": steps}
        )
        for method, values in VALUES.items()
        for steps in ((500, 900) if method == "gsda-glb" else (500,))
        for seed in range(3)
    ]
    found = tree(ablation_ladder(read(records, ("A->B",))))
    assert found.words("name")[1] == "gsda-glb (steps=500)"
    assert "differ in other settings" not in found.picture.text
