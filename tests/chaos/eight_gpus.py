"""Nine jobs on eight GPUs that are none: on which each of them is, as Ray gives it to real workers.

A program of its own, as Ray sets signal handlers. Prints GPU and process of each job, one a line.
"""

import os
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dabench.executor import Workers
from dabench.ray_cluster import Gpus, load_ray, set_environment


def where(folder: str, jobs: int) -> tuple[str, int]:
    """Wait for the others; the GPU that this worker sees, and its process."""
    Path(folder, str(os.getpid())).touch()
    end = time.monotonic() + 60
    while len(os.listdir(folder)) < jobs and time.monotonic() < end:
        time.sleep(0.05)
    return os.environ["CUDA_VISIBLE_DEVICES"], os.getpid()


if __name__ == "__main__":
    set_environment(own=True)
    ray: Any = load_ray()
    jobs, run = int(sys.argv[1]), SimpleNamespace(config=SimpleNamespace(threads=1))
    with tempfile.TemporaryDirectory(prefix="eight-gpus-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        meeting = Path(folder, "meeting")
        meeting.mkdir()
        ray.init(
            address="local", num_cpus=16, num_gpus=8, include_dashboard=False, log_to_driver=False,
            object_store_memory=80 * 2**20, _temp_dir=f"{folder}/ray",
        )  # fmt: skip
        share = Gpus([node["Resources"] for node in ray.nodes()], Workers(jobs).jobs)
        task, sent = ray.remote(max_calls=1)(where), []
        while len(sent) < jobs:
            taken = share.take(run)  # type: ignore[arg-type]
            if taken is not None:
                sent.append(task.options(max_retries=0, **taken[1]).remote(str(meeting), jobs))
        for gpu, process in ray.get(sent):
            print(gpu, process)
        share.close()
        ray.shutdown()
        time.sleep(1)
