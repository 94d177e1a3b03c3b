import sys

import numpy as np
import pytest
import torch

from dabench.bench.memory import MemoryWatch

CPU = torch.device("cpu")


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is reset on Linux alone")
def test_the_peak_counts_what_is_gone_at_the_end_and_only_what_is_new() -> None:
    held, watch = np.ones(40_000_000 // 8), MemoryWatch(CPU)
    start = watch.highest()

    def build() -> str:
        passing = np.ones(80_000_000 // 8)
        return f"{passing.sum():.0f}"

    result, peak = watch.added(build)
    assert result == "10000000"
    assert peak is not None
    assert 70e6 < peak < 110e6
    highest = watch.highest()
    _, nothing = watch.added(lambda: None)
    assert nothing is not None
    assert nothing < 20e6
    assert highest >= start
    assert watch.highest() == highest  # though the peak was counted anew
    assert held.sum() == 5_000_000


def test_where_the_system_does_not_tell_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dabench.bench.memory.RESET", "/no/such/file")
    watch = MemoryWatch(CPU)
    assert watch.added(lambda: "made") == ("made", None)
    assert watch.highest() > 0


def test_the_highest_is_that_of_all_contenders(monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = iter([50, 30, 80, 60, 10, 20, 15])
    monkeypatch.setattr("dabench.bench.memory.peak_memory_bytes", lambda _: next(peaks))
    monkeypatch.setattr("dabench.bench.memory.reset_peak_memory", lambda _: None)
    watch = MemoryWatch(torch.device("cuda"))
    assert watch.added(lambda: None)[1] == 50
    assert watch.added(lambda: None)[1] == 10
    assert watch.highest() == 80
