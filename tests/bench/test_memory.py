import sys

import numpy as np
import pytest
import torch

from dabench.bench.memory import added_memory, how_memory_is_taken

CPU = torch.device("cpu")


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is reset on Linux alone")
def test_the_peak_counts_what_is_gone_at_the_end_and_only_what_is_new() -> None:
    held = np.ones(40_000_000 // 8)

    def build() -> str:
        passing = np.ones(80_000_000 // 8)
        return f"{passing.sum():.0f}"

    result, peak = added_memory(build, CPU)
    assert result == "10000000"
    assert 70e6 < peak < 110e6
    _, nothing = added_memory(lambda: None, CPU)
    assert nothing < 20e6
    assert held.sum() == 5_000_000


def test_the_figure_says_how_it_was_taken() -> None:
    assert "resident memory of the process" in how_memory_is_taken(CPU)
    assert "on the GPU" in how_memory_is_taken(torch.device("cuda"))
