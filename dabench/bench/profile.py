"""Where a method's step goes: torch's profiler over a few of its steps."""

from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile

from dabench.bench.timing import WARM_CALLS, Contender

__all__ = ["profiled"]

STEPS = 3
ROWS = 25


def profiled(contender: Contender, device: torch.device, synchronise: Callable[[], None]) -> str:
    """Return the profiler's table over a few calls, the operations that take longest first."""
    for _ in range(WARM_CALLS):
        contender.work()
    synchronise()
    activities = [ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as profiler:
        for _ in range(STEPS):
            contender.work()
        synchronise()
    order = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    return str(profiler.key_averages().table(sort_by=order, row_limit=ROWS, max_name_column_width=60))
