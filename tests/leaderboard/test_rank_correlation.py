"""The weighted Spearman correlation against numbers worked out by hand and against scipy."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dabench.leaderboard.rank_correlation import (
    rank_weights,
    weighted_rank_correlation,
    weighted_spearman,
)

pairs = st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 20)), min_size=2, max_size=25)


def slow(scores: list[float], accuracies: list[float]) -> Fraction | None:
    """Square of the correlation with its sign, in exact fractions, straight from the definition."""

    def dense(values: list[float]) -> list[Fraction]:
        order = sorted(set(values))
        return [Fraction(order.index(value) + 1, len(order)) for value in values]

    w = [max(p, q) ** 2 for p, q in zip(dense(scores), dense(accuracies), strict=True)]

    def ranks(values: list[float]) -> list[Fraction]:
        found = []
        for value in values:
            equal = [w[j] for j, other in enumerate(values) if other == value]
            below = sum((w[j] for j, other in enumerate(values) if other < value), Fraction(0))
            found.append(below + Fraction(len(equal) + 1, 2) * sum(equal) / len(equal))
        return found

    def centred(values: list[Fraction]) -> list[Fraction]:
        mean = sum(a * b for a, b in zip(w, values, strict=True)) / sum(w)
        return [value - mean for value in values]

    x, y = centred(ranks(scores)), centred(ranks(accuracies))
    xy, xx, yy = (
        sum((a * b * c for a, b, c in zip(w, left, right, strict=True)), Fraction(0))
        for left, right in ((x, y), (x, x), (y, y))
    )
    return None if xx * yy == 0 else xy * abs(xy) / (xx * yy)


def test_by_hand() -> None:
    # Dense ranks over their maximum: (1/3, 2/3, 1) and (1/3, 1, 2/3); weights (1/9, 1, 1). Weighted ranks
    # (1, 10, 19)/9 and (1, 19, 10)/9; means both 262/171; centred products give -5/14.
    assert weighted_spearman([1, 2, 3], [1, 3, 2]) == pytest.approx(-5 / 14, abs=1e-15)


def test_a_mistake_among_the_bad_costs_less_than_one_among_the_good() -> None:
    truth = [1, 2, 3, 4, 5, 6]
    low, high = weighted_spearman([2, 1, 3, 4, 5, 6], truth), weighted_spearman([1, 2, 3, 4, 6, 5], truth)
    assert low > high
    assert stats.spearmanr([2, 1, 3, 4, 5, 6], truth)[0] == pytest.approx(
        stats.spearmanr([1, 2, 3, 4, 6, 5], truth)[0]
    )


@given(pairs)
def test_it_is_the_slow_definition(points: list[tuple[int, int]]) -> None:
    scores, accuracies = [float(a) for a, _ in points], [float(b) for _, b in points]
    expected, found = slow(scores, accuracies), weighted_spearman(scores, accuracies)
    if expected is None:
        assert math.isnan(found)
    else:
        assert found * abs(found) == pytest.approx(float(expected), abs=1e-9)


@given(pairs)
def test_with_equal_weights_it_is_scipys(points: list[tuple[int, int]]) -> None:
    left, right = ([float(point[side]) for point in points] for side in (0, 1))
    found = weighted_rank_correlation(left, right, np.full(len(points), 0.3))
    if len(set(left)) < 2 or len(set(right)) < 2:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(stats.spearmanr(left, right)[0], abs=1e-9)


@given(pairs, st.randoms(use_true_random=False))
def test_the_order_of_points_is_free(points: list[tuple[int, int]], random: object) -> None:
    shuffled = list(points)
    random.shuffle(shuffled)
    one, other = (
        weighted_spearman([a for a, _ in drawn], [b for _, b in drawn]) for drawn in (points, shuffled)
    )
    assert one == pytest.approx(other, abs=1e-9, nan_ok=True)


@given(pairs)
def test_only_the_order_of_scores_counts(points: list[tuple[int, int]]) -> None:
    scores, accuracies = np.array([float(a) for a, _ in points]), [b for _, b in points]
    plain = weighted_spearman(scores, accuracies)
    for bent in (np.exp(scores), 1e-3 * scores + 7, scores**3):
        assert weighted_spearman(bent, accuracies) == pytest.approx(plain, abs=1e-9, nan_ok=True)
    assert math.isnan(plain) or -1 <= plain <= 1


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20, unique=True))
def test_the_truth_itself_is_one_and_its_opposite_is_negative(values: list[float]) -> None:
    assert weighted_spearman(values, values) == pytest.approx(1)
    assert weighted_spearman([-value for value in values], values) < 0


@pytest.mark.parametrize("scores", [[], [0.5], [0.5, 0.5, 0.5]])
def test_where_there_is_no_order_there_is_no_number(scores: list[float]) -> None:
    assert math.isnan(weighted_spearman(scores, [0.1 * k for k in range(len(scores))]))


def test_constant_accuracies_have_no_order() -> None:
    assert math.isnan(weighted_spearman([1, 2, 3], [0.5, 0.5, 0.5]))


def test_mistakes_of_the_caller() -> None:
    with pytest.raises(ValueError, match="equal length"):
        weighted_spearman([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="finite"):
        weighted_spearman([1, math.nan], [1, 2])


def test_weights_are_the_square_of_the_higher_rank() -> None:
    assert rank_weights([5, 5, 9], [0.3, 0.1, 0.2]).tolist() == pytest.approx([1, 1 / 4, 1])
