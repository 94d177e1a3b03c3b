"""Scales, ticks, and labels moved apart."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from dabench.leaderboard.plots.axes import (
    Scale,
    around,
    bottom_axis,
    dodge,
    fit,
    text_width,
    tick_text,
    ticks,
)


def test_a_scale_may_run_downwards_and_is_cut_at_its_ends() -> None:
    scale = Scale(50, 100, 200, 0)
    assert [scale(value) for value in (50, 75, 100, 120, 0)] == [200, 100, 0, 0, 200]
    assert (scale.holds(75), scale.holds(49)) == (True, False)


def test_a_logarithmic_scale_gives_factors_equal_lengths() -> None:
    scale = Scale(1, 16, 0, 4, log=True)
    assert [scale(2.0**k) for k in range(5)] == pytest.approx([0, 1, 2, 3, 4])


@given(st.floats(-1e4, 1e4, allow_nan=False), st.floats(1e-3, 1e5, allow_nan=False), st.integers(2, 9))
def test_ticks_lie_inside_and_are_even_steps(low: float, width: float, most: int) -> None:
    found = ticks(low, low + width, most)
    assert 1 <= len(found) <= most
    steps = np.diff(found)
    assert np.allclose(steps, steps[:1])
    tolerance = 1e-6 * width + 1e-9
    assert all(low - tolerance <= one <= low + width + tolerance for one in found) or len(found) == 1


def test_ticks_are_round() -> None:
    assert ticks(0, 100) == [0, 20, 40, 60, 80, 100]
    assert ticks(-0.31, 0.42, 4) == [-0.2, 0.0, 0.2, 0.4]
    assert ticks(5, 5) == [5]


def test_tick_texts_share_their_decimals() -> None:
    places = [-2.5, 0.0, 2.5]
    assert [tick_text(one, places, signed=True) for one in places] == ["−2.5", "0.0", "+2.5"]


def test_around_holds_its_values_and_stays_within_what_is_possible() -> None:
    scale = around([99.0, 100.0], 0, 10, (0, 100))
    assert scale.low == pytest.approx(98.95)
    assert scale.high == 100
    alone = around([50.0], 0, 10)
    assert (alone.low, alone.high) == (49.5, 50.5)


@given(st.lists(st.floats(0, 300), min_size=1, max_size=12), st.floats(0, 40))
def test_dodged_labels_keep_their_order_distance_and_range(wanted: list[float], gap: float) -> None:
    found = dodge(wanted, gap, 0, 300)
    needed = min(gap, 300 / max(len(wanted) - 1, 1))
    ordered = sorted(found)
    assert all(right - left >= needed - 1e-6 for left, right in pairwise(ordered))
    assert all(-1e-9 <= one <= 300 + 1e-6 for one in found)
    by_wish = sorted(range(len(wanted)), key=lambda k: (wanted[k], k))
    assert [found[k] for k in by_wish] == ordered


def test_dodging_is_least_squares() -> None:
    wanted = np.array([10.0, 12, 13, 40, 44, 90])
    gap = 8.0

    def cost(places: np.ndarray) -> float:
        return float(((places - wanted) ** 2).sum())

    apart = {"type": "ineq", "fun": lambda places: np.diff(places) - gap}
    best = minimize(cost, np.arange(6) * 20.0, constraints=[apart], method="SLSQP", options={"ftol": 1e-12})
    assert dodge(wanted.tolist(), gap, -100, 200) == pytest.approx(best.x.tolist(), abs=1e-3)


def test_a_name_is_cut_in_its_middle() -> None:
    short = fit("gsda-glb-cls-grp-with-more", 120)
    assert short.startswith("gsda")
    assert short.endswith("more")
    assert "…" in short
    assert text_width(short) <= 120
    assert fit("abc", 120) == "abc"
    assert fit("abcdefghij", 1) == "…"


def test_marks_of_direction_have_no_width() -> None:
    assert text_width("\u2068abc\u2069") == text_width("abc")


def test_the_outermost_numbers_stay_in_the_picture() -> None:
    marks = [(0.0, "0.00"), (50.0, "50.00"), (100.0, "100.00")]
    drawn = bottom_axis(Scale(0, 100, 0, 400), [(0, 10)], 10, "accuracy", marks)
    places = [float(found) for one in drawn[1:4] for found in re.findall(r'x="([\d.]+)"', one)]
    assert places[1] == 200
    assert places[0] == pytest.approx(text_width("0.00", 13) / 2, abs=0.1)
    assert places[2] == pytest.approx(400 - text_width("100.00", 13) / 2, abs=0.1)
    assert 'd="M0 0V10M200 0V10M400 0V10"' in drawn[0]
