"""Seconds from a run's own start to its first batch, with warm caches and imports done."""

import time
from itertools import pairwise

import torch

from dabench.bench.planning import BenchPlan, open_domains, plan_runs
from dabench.plan import check_weights
from dabench.train import Training

__all__ = ["STAGES", "seconds_to_first_step"]

STAGES = ("plan", "check weights", "open images", "build", "first batch")


def seconds_to_first_step(request: BenchPlan, device: torch.device) -> dict[str, float]:
    """Start one run as ``dabench run`` does, up to its first step; seconds of each stage.

    Nothing that is open in this process is used again. The run is that of the last method.
    """
    ends = [time.perf_counter()]

    def end() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        ends.append(time.perf_counter())

    domains = open_domains(request)
    run = plan_runs(request, domains, device)[-1]
    end()
    check_weights([run])
    end()
    images = domains.images(run.suite, run.task, run.config, False, run.weights, device)
    end()
    training = Training(run.config, run.entry, run.weights, len(images.classes), images.training, device)
    training.begin()
    end()
    training.batch(0)
    end()
    durations = [later - earlier for earlier, later in pairwise(ends)]
    return dict(zip(STAGES, durations, strict=True))
