"""Bootstrap intervals and Welch-Satterthwaite: scipy where it has them, by hand elsewhere."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dabench.leaderboard.statistics.bootstrap import (
    bootstrap_t_interval,
    percentile_interval,
    stratified_bootstrap_interval,
)
from dabench.leaderboard.statistics.improvement import probability_of_improvement
from dabench.leaderboard.statistics.suite_average import welch_satterthwaite_interval

TEN = np.random.default_rng(3).normal(0.7, 0.02, 10)


def test_percentile_as_scipy_has_it() -> None:
    found = percentile_interval([70, 71, 74])
    assert found.ends == (70, 74)
    drawn = [np.random.default_rng(seed).choice(TEN, (20_000, 10)).mean(axis=1) for seed in range(5)]
    low, high = np.quantile(np.concatenate(drawn), [0.025, 0.975])
    found = percentile_interval(TEN, draws=20_000)
    assert found.ends == (pytest.approx(low, abs=4e-4), pytest.approx(high, abs=4e-4))


def test_bootstrap_t_of_normal_seeds_is_near_students() -> None:
    found = bootstrap_t_interval(TEN, draws=20_000)
    assert found.kind == "bootstrap-t"
    assert found.ends is not None
    assert found.ends[0] < found.mean < found.ends[1]
    student = stats.t.interval(0.95, 9, TEN.mean(), stats.sem(TEN))
    assert found.half_width == pytest.approx((student[1] - student[0]) / 2, rel=0.2)
    assert bootstrap_t_interval([0.5, 0.5]).half_width == 0
    assert bootstrap_t_interval([0.5]).half_width is None


def test_stratified_bootstrap_resamples_within_tasks() -> None:
    # A task without spread adds none: half of the spread of the other is left.
    flat = stratified_bootstrap_interval([TEN, np.full(10, 0.4)], draws=20_000)
    alone = percentile_interval(TEN, draws=20_000)
    assert flat.mean == pytest.approx((TEN.mean() + 0.4) / 2)
    assert flat.half_width == pytest.approx(alone.half_width / 2, rel=0.05)
    assert flat.n == 10


@given(st.lists(st.floats(0, 1), min_size=2, max_size=12), st.randoms())
def test_order_of_seeds_changes_no_bit(values: list[float], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)
    for made in (bootstrap_t_interval, percentile_interval, lambda v: stratified_bootstrap_interval([v])):
        assert made(values).ends == made(shuffled).ends


def test_welch_satterthwaite_by_hand() -> None:
    # Variances 1 and 4 over n = 3, T = 2: error sqrt(5/3) / 2; freedom (5/3)^2 / (1/18 + 16/18) = 50/17.
    found = welch_satterthwaite_interval([[1, 2, 3], [2, 4, 6]])
    error = (5 / 3) ** 0.5 / 2
    assert found.mean == 3
    assert found.half_width == pytest.approx(stats.t.ppf(0.975, 50 / 17) * error)
    assert welch_satterthwaite_interval([[1.0], [2.0]]).half_width is None
    assert welch_satterthwaite_interval([[1.0, 1.0]]).half_width == 0
    with pytest.raises(ValueError, match="at least one task"):
        welch_satterthwaite_interval([])


def test_probability_of_improvement_by_hand() -> None:
    # First task: 4 pairs, (3,1) (4,1) (4,3) won and (3,3) tied: 3.5 / 4; second: never.
    found = probability_of_improvement([[3, 4], [0, 0]], [[1, 3], [1, 1]])
    assert found.value == pytest.approx((0.875 + 0) / 2)
    assert (found.low, found.high) == (None, None)  # below five seeds


def test_probability_of_improvement_against_mann_whitney() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(0.3, 1, (1, 7)), rng.normal(0, 1, (1, 6))
    found = probability_of_improvement(x, y)
    assert found.value == pytest.approx(stats.mannwhitneyu(x[0], y[0]).statistic / 42)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high
    turned = probability_of_improvement(y, x)
    assert turned.value == pytest.approx(1 - found.value)
    assert probability_of_improvement(x[:, ::-1], y) == found


def test_the_outer_ends_of_two_resamplings() -> None:
    """Runs of each task drawn by themselves, as rliable does; and whole seeds. In plain loops."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(0.5, 1, (3, 6)), rng.normal(0, 1, (3, 5))
    drawn = []
    for _ in range(4000):
        tasks = [(rng.choice(one, 6)[:, None] > rng.choice(other, 5)[None]).mean()
                 for one, other in zip(x, y, strict=True)]  # fmt: skip
        i, j = rng.integers(0, 6, 6), rng.integers(0, 5, 5)
        drawn.append((np.mean(tasks), (x[:, i, None] > y[:, None, j]).mean()))
    ends = np.quantile(drawn, [0.025, 0.975], axis=0)
    found = probability_of_improvement(x, y)
    assert [found.low, found.high] == pytest.approx([ends[0].min(), ends[1].max()], abs=0.02)


def test_a_seed_that_moves_all_tasks_makes_the_interval_wide() -> None:
    rng = np.random.default_rng(0)
    effect = rng.normal(0, 1, 6)
    together = probability_of_improvement(np.tile(effect, (12, 1)), np.tile(effect + 0.2, (12, 1)))
    apart = probability_of_improvement(rng.normal(0, 1, (12, 6)), rng.normal(0.2, 1, (12, 6)))
    assert together.high - together.low > 1.5 * (apart.high - apart.low)


def test_the_probabilitys_interval_holds_its_truth_where_tasks_are_independent() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(300):
        found = probability_of_improvement(*rng.standard_normal((2, 8, 5)), draws=300)
        held += found.low <= 0.5 <= found.high
    assert held >= 0.92 * 300  # whole seeds, drawn for all tasks at once, hold it in nine of ten
