"""Processes that are killed or stopped at any moment: the records are those of a sweep left alone."""

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FULL = [pytest.mark.chaos, pytest.mark.full, pytest.mark.slow]


@pytest.mark.parametrize("kills", [8, pytest.param(200, marks=FULL)])
def test_kills_at_random_moments_lose_and_double_nothing(
    kills: int,
    moments: random.Random,
    forks: Any,
    sweep: Any,
    undisturbed: Any,
    look: Callable[[Path], Any],
    tmp_path: Path,
) -> None:
    """Each process is killed after a random time; when a sweep is through, the next one begins."""
    killed = number = 0
    while killed < kills:
        results = tmp_path / f"results-{number}"
        number += 1
        finished = False
        while not finished and killed < kills:
            worker = forks.start(*sweep(results))
            time.sleep(moments.uniform(0.0, 2.0))
            worker.signal(signal.SIGKILL)
            code = worker.wait()
            assert code in (0, 1, -signal.SIGKILL), worker.said
            killed += code == -signal.SIGKILL
            finished = code == 0
        _finish(forks, sweep, results)
        look(results).require(undisturbed)
    print(f"{killed} kills over {number} sweeps")


def _finish(forks: Any, sweep: Any, results: Path) -> None:
    """Run the sweep to its end. A run in which three processes died without a checkpoint fails first."""
    for _ in range(2):
        worker = forks.start(*sweep(results))
        code = worker.wait()
        if code == 0:
            return
        assert "Killed" in worker.said or "died in this run" in worker.said, worker.said
    pytest.fail(worker.said)


@pytest.mark.parametrize("alone", [False, True], ids=["one machine", "four machines"])
@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=FULL)])
def test_four_processes_two_killed_and_one_stopped_for_longer_than_its_lease(
    rounds: int,
    alone: bool,
    moments: random.Random,
    forks: Any,
    sweep: Any,
    undisturbed: Any,
    look: Callable[[Path], Any],
    tmp_path: Path,
) -> None:
    """On one machine the dead are known at once, on several by watching for a lease."""
    for number in range(rounds):
        results = tmp_path / f"results-{number}"
        workers = [forks.start(*sweep(results), alone=alone) for _ in range(4)]
        time.sleep(moments.uniform(0.3, 1.5))
        workers[3].signal(signal.SIGSTOP)
        for worker in workers[:2]:
            worker.signal(signal.SIGKILL)
            time.sleep(moments.uniform(0.0, 0.5))
        codes = [worker.wait() for worker in workers[:3]]
        time.sleep(2.5)  # the stopped one's lease of two seconds is over
        workers[3].signal(signal.SIGCONT)
        codes.append(workers[3].wait())
        said = "\n".join(worker.said for worker in workers)
        assert set(codes[:2]) <= {0, -signal.SIGKILL}, said
        assert codes[2:] == [0, 0], said
        _finish(forks, sweep, results)
        look(results).require(undisturbed)


@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=FULL)])
def test_four_processes_with_an_empty_cache_two_of_them_killed(
    rounds: int,
    moments: random.Random,
    forks: Any,
    photo_sweep: Any,
    undisturbed_photos: Any,
    look: Callable[[Path], Any],
    tmp_path: Path,
) -> None:
    """All want the same images decoded at once."""
    for number in range(rounds):
        results, cache = tmp_path / f"results-{number}", tmp_path / f"cache-{number}"
        workers = [forks.start(*photo_sweep(results), cache=cache) for _ in range(4)]
        for worker in workers[:2]:
            time.sleep(moments.uniform(0.0, 0.7))
            worker.signal(signal.SIGKILL)
        codes = [worker.wait() for worker in workers]
        said = "\n".join(worker.said for worker in workers)
        assert set(codes[:2]) <= {0, -signal.SIGKILL}, said
        assert codes[2:] == [0, 0], said
        _finish(forks, photo_sweep, results)
        look(results).require(undisturbed_photos)
