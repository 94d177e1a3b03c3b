"""The prediction interval, by hand and by simulation."""

import numpy as np
import pytest
from scipy.stats import t as student_t

from dabench.leaderboard.statistics.moderated import squeeze_variances
from dabench.leaderboard.verify.reruns import prediction_interval, spreads


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


def test_seeds_that_agree_by_chance_borrow_from_other_tasks() -> None:
    values = {
        "a": [0.9329, 0.9329, 0.9318],
        "b": [0.63, 0.62, 0.65],
        "c": [0.41, 0.44, 0.44],
        "d": [0.49, 0.52, 0.53],
    }
    found = spreads(values)
    variances = [np.var(given, ddof=1) for given in values.values()]
    squeezed, freedom = squeeze_variances(variances, [2.0] * 4)
    assert [one[0] for one in found.values()] == pytest.approx(squeezed)
    assert [one[1] for one in found.values()] == pytest.approx(freedom)
    alone = prediction_interval(values["a"])
    moderated = prediction_interval(values["a"], moderated=found["a"])
    assert alone is not None
    assert moderated is not None
    assert moderated[0] < alone[0]
    loud = prediction_interval(values["d"], moderated=(0.0, 2.0))  # the wider one counts
    assert loud == prediction_interval(values["d"])


def test_few_tasks_are_not_moderated() -> None:
    found = spreads({"a": [0.70, 0.71, 0.74], "b": [0.5, 0.6], "c": [0.5]})
    assert found == {"a": pytest.approx((0.0013 / 3, 2.0)), "b": pytest.approx((0.005, 1.0))}


def test_all_reruns_of_a_row_together_are_rarely_accused() -> None:
    generator = np.random.default_rng(0)
    spread = np.array([0.002, 0.005, 0.01, 0.01, 0.02, 0.02])
    accused = 0
    for _ in range(1500):
        draws = generator.normal(size=(6, 5)) * spread[:, None]
        known = spreads({str(k): row[:3] for k, row in enumerate(draws)})
        intervals = [prediction_interval(row[:3], 12, moderated=known[str(k)]) for k, row in enumerate(draws)]
        accused += any(
            not interval[0] <= value <= interval[1]
            for row, interval in zip(draws, intervals, strict=True)
            if interval is not None
            for value in row[3:]
        )
    assert 0 < accused / 1500 <= 0.05
