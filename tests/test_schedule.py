"""Schedule values computed by hand."""

import math

import pytest

from dabench.config import ReversalConfig, ScheduleConfig
from dabench.schedule import learning_rate_factor, reversal_weight


@pytest.mark.parametrize(
    ("progress", "factor"),
    # 6^0.75 = 3.833658..., 11^0.75 = 6.040105...
    [(0.0, 1.0), (0.5, 1 / 3.8336586), (1.0, 1 / 6.0401054)],
)
def test_annealing(progress, factor):
    assert learning_rate_factor(progress, ScheduleConfig()) == pytest.approx(factor, rel=1e-7)


@pytest.mark.parametrize(
    ("progress", "weight"),
    # tanh(5 p): tanh(2.5) = 0.98661430, tanh(5) = 0.99990920
    [(0.0, 0.0), (0.5, 0.98661430), (1.0, 0.99990920)],
)
def test_reversal(progress, weight):
    assert reversal_weight(progress, ReversalConfig()) == pytest.approx(weight, abs=1e-8)


def test_settings_are_used():
    assert learning_rate_factor(0.5, ScheduleConfig(alpha=2, power=3)) == pytest.approx(1 / 8)
    assert learning_rate_factor(0.7, ScheduleConfig(alpha=0)) == 1
    assert learning_rate_factor(0.7, ScheduleConfig(power=0)) == 1
    assert reversal_weight(0.3, ReversalConfig(gamma=2, maximum=0.5)) == pytest.approx(0.5 * math.tanh(0.3))
    assert reversal_weight(0.7, ReversalConfig(gamma=0)) == 0
    assert reversal_weight(1.0, ReversalConfig(gamma=1e4)) == 1


def test_both_are_monotonic():
    points = [k / 50 for k in range(51)]
    rates = [learning_rate_factor(p, ScheduleConfig()) for p in points]
    weights = [reversal_weight(p, ReversalConfig()) for p in points]
    assert rates == sorted(rates, reverse=True)
    assert weights == sorted(weights)
