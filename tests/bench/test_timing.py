from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from dabench.bench import timing
from dabench.bench.timing import Contender, alternate, calls_within, ratio_to, spread


class Clock:
    """Stands still but for what the work adds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[str] = []

    def does(self, name: str, seconds: float) -> Callable[[], None]:
        def work() -> None:
            self.now += seconds
            self.log.append(name)

        return work


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: made.now))
    return made


def test_a_block_counts_its_calls_and_images_and_nothing_around_them(clock: Clock) -> None:
    one = Contender("one", clock.does("one", 0.5), 4, clock.does("open", 7.0), clock.does("close", 9.0))
    seconds = alternate([one], {"one": 3}, 2, np.random.default_rng(0), clock.does("wait", 0.0))
    assert seconds["one"].tolist() == [0.5 / 4, 0.5 / 4]
    assert clock.log == ["open", "wait", "one", "one", "one", "wait", "close"] * 2


def test_waiting_for_the_device_at_the_end_of_a_block_is_part_of_it(clock: Clock) -> None:
    pending = [0.0]

    def launch() -> None:
        pending[0] += 2.0

    def synchronise() -> None:
        clock.now += pending[0]
        pending[0] = 0.0

    seconds = alternate([Contender("gpu", launch, 1)], {"gpu": 2}, 1, np.random.default_rng(0), synchronise)
    assert seconds["gpu"].tolist() == [2.0]


def test_each_round_has_every_contender_once_in_an_order_of_its_own(clock: Clock) -> None:
    names = [f"c{number}" for number in range(6)]
    contenders = [Contender(name, clock.does(name, 1.0), 1) for name in names]
    done: list[int] = []

    def orders() -> list[tuple[str, ...]]:
        clock.log.clear()
        alternate(
            contenders, dict.fromkeys(names, 1), 5, np.random.default_rng(3), lambda: None,
            lambda: done.append(1),
        )  # fmt: skip
        return [tuple(clock.log[start : start + 6]) for start in range(0, 30, 6)]

    first = orders()
    assert all(sorted(order) == names for order in first)
    assert len(set(first)) > 1
    assert orders() == first
    assert len(done) == 60


@pytest.mark.parametrize(("seconds", "calls"), [(0.25, 4), (0.3, 3), (5.0, 1)])
def test_a_block_is_as_long_as_asked_and_has_a_call(clock: Clock, seconds: float, calls: int) -> None:
    assert calls_within(Contender("x", clock.does("x", seconds), 1), 1.0, lambda: None) == calls


def test_the_first_calls_do_not_decide_the_length(clock: Clock) -> None:
    durations = iter([100.0, 10.0, 0.1])

    def work() -> None:
        clock.now += next(durations)

    assert calls_within(Contender("x", work, 1), 1.0, lambda: None) == 10


def test_a_ratio_is_taken_round_by_round() -> None:
    base, own = np.array([1.0, 10.0, 1.0]), np.array([2.0, 20.0, 2.0])
    assert ratio_to(base, own).tolist() == [0.5, 0.5, 0.5]
    assert spread(np.array([4.0, 1.0, 3.0, 2.0])) == timing.Spread(2.5, 1.75, 3.25)
