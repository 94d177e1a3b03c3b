"""Test images, power, seed effect, collapses: by hand and against scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dabench.leaderboard.statistics.collapse import collapse_threshold, collapsed
from dabench.leaderboard.statistics.images import image_bootstrap, mcnemar, mcnemar_counts, wilson_interval
from dabench.leaderboard.statistics.planning import power, seeds_needed, smallest_difference
from dabench.leaderboard.statistics.seed_effect import shared_seed_effect


@pytest.mark.parametrize(("right", "images"), [(473, 498), (0, 20), (20, 20), (1, 1)])
def test_wilson_against_scipy(right: int, images: int) -> None:
    expected = stats.binomtest(right, images).proportion_ci(method="wilson")
    found = wilson_interval(right / images, images, 0.95)
    assert found.ends == (pytest.approx(expected.low, abs=1e-12), pytest.approx(expected.high, abs=1e-12))
    assert found.kind == "Wilson"


def test_wilson_widths_of_the_literature() -> None:
    # 95 % on 498, 4,365 and 55,388 images: 1.9, and 0.6 and 0.2 points.
    assert wilson_interval(0.95, 498, 0.95).half_width == pytest.approx(0.019, abs=5e-4)
    with pytest.raises(ValueError, match="at least one image"):
        wilson_interval(0.5, 0, 0.95)


def test_mcnemar() -> None:
    assert mcnemar(20, 8) == pytest.approx(0.0357, abs=5e-5)
    assert mcnemar(20, 8) == pytest.approx(stats.binomtest(20, 28).pvalue)
    assert mcnemar(0, 0) == mcnemar(5, 5) == 1
    labels, left, right = [0, 1, 2, 2], [0, 1, 0, 2], [0, 0, 2, 0]
    assert mcnemar_counts(left, right, labels) == (2, 1)
    with pytest.raises(ValueError, match="one length"):
        mcnemar_counts([0], [0, 1], [0, 1])


def test_image_bootstrap_is_the_plain_one() -> None:
    rng = np.random.default_rng(0)
    left, right = rng.random((3, 400)) < 0.8, rng.random((3, 400)) < 0.7
    found = image_bootstrap(left, right, draws=20_000)
    difference = left.mean(axis=0) - right.mean(axis=0)
    drawn = difference[rng.integers(0, 400, (20_000, 400))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.mean == pytest.approx(difference.mean())
    assert found.ends == (pytest.approx(low, abs=2e-3), pytest.approx(high, abs=2e-3))
    assert found.n == 400


@pytest.mark.parametrize("freedom", [1.0, 2.0, 4.0, 8.5, 60.0])
@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0, 5.0])
def test_power_against_scipys_noncentral_t(freedom: float, shift: float) -> None:
    bound = stats.t.ppf(0.975, freedom)
    expected = stats.nct.sf(bound, freedom, shift) + stats.nct.cdf(-bound, freedom, shift)
    assert power(3 * shift, 3.0, freedom) == pytest.approx(expected, abs=1e-6)


def test_power_of_large_effects_is_a_number() -> None:
    assert power(1e6, 1.0, 2) == pytest.approx(1)
    assert power(2.8, 1.0, np.inf) == pytest.approx(stats.norm.sf(1.96 - 2.8), abs=1e-4)


def test_smallest_difference_and_seeds_needed_fit_each_other() -> None:
    # Cohen 1988: a paired effect of one SD needs 10 pairs for power 0.8.
    assert seeds_needed(1.0, 1.0, 1.0) == 10
    assert seeds_needed(-1.0, 1.0, 1.0) == 10
    # Two samples (SD of the difference sqrt 2, freedom 2 (n - 1)): 17 a side.
    assert seeds_needed(1.0, 2**0.5, 2.0) == 17
    assert smallest_difference(1 / 10**0.5, 9) <= 1 < smallest_difference(1 / 9**0.5, 8)
    assert seeds_needed(0.0, 1.0, 1.0) is None
    assert seeds_needed(1e-9, 1.0, 1.0) is None
    assert seeds_needed(1.0, 0.0, 1.0) == 2
    assert smallest_difference(0.0, 4) == 0


@given(st.floats(0.05, 3), st.floats(0.5, 4))
def test_one_seed_less_is_not_enough(difference: float, per_seed: float) -> None:
    needed = seeds_needed(difference, 1.0, per_seed)
    if needed is not None and 2 < needed < 200:
        assert power(difference, 1 / needed**0.5, (needed - 1) * per_seed) >= 0.795
        assert power(difference, 1 / (needed - 1) ** 0.5, (needed - 2) * per_seed) < 0.805


@pytest.mark.parametrize("part", [0.0, 0.3, 0.8])
def test_a_known_seed_effect_is_found(part: float) -> None:
    rng = np.random.default_rng(0)
    shape = (400, 12, 5)
    x = (1 - part) ** 0.5 * rng.standard_normal(shape) + part**0.5 * rng.standard_normal((400, 1, 5))
    found = shared_seed_effect(iter(x))
    assert found == pytest.approx(part, abs=0.02)


def test_seed_effect_by_hand_and_without_data() -> None:
    assert shared_seed_effect([np.array([[0.0, 1.0], [0.0, 1.0]])]) == 1
    assert shared_seed_effect([np.array([[0.0, 1.0], [1.0, 0.0]])]) == 0
    assert shared_seed_effect([np.ones((1, 5)), np.ones((5, 1))]) is None
    assert shared_seed_effect([]) is None
    assert shared_seed_effect([np.ones((3, 3))]) is None  # no spread at all
    assert shared_seed_effect([np.full((3, 3), 0.8), np.full((3, 3), 0.1 + 0.2)]) is None  # but rounding
    row = np.array([[0.8 + 1e-16 * seed for seed in range(0, 6, 2)]] * 6)
    assert shared_seed_effect([row]) is None


def test_collapse() -> None:
    assert collapse_threshold([0.9, 0.8, 0.1], 10) == pytest.approx(0.4)
    assert collapse_threshold([0.05], 31) == pytest.approx(1.5 / 31)
    assert collapse_threshold([0.5], 2) == pytest.approx(0.55)  # not 0.75
    assert collapse_threshold([0.5], 0) == 0.25
    assert collapsed([0.9, 0.8, 0.4], 10) == [False, False, True]
    assert collapsed([], 10) == []
