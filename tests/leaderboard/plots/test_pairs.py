"""The matrix of pairs: signs on both sides, p below, what is told apart."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dabench.leaderboard.boards import Reading
from dabench.leaderboard.plots.pairs import p_words, pairwise_matrix
from dabench.leaderboard.standings import Comparison, Standings
from dabench.leaderboard.statistics.intervals import Interval

VALUES = {
    "gsda": {"A->B": (0.70, 0.71, 0.72)},
    "dann": {"A->B": (0.60, 0.61, 0.62)},
    "cdan": {"A->B": (0.58, 0.59, 0.63)},
    "target_only": {"A->B": (0.98, 0.99, 0.98)},
}


@pytest.fixture
def reading(reading_of: Callable[..., Reading]) -> Reading:
    made = reading_of(VALUES)
    key = {row.method: row.group.key for row in made.table.rows}

    def pair(left: str, right: str, mean: float, adjusted: float | None, resolved: bool) -> Comparison:
        return Comparison(key[left], key[right], Interval(mean, 0.02, 3), "t", adjusted, adjusted, resolved)

    found = [
        pair("gsda", "dann", 0.10, 0.0004, True),
        pair("cdan", "gsda", -0.10, 0.034, True),  # stored the other way round
        pair("dann", "cdan", 0.0, 1.0, False),
        pair("gsda", "target_only", -0.27, None, False),
    ]
    return replace(
        made, standings=Standings("hand-made test", pairs={(one.left, one.right): one for one in found})
    )


def test_differences_above_and_p_below_the_diagonal(reading: Reading, tree: Any, at: Any) -> None:
    found = tree(pairwise_matrix(reading))
    assert found.words("name") == ["gsda", "dann", "cdan"]
    cells = {(at(one, "y"), at(one, "x")): one for one in found.all("text", "in")}
    ys, xs = sorted({y for y, _ in cells}), sorted({x for _, x in cells})
    by_place = {
        (ys.index(y), xs.index(x)): (text, "unsure" not in one.get("class"))
        for ((y, x), one), text in zip(cells.items(), found.words("in"), strict=True)
    }
    assert by_place == {
        (0, 1): ("+10", True), (0, 2): ("+10", True), (1, 2): ("0.0", False),
        (1, 0): ("<.01", True), (2, 0): (".034", True), (2, 1): ("1", False),
    }  # fmt: skip


def test_pairs_told_apart_are_framed(reading: Reading, tree: Any) -> None:
    found = tree(pairwise_matrix(reading))
    frames = {one.get("class"): one.get("d").count("M") for one in found.all("path", "pair")}
    assert frames == {"pair up": 2, "pair lower": 2, "pair self": 3}
    assert "2 of 3 pairs" in found.picture.text
    assert "gsda minus dann: +10.00 ±2.00, p <0.001" in found.picture.text
    assert "by the hand-made test" in found.picture.text
    assert any("n=3, told apart" in tip for tip in found.tips())


def test_upper_bounds_are_left_out_and_pairs_are_needed(reading: Reading, tree: Any) -> None:
    assert "target_only" not in tree(pairwise_matrix(reading)).words("name")
    assert pairwise_matrix(replace(reading, standings=Standings("none"))) is None


@pytest.mark.parametrize(
    ("p", "words"),
    [(0.0099, "<.01"), (0.01, ".010"), (0.0994, ".099"), (0.0996, ".10"), (0.994, ".99"), (0.999, "1")],
)
def test_p_in_few_letters(p: float, words: str) -> None:
    assert p_words(p) == words


def test_twenty_rows_stay_small(reading_of: Any) -> None:
    values = {f"method-{k}": {"A->B": (0.5 + 0.01 * k, 0.51 + 0.01 * k, 0.50)} for k in range(20)}
    picture = pairwise_matrix(reading_of(values))
    assert picture is not None
    assert len(picture.svg.encode()) < 40_000
