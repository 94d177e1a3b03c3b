"""Intervals against numbers computed by hand and against scipy's own functions."""

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from dabench.leaderboard.statistics.intervals import (
    Difference,
    paired_share,
    t_interval,
)
from dabench.leaderboard.statistics.pairs import Family, compare

T_2 = 4.302652729911275  # 0.975 quantile of Student's t with two degrees of freedom, from tables
values = st.lists(st.floats(0, 1), min_size=2, max_size=12)


def test_anchor_of_70_71_74() -> None:
    interval = t_interval([70, 71, 74])
    assert interval.low == pytest.approx(66.50, abs=0.005)
    assert interval.high == pytest.approx(76.84, abs=0.005)
    assert interval.mean == pytest.approx(215 / 3)
    assert interval.half_width == pytest.approx(T_2 * math.sqrt(13 / 3) / math.sqrt(3))
    assert interval.n == 3


def test_one_value_has_no_interval() -> None:
    interval = t_interval([0.7])
    assert (interval.mean, interval.half_width, interval.low, interval.high, interval.n) == (
        0.7, None, None, None, 1,
    )  # fmt: skip


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99])
def test_interval_is_scipys(level: float) -> None:
    data = np.array([0.61, 0.58, 0.66, 0.63, 0.60])
    low, high = stats.t.interval(level, len(data) - 1, data.mean(), stats.sem(data))
    interval = t_interval(data, level)
    assert (interval.low, interval.high) == (pytest.approx(low), pytest.approx(high))


@pytest.mark.parametrize("wrong", [[], [[1.0, 2.0]], [1.0, float("nan")], [float("inf")]])
def test_values_that_are_none(wrong: list[float]) -> None:
    with pytest.raises(ValueError, match="values"):
        t_interval(wrong)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_level_outside_its_range(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        t_interval([1.0, 2.0], level)


def difference(left: Mapping[int, float], right: Mapping[int, float]) -> Difference | None:
    return compare(left, right, Family(), 0.95)


def test_paired_difference_is_scipys() -> None:
    left, right = [0.64, 0.675, 0.67], [0.55, 0.565, 0.55]
    found = difference(dict(enumerate(left)), dict(enumerate(right)))
    expected = stats.ttest_rel(left, right).confidence_interval(0.95)
    assert found is not None
    ends = found.interval.low, found.interval.high
    assert ends == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_welch_difference_is_scipys() -> None:
    left, right = [0.64, 0.675, 0.67, 0.66], [0.55, 0.58, 0.49]
    found = difference(dict(enumerate(left)), dict(enumerate(right, 10)))
    expected = stats.ttest_ind(left, right, equal_var=False).confidence_interval(0.95)
    assert found is not None
    ends = found.interval.low, found.interval.high
    assert ends == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert found.interval.n == 3


def test_shared_seeds_are_paired() -> None:
    # A seed effect of 0.1 common to both vanishes in pairs: differences are 0.02, 0.03, 0.01.
    found = difference({0: 0.52, 1: 0.63, 2: 0.71, 9: 0.9}, {0: 0.50, 1: 0.60, 2: 0.70, 7: 0.1})
    assert found is not None
    assert found.paired
    assert found.seeds == (0, 1, 2)
    assert found.interval.mean == pytest.approx(0.02)
    assert found.interval.half_width == pytest.approx(T_2 * 0.01 / math.sqrt(3))
    assert found.verdict == "unclear"


def test_without_shared_seeds_it_is_welch() -> None:
    found = difference({3: 0.70, 4: 0.71, 5: 0.72}, {0: 0.50, 1: 0.52, 2: 0.51})
    assert found is not None
    assert not found.paired
    assert found.verdict == "above"
    assert found.interval.kind == "Welch's t"


def test_single_seeds_have_a_difference_without_interval() -> None:
    shared = difference({0: 0.7}, {0: 0.5, 1: 0.9})
    assert shared is not None
    assert (shared.paired, shared.seeds, shared.interval.half_width) == (True, (0,), None)
    assert shared.interval.mean == pytest.approx(0.2)
    assert shared.verdict == "unclear"
    apart = difference({3: 0.7}, {0: 0.5, 1: 0.7})
    assert apart is not None
    assert (apart.paired, apart.interval.half_width) == (False, None)
    assert apart.interval.mean == pytest.approx(0.1)


def test_one_shared_seed_of_many_does_not_hide_the_rest() -> None:
    found = difference({0: 0.7, 1: 0.72}, {0: 0.5, 5: 0.52})
    assert found is not None
    assert not found.paired
    assert found.interval.half_width is not None


def test_nothing_to_compare() -> None:
    assert difference({}, {0: 0.5}) is None
    assert difference({0: 0.5}, {}) is None


def test_equal_deterministic_values_are_not_told_apart() -> None:
    found = difference({0: 0.1 + 0.2, 1: 0.1 + 0.2}, {0: 0.3, 1: 0.3})
    assert found is not None
    assert found.verdict == "unclear"  # 0.1 + 0.2 exceeds 0.3 by rounding alone


@given(values)
def test_interval_contains_the_mean_and_the_order_is_free(numbers: list[float]) -> None:
    interval = t_interval(numbers)
    assert interval.low is not None
    assert interval.high is not None
    assert interval.low <= interval.mean <= interval.high
    again = t_interval(sorted(numbers))
    assert again.mean == pytest.approx(interval.mean, abs=1e-12)
    assert again.half_width == pytest.approx(interval.half_width, abs=1e-9)


@given(values, st.floats(0.01, 100), st.floats(-10, 10))
def test_interval_follows_scale_and_shift(numbers: list[float], factor: float, shift: float) -> None:
    plain = t_interval(numbers)
    moved = t_interval([factor * number + shift for number in numbers])
    assert plain.half_width is not None
    assert moved.mean == pytest.approx(factor * plain.mean + shift, abs=1e-8)
    assert moved.half_width == pytest.approx(factor * plain.half_width, abs=1e-8)


@given(values, values)
def test_a_difference_changes_its_sign_with_the_sides(left: list[float], right: list[float]) -> None:
    one = difference(dict(enumerate(left)), dict(enumerate(right)))
    other = difference(dict(enumerate(right)), dict(enumerate(left)))
    assert one is not None
    assert other is not None
    assert one.interval.mean == pytest.approx(-other.interval.mean, abs=1e-12)
    assert one.interval.half_width == pytest.approx(other.interval.half_width, abs=1e-9)


def test_share_by_hand() -> None:
    # part (1, 3), whole (4, 6): means 2 and 5, both variances 2, covariance 2; q = 12.706 is too wide here,
    # so level 0.5 with q = 1 (Cauchy): (2 - 5 r)^2 <= (1 - r)^2, that is 24 r^2 - 18 r + 3 <= 0.
    share = paired_share([1, 3], [4, 6], level=0.5)
    assert share.value == pytest.approx(0.4)
    assert (share.low, share.high, share.n) == (pytest.approx(0.25), pytest.approx(0.5), 2)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.4, 1)), min_size=3, max_size=8))
