"""Ranges of a search: values inside, equal shares, and those that each registered method declares."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dabench.discovery import discover_methods
from dabench.method import METHODS
from dabench.resolve import Layer, flatten, paths_of, resolve
from dabench.search import ADVERSARIAL, SHARED, Choice, LogUniform, Range, Uniform
from dabench.sweepfile import find_suite

discover_methods()
UNIT = st.floats(0, 1)
DECLARED = [(name, path) for name in METHODS for path in sorted({**SHARED, **METHODS.get(name).cls.search})]


def test_values_of_hand() -> None:
    assert Uniform(2, 4, "ours").sample(0.25) == 2.5
    assert LogUniform(0.001, 0.1, "ours").sample(0.5) == 0.01
    assert [Choice((7, 8, 9), "ours").sample(u) for u in (0, 0.33, 0.34, 0.7, 1.0)] == [7, 7, 8, 9, 9]
    assert Uniform(0, 1, "ours").sample(1 / 3) == 0.3333  # four digits: it can be read and typed


@given(st.floats(1e-6, 1e3), st.floats(1.01, 1e6), UNIT)
def test_a_value_lies_in_its_range_and_leads_back_to_its_number(low: float, ratio: float, u: float) -> None:
    ranges: tuple[Range, ...] = (LogUniform(low, low * ratio, "ours"), Uniform(-low, low * ratio, "ours"))
    for one in ranges:
        value = one.sample(u)
        assert one.low <= value <= one.high
        back = one.number(value)
        assert back is not None
        assert 0 <= back <= 1
        assert math.isclose(one.sample(back), value, rel_tol=2e-4, abs_tol=2e-4 * low)


@given(UNIT, UNIT)
def test_a_larger_number_gives_no_smaller_value(one: float, other: float) -> None:
    low, high = sorted((one, other))
    for range_ in (LogUniform(1e-4, 10, "ours"), Uniform(-3, 8, "ours"), Choice((1, 2, 5), "ours")):
        assert range_.sample(low) <= range_.sample(high)


def test_a_value_outside_has_no_number() -> None:
    assert LogUniform(1, 10, "ours").number(0.5) is None
    assert LogUniform(1, 10, "ours").number(None) is None
    assert Uniform(0, 2, "ours").number(True) is None
    assert Choice(("a", "b"), "ours").number("c") is None
    assert Choice(("a", "b"), "ours").number("b") == 0.75


@pytest.mark.parametrize(
    "make",
    [
        lambda: LogUniform(0, 1, "ours"),
        lambda: LogUniform(1, 1, "ours"),
        lambda: LogUniform(1, math.inf, "ours"),
        lambda: Uniform(2, 1, "ours"),
        lambda: Uniform(0, math.nan, "ours"),
        lambda: Uniform(0, 1, ""),
        lambda: Choice((1,), "ours"),
        lambda: Choice((1, 2, 1), "ours"),
    ],
)
def test_what_is_no_range_is_refused(make: object) -> None:
    with pytest.raises(ValueError, match=r"no range|no choice|where it comes from"):
        make()


def test_ranges_read_well() -> None:
    assert str(LogUniform(1e-3, 0.1, "ours")) == "0.001 to 0.1, logarithmic"
    assert str(Uniform(0, 0.5, "ours")) == "0 to 0.5"
    assert str(Choice((True, None), "ours")) == "one of True, None"


def test_every_adversarial_method_searches_its_strength() -> None:
    for name in ("dann", "cdan", "cdan+e", "gsda"):
        assert ADVERSARIAL.items() <= METHODS.get(name).cls.search.items()
    assert METHODS.get("source_only").cls.search == {}


@pytest.mark.parametrize(("name", "path"), DECLARED)
def test_a_declared_range_fits_the_configuration(name: str, path: str, tiny_suite: Path) -> None:
    entry, suite = METHODS.get(name), find_suite(str(tiny_suite))
    assert path in paths_of(entry)
    declared = {**SHARED, **entry.cls.search}[path]
    for number in (0.0, 0.31, 0.5, 0.77, 1.0):
        value = declared.sample(number)
        layer = Layer.of_values("--set", {path: value})
        config = resolve(suite, suite.tasks()[0], entry, 0, [layer]).config
        resolved = flatten(config.model_dump(mode="json"))[path]
        assert (type(resolved), resolved) == (type(value), value)
