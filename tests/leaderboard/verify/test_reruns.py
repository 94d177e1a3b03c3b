"""The prediction interval, by hand and by simulation."""

import numpy as np
import pytest
from scipy.stats import t as student_t

from dabench.leaderboard.verify.reruns import prediction_interval


def test_by_hand() -> None:
    # m = 215/3, s^2 = ((70 - m)^2 + (71 - m)^2 + (74 - m)^2) / 2 = 13/3, t(2, 0.975) = 4.302653
    half = 4.302653 * (13 / 3) ** 0.5 * (4 / 3) ** 0.5
    assert prediction_interval([70, 71, 74]) == pytest.approx((215 / 3 - half, 215 / 3 + half), abs=1e-5)


def test_several_runs_share_the_error() -> None:
    single, double = prediction_interval([70, 71, 74]), prediction_interval([70, 71, 74], runs=2)
    assert single is not None
    assert double is not None
    ratio = (double[1] - double[0]) / (single[1] - single[0])
    assert ratio == pytest.approx(student_t.ppf(0.9875, 2) / student_t.ppf(0.975, 2))


@pytest.mark.parametrize("values", [[], [0.5]])
def test_fewer_than_two_values_give_none(values: list[float]) -> None:
    assert prediction_interval(values) is None


@pytest.mark.parametrize(("n", "runs"), [(3, 1), (5, 1), (3, 3)])
def test_it_holds_all_further_runs_as_often_as_it_says(n: int, runs: int) -> None:
    draws = np.random.default_rng(0).normal(size=(4000, n + runs))
    held = 0
    for row in draws:
        interval = prediction_interval(row[:n], runs)
        assert interval is not None
        held += bool((row[n:] >= interval[0]).all() and (row[n:] <= interval[1]).all())
    # Exact for one run, at least 95 % for several; three standard errors of 4000 draws are 1 %.
    assert 0.94 <= held / 4000 <= (0.96 if runs == 1 else 1.0)
