"""Times that people write, deadlines, and how long runs are expected to take."""

import pickle
from types import SimpleNamespace
from typing import Any

import pytest

from dabench import budget
from dabench.budget import Deadline, Expectation, parse_duration
from dabench.checkpoint import TimeIsUp
from dabench.errors import UserError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2h30m", 9000), ("90m", 5400), ("45", 45), ("45s", 45), ("1d", 86400), ("1d2h3m4s", 93784)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0h", "h", "1x", "-5m", "1.5h", "30m2h", "9" * 50, "2h30", "1d12"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UserError, match="is no time"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("passed", "left"),
    [
        pytest.param(0, 40, id="at once"),
        pytest.param(30, 10, id="after a while"),
        pytest.param(100, -60, id="too late"),
        pytest.param(-5000, 40, id="a slow clock"),
        pytest.param(5000, 40, id="a fast clock"),
    ],
)
def test_a_deadline_travels_as_what_is_left(
    passed: float, left: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, wall = 1000.0, 1e9
    monkeypatch.setattr(budget.time, "monotonic", lambda: now)
    monkeypatch.setattr(budget.time, "time", lambda: wall)
    deadline = Deadline(60)
    now += 20
    sent = pickle.dumps(deadline)
    now, wall = 5.0, wall + passed  # another machine's clocks
    there = pickle.loads(sent)
    assert there.left() == left
    if left > 0:
        there.check()
    now += 40
    with pytest.raises(TimeIsUp):
        there.check()


def took(
    seconds: float, suite: str = "s", backbone: str = "b", method: str = "m", status: str = "done"
) -> Any:
    timing = SimpleNamespace(total_seconds=seconds)
    return SimpleNamespace(suite=suite, backbone=backbone, method=method, status=status, timing=timing)


def test_expectation_is_the_median_of_the_runs_most_alike() -> None:
    known = Expectation()
    assert known.seconds("s", "b", "m") is None
    for seconds in (10, 30, 500):
        known.add(took(seconds))
    known.add(took(1, status="failed"))
    known.add(took(7, suite="other"))
    assert known.seconds("s", "b", "m") == 30
    assert known.seconds("new", "b", "m") == 20, "of the method"
    assert known.seconds("new", "b", "new") == 20, "of any"
    assert known.fits("s", "b", "m", 30)
    assert not known.fits("s", "b", "m", 29)
    assert known.fits("new", "b", "m", 1), "of which nothing is known"
    assert not known.fits("new", "b", "m", 0)


def test_a_run_that_no_day_has_room_for_is_started_anyway() -> None:
    known = Expectation(whole=100)
    known.add(took(95))
    known.add(took(60, method="shorter"))
    assert known.fits("s", "b", "m", 50), "nearly the whole time: starting takes the rest"
    assert not known.fits("s", "b", "shorter", 50), "another day has room for it"
    assert not known.fits("s", "b", "m", 0)
