"""The forest plot shows each average where it belongs."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.plots.dots import interval_dots
from dabench.leaderboard.settings import Ci, Settings
from dabench.leaderboard.standings import Standing, Standings
from dabench.leaderboard.statistics.intervals import t_interval
from dabench.records import Record


@pytest.fixture
def found(read: Callable[..., Reading], small_sweep: list[Record], tree: Any) -> Any:
    return tree(interval_dots(read(small_sweep)))


def test_marks_stand_at_the_means_and_their_shape_tells_the_kind(found: Any, axis: Any, at: Any) -> None:
    x = axis(found, "x", ["60", "80"])
    means = {"gsda": 66.167, "dann": 62.667, "source_only": 55.5, "cdan": 49.5}
    circles = found.all("circle", "mark full")
    assert [at(one, "cx") for one in circles] == pytest.approx([x(mean) for mean in means.values()], abs=0.3)
    assert found.words("name") == [*means, "target_only"]
    diamond = found.one("path", "mark diamond").get("d")
    left, _, rest = diamond[1:].partition(" ")
    assert float(left) + 6.25 == pytest.approx(x(96.333), abs=0.3)
    assert rest


def test_whiskers_are_the_intervals(found: Any, axis: Any) -> None:
    x = axis(found, "x", ["60", "80"])
    interval = t_interval([62, 64.5, 61.5])  # dann
    path = found.all("path", "whisker")[1].get("d")
    start, rest = path[1:].split(" ", 1)
    end = rest.split("H")[1].split("M")[0]
    assert float(start) == pytest.approx(x(interval.low), abs=0.3)
    assert float(end) == pytest.approx(x(interval.high), abs=0.3)


def test_numbers_are_those_of_the_table(found: Any) -> None:
    # A row each: rank, seeds, mean and half-width; the incomplete row has no average, hence no lane.
    rows = [found.words("number")[k : k + 3] for k in range(0, 15, 3)]
    assert [row[1] for row in rows] == ["3"] * 5
    assert next(row[2] for row in rows).startswith("66.17 ±")
    assert rows[4][0] == "bound"
    assert "cdan+e" not in found.words("name")


def test_the_reference_is_a_dashed_line(found: Any, axis: Any) -> None:
    x = axis(found, "x", ["60", "80"])
    path = found.one("path", "reference").get("d")
    assert float(path[1:].split(" ")[0]) == pytest.approx(x(55.5), abs=0.3)


def test_rank_intervals_come_from_the_standings(read: Any, small_sweep: list[Record], tree: Any) -> None:
    reading = read(small_sweep)
    keys = {row.method: row.group.key for row in reading.table.rows}
    standings = Standings("a test", {keys["gsda"]: Standing(1, 2), keys["dann"]: Standing(2, 2)})
    found = tree(interval_dots(replace(reading, standings=standings)))
    assert found.words("number")[0] == "1–2"
    assert found.words("number")[3] == "2"
    half = 100 * (t_interval([0.64, 0.675, 0.67]).half_width or 0)
    assert f"gsda: 66.17 ±{half:.2f} (3 seeds, rank 1–2)" in found.picture.text


def test_rows_with_too_few_seeds_are_hollow_and_a_wide_interval_is_cut(reading_of: Any, tree: Any) -> None:
    values = {
        "source_only": {"A->B": (0.50, 0.51, 0.52)},
        "dann": {"A->B": (0.60, 0.61, 0.62)},
        "cdan": {"A->B": (0.50, 0.60)},  # an interval of +-63.5 points
    }
    found = tree(interval_dots(reading_of(values)))
    assert len(found.all("circle", "full")) == 2
    assert len(found.all("circle", "hollow")) == 1
    cut = found.all("path", "whisker")[1].get("d")
    assert "l-4 4 4 4" in cut  # arrow heads instead of caps
    assert "l4 4 -4 4" in cut
    assert "cdan: 55.00 ±63.53 (2 seeds, not ranked)" in found.picture.text


def test_one_seed_has_no_whisker(reading_of: Any, tree: Any) -> None:
    found = tree(interval_dots(reading_of({"dann": {"A->B": (0.6,)}})))
    assert found.all("path", "whisker") == []
    assert found.words("number") == ["–", "1", "60.00"]


def test_the_level_is_named(reading_of: Any, tree: Any) -> None:
    reading = reading_of({"dann": {"A->B": (0.6, 0.61)}})
    settings = Settings(ci=Ci(level=0.9))
    found = tree(interval_dots(replace(reading, table=replace(reading.table, settings=settings))))
    assert "90 % Student-t intervals over seeds" in found.picture.text


def test_no_average_no_picture(reading_of: Any) -> None:
    values = {"dann": {"A->B": (0.6, 0.7)}, "source_only": {"B->A": (0.5, 0.5)}}
    assert interval_dots(reading_of(values)) is None


def test_of_many_rows_the_first_thirty_are_shown_and_the_bounds(reading_of: Any, tree: Any) -> None:
    values = {f"m{k:02}": {"A->B": (0.5 + k / 100, 0.501 + k / 100)} for k in range(40)}
    values |= {"source_only": {"A->B": (0.1, 0.11)}, "target_only": {"A->B": (0.99, 0.98)}}
    found = tree(interval_dots(reading_of(values)))
    names = found.words("name")
    assert len(names) == 30
    assert names[-2:] == ["source_only", "target_only"]
    assert "12 rows of the table left out." in found.picture.text
