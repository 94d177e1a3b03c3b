"""How numbers and names look."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dabench.leaderboard import view
from dabench.leaderboard.statistics.intervals import Difference, Interval


@pytest.mark.parametrize(
    ("value", "text"), [(0.71666, "71.67"), (1.0, "100.00"), (0.0, "0.00"), (0.0000499, "0.00")]
)
def test_percent(value: float, text: str) -> None:
    assert view.percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.1, "+10.00"), (-0.1, "−10.00"), (0.0, "0.00"), (-0.00001, "0.00")]
)
def test_points(value: float, text: str) -> None:
    assert view.points(value) == text


def test_no_interval_no_half_width() -> None:
    assert view.half_width(Interval(0.5, None, 1)) == ""
    assert view.half_width(Interval(0.5, 0.0517, 3)) == "±5.17"


@pytest.mark.parametrize(("value", "text"), [(100, "100.0"), (89.7, "89.7"), (52.35, "52.35")])
def test_printed(value: float, text: str) -> None:
    assert view.printed(value) == text


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_slugs_are_safe_and_short(parts: list[str]) -> None:
    name = view.slug(*parts)
    assert re.fullmatch(r"[a-z0-9-]+", name)
    assert len(name) <= 70


@given(st.lists(st.text(), min_size=1, max_size=3), st.lists(st.text(), min_size=1, max_size=3))
def test_slugs_tell_names_apart(one: list[str], other: list[str]) -> None:
    if "\0".join(one) != "\0".join(other):
        assert view.slug(*one) != view.slug(*other)


gains = st.builds(
    lambda mean, half_width: Difference(Interval(mean, half_width, 3), True),
    st.floats(-1, 1),
    st.none() | st.floats(0, 5),
)


@given(st.lists(gains, min_size=1, max_size=6))
def test_marks_lie_on_the_axis_in_order(drawn: list[Difference]) -> None:
    for one in drawn:
        mark = view.mark(one, drawn)
        assert 0 <= mark.low <= mark.mean <= mark.high <= mark.width
        assert 0 <= mark.zero <= mark.width
        assert (mark.mean >= mark.zero) if one.interval.mean >= 0 else (mark.mean <= mark.zero)
