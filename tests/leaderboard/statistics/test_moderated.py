"""Squeezed variances: against the equations worked out by hand, and against samples with a known prior."""

import numpy as np
import pytest
from scipy import optimize, special

from dabench.leaderboard.statistics.intervals import t_interval
from dabench.leaderboard.statistics.moderated import (
    FEWEST_ROWS,
    MOST_WEIGHT,
    Prior,
    bounded_variances,
    fit_prior,
    inverse_trigamma,
    moderated_intervals,
    squeeze_variances,
)


def test_inverse_trigamma() -> None:
    for value in (1e-8, 1e-3, 0.3, 1.0, np.pi**2 / 6, 40.0, 1e9):
        found = float(inverse_trigamma(value))
        assert special.polygamma(1, found) == pytest.approx(value, rel=1e-6)


def test_the_fit_solves_smyths_equations() -> None:
    """Smyth 2004, section 6.2, by an independent root finder instead of the closed form."""
    variances, d = np.array([0.1, 2.0, 30.0, 4.0, 0.7]), 3.0
    e = np.log(variances) - special.digamma(d / 2) + np.log(d / 2)
    wanted = e.var(ddof=1) - special.polygamma(1, d / 2)
    d0 = optimize.brentq(lambda x: special.polygamma(1, x / 2) - wanted, 1e-3, 1e3)
    prior = fit_prior(variances, d)
    assert float(prior.freedom) == pytest.approx(d0)
    assert float(prior.variance) == pytest.approx(np.exp(e.mean() + special.digamma(d0 / 2) - np.log(d0 / 2)))
    squeezed, freedom = squeeze_variances(variances, d)
    assert squeezed == pytest.approx((d0 * float(prior.variance) + d * variances) / (d0 + d))
    assert freedom == pytest.approx(np.full(5, d0 + d))


def test_a_known_prior_is_found() -> None:
    rng = np.random.default_rng(0)
    true = 2.0 * 6 / rng.chisquare(6, 20_000)  # s0^2 = 2, d0 = 6
    prior = fit_prior(true * rng.chisquare(4, 20_000) / 4, 4)
    assert float(prior.freedom) == pytest.approx(6, rel=0.06)
    assert float(prior.variance) == pytest.approx(2, rel=0.02)


def test_rows_alike_are_pooled_and_the_freedom_is_capped() -> None:
    prior = fit_prior([1.0, 2.0, 3.0, 4.0], 3)
    assert float(prior.freedom) == np.inf
    assert float(prior.variance) == 2.5
    squeezed, freedom = squeeze_variances([1.0, 2.0, 3.0, 4.0], 3)
    assert squeezed.tolist() == [2.5] * 4
    assert freedom.tolist() == [12.0] * 4  # 4 rows of 3, as limma caps it
    assert squeeze_variances([1.0, 2.0, 3.0, 4.0], 3, cap=9)[1].tolist() == [9.0] * 4


def test_the_weight_of_the_prior_is_bounded() -> None:
    prior = Prior(np.float64(1.0), np.float64(np.inf))
    squeezed, freedom = squeeze_variances([3.0, 1.0], [2.0, 4.0], prior, 100, most_weight=1.5)
    assert squeezed == pytest.approx([(1.5 * 1 + 3) / 2.5, 1.0])
    assert freedom.tolist() == [5.0, 10.0]


def test_a_bounded_variance_is_never_below_its_own() -> None:
    prior = Prior(np.float64(1.0), np.float64(np.inf))
    bounded, freedom = bounded_variances([36.0, 0.5], 2.0, prior, 100)
    assert bounded == pytest.approx([36.0, (MOST_WEIGHT + 0.5) / (MOST_WEIGHT + 1)])
    assert freedom.tolist() == [2 * (MOST_WEIGHT + 1)] * 2


def test_fits_along_leading_axes_are_separate() -> None:
    one, other = [0.1, 2.0, 30.0], [1.0, 1.1, 0.9]
    both = squeeze_variances([one, other], 2)
    for index, row in enumerate((one, other)):
        alone = squeeze_variances(row, 2)
        assert both[0][index] == pytest.approx(alone[0])
        assert both[1][index] == pytest.approx(alone[1])


def test_a_row_without_spread_does_not_rule_the_fit() -> None:
    with_zero = fit_prior([0.0, 1.0, 2.0, 3.0, 1.5, 2.5], 4)
    assert np.isfinite(float(with_zero.variance))
    assert float(with_zero.variance) > 0
    nothing = squeeze_variances([0.0, 0.0, 0.0], 2)
    assert nothing[0].tolist() == [0.0, 0.0, 0.0]
    scaled = fit_prior([0.0, 0.0, 0.0, 1e-6, 4e-6], 2), fit_prior([0.0, 0.0, 0.0, 1.0, 4.0], 2)
    assert float(scaled[0].variance) == pytest.approx(1e-6 * float(scaled[1].variance))


@pytest.mark.parametrize(("variances", "freedom"), [([1.0], 2), ([1.0, -1.0], 2), ([1.0, 1.0], 0)])
def test_what_cannot_be_fitted(variances: list[float], freedom: float) -> None:
    with pytest.raises(ValueError, match="variances"):
        fit_prior(variances, freedom)


def test_intervals_of_rows() -> None:
    rng = np.random.default_rng(2)
    several = [rng.normal(0.6, 0.05, 3) for _ in range(FEWEST_ROWS - 1)]
    rows = [np.array([0.70, 0.71, 0.74]), np.array([0.2, 0.21]), np.array([0.4]), *several[2:]]
    assert {one.kind for one in moderated_intervals(rows)} == {"t"}  # seven rows of two seeds or more
    rows.append(several[0])
    found = moderated_intervals(rows)
    told = [row for row in rows if len(row) > 1]
    variances, freedom = bounded_variances([row.var(ddof=1) for row in told], [len(row) - 1 for row in told])
    half = special.stdtrit(freedom[0], 0.975) * (variances[0] / 3) ** 0.5
    assert (found[0].mean, found[0].half_width) == (pytest.approx(0.71666667), pytest.approx(half))
    assert found[0].kind == "moderated t"
    assert (found[2].half_width, found[2].n) == (None, 1)
    (alone,) = moderated_intervals(rows[:1])
    assert alone.half_width == pytest.approx(t_interval(rows[0]).half_width)
    assert alone.kind == "t"
