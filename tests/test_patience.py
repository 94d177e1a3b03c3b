"""Errors of a network that may be back in a moment: tried again for a while, others not at all."""

import errno
from collections.abc import Callable

import pytest

from dabench import patience
from dabench.errors import UserError
from dabench.patience import is_passing, persistently


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that goes on by pauses alone."""
    made: list[float] = []
    monkeypatch.setattr(patience.time, "sleep", made.append)
    monkeypatch.setattr(patience.time, "monotonic", lambda: 100 + sum(made))
    return made


def failing(times: int, error: Exception) -> Callable[[], str]:
    left = [error] * times

    def act() -> str:
        if left:
            raise left.pop()
        return "done"

    return act


def wrapped(number: int) -> UserError:
    error = UserError("cannot write")
    error.__cause__ = OSError(number, "of the system")
    return error


@pytest.mark.parametrize("error", [OSError(errno.ESTALE, "stale"), wrapped(errno.EIO)])
def test_it_is_tried_again_until_the_time_is_over(pauses: list[float], error: Exception) -> None:
    assert persistently(failing(3, error), 10.0) == "done"
    assert len(pauses) == 3
    with pytest.raises(type(error)):
        persistently(failing(30, error), 10.0)
    assert sum(pauses) == pytest.approx(13.0)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), wrapped(errno.EACCES), UserError("no")])
def test_what_does_not_pass_is_raised_at_once(pauses: list[float], error: Exception) -> None:
    assert not is_passing(error)
    with pytest.raises(type(error)):
        persistently(failing(1, error), 10.0)
    assert pauses == []


def test_who_was_told_to_end_does_not_wait(pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "is_asked", lambda: True)
    with pytest.raises(OSError, match="stale"):
        persistently(failing(3, OSError(errno.ESTALE, "stale")), 10.0)
    assert pauses == []