def test_the_ends_of_a_share_are_where_the_t_test_turns(pairs: list[tuple[float, float]]) -> None:
    part, whole = (np.array([pair[side] for pair in pairs]) for side in (0, 1))

    def margin(ratio: float) -> float:
        """Below zero where scipy's t test does not reject that part is ratio times whole."""
        left = part - ratio * whole
        bound = stats.t.ppf(0.975, len(left) - 1) * left.std(ddof=1) / math.sqrt(len(left))
        return float(abs(left.mean()) - bound)

    share = paired_share(part, whole)
    told_apart = whole.mean() - stats.t.ppf(0.975, len(whole) - 1) * stats.sem(whole)
    if told_apart < 1e-3 or part.std() < 1e-3:
        return  # where the ends are ill-conditioned there is nothing to compare to many digits
    assert share.value is not None
    assert share.low is not None
    assert share.high is not None
    far = 10 * (share.high - share.low) + 1
    lower = optimize.brentq(margin, share.value - far, share.value, xtol=1e-12)
    upper = optimize.brentq(margin, share.value, share.value + far, xtol=1e-12)
    assert share.low == pytest.approx(lower, abs=1e-6)
    assert share.high == pytest.approx(upper, abs=1e-6)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(-0.2, 1)), min_size=2, max_size=8), st.floats(0.1, 100))
def test_a_share_has_no_unit(pairs: list[tuple[float, float]], factor: float) -> None:
    part, whole = (np.array([pair[side] for pair in pairs]) for side in (0, 1))
    one, scaled = paired_share(part, whole), paired_share(factor * part, factor * whole)
    if one.value is not None and scaled.value is not None and whole.mean() > 0.01:
        assert scaled.value == pytest.approx(one.value, rel=1e-6)
        assert one.low is None or one.low <= one.value <= one.high


@pytest.mark.parametrize(
    "whole", [[0.1, -0.1, 0.02], [-0.1, -0.11, -0.12], [0.0, 0.0, 0.0], [0.2, 0.001, 0.1]]
)
def test_a_gap_that_is_not_told_apart_from_zero_has_no_share(whole: list[float]) -> None:
    share = paired_share([0.05, 0.04, 0.06], whole)
    assert (share.value, share.low, share.high, share.n) == (None, None, None, 3)


def test_one_pair_has_a_share_without_interval() -> None:
    share = paired_share([0.1], [0.4])
    assert (share.value, share.low, share.high, share.n) == (pytest.approx(0.25), None, None, 1)
    with pytest.raises(ValueError, match="equal lengths"):
        paired_share([0.1, 0.2], [0.4])


def test_the_whole_of_itself_is_one() -> None:
    share = paired_share([0.3, 0.4, 0.35], [0.3, 0.4, 0.35])
    assert (share.value, share.low, share.high) == (
        pytest.approx(1), pytest.approx(1, abs=1e-6), pytest.approx(1, abs=1e-6),
    )  # fmt: skip
