"""Stands in for Slurm's ``sbatch``: reads an array script's directives and starts its tasks as processes.

Knows ``--array``, ``--time`` (minutes:seconds) and ``--wait``, on its command line and in ``#SBATCH`` lines.
At the time limit tasks get SIGTERM, and SIGKILL soon after, as on a cluster.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path


def directives(words: list[str]) -> dict[str, str]:
    """``--array=1-3`` and its like, by name."""
    found = (re.fullmatch(r"--(\S+?)(?:=(.*))?", word) for word in words)
    return {match[1]: match[2] or "" for match in found if match}


def main() -> int:
    """Start the tasks; wait for them, as ``--wait`` says; return the highest exit code."""
    words = sys.argv[1:]
    first = next(number for number, word in enumerate(words) if not word.startswith("--"))
    script, arguments = Path(words[first]), words[first + 1 :]
    lines = re.findall(r"^#SBATCH (\S+)$", script.read_text(encoding="utf-8"), re.MULTILINE)
    options = directives(lines) | directives(words[:first])
    low, high = options["array"].split("-")
    minutes, seconds = options["time"].split(":")[-2:]
    end = time.time() + 60 * int(minutes) + int(seconds)
    tasks = [
        subprocess.Popen(
            [script, *arguments],
            env={**os.environ, "SLURM_ARRAY_TASK_ID": str(task), "SLURM_JOB_END_TIME": str(int(end))},
        )
        for task in range(int(low), int(high) + 1)
    ]
    print("Submitted batch job 1", flush=True)
    assert "wait" in options, "tasks would outlive their test"
    for kind in (None, signal.SIGTERM, signal.SIGKILL):
        running = [task for task in tasks if task.poll() is None]
        for task in running:
            if kind is not None:
                task.send_signal(kind)
        for task in running:
            try:
                task.wait(max(end - time.time(), 0.0) if kind is None else 5.0)
            except subprocess.TimeoutExpired:
                break
    return max(abs(task.wait()) for task in tasks)


if __name__ == "__main__":
    sys.exit(main())
