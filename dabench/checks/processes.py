"""Start the processes in which a method is checked, each with its own folders, and gather their reports."""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from dabench.checks.leaks import STAGES
from dabench.checks.worker import Job, Report, Task

__all__ = ["Crashed", "check_in_processes", "start"]

ROOT = Path(__file__).resolve().parents[2]
LONGEST_SECONDS = 600
EVERY_STAGE = tuple(Task(key=name, stage=name) for name in STAGES)
FRESH = Task(key="fresh")
# The places of one process: the next one that is given the same place finds what it left behind.
JOBS: Mapping[str, tuple[tuple[str, Job], ...]] = {
    "plain": (("plain", Job(methods=(), tasks=(FRESH, *EVERY_STAGE))),),
    "changed": (("changed", Job(methods=(), tasks=(FRESH, *EVERY_STAGE), changed=True)),),
    "again": (
        ("process", Job(methods=(), tasks=(Task(key="before", task="B2A"), Task(key="process")))),
        ("disk", Job(methods=(), tasks=(Task(key="disk"),))),
    ),
    "contracts": (("contracts", Job(methods=(), contracts=True)),),
}


class Crashed(Exception):
    """A process ended without a report; the message says how."""


@dataclass(frozen=True)
class _Place:
    """The folders of a process: what it works in, and what stands for the user's own."""

    folder: Path

    def environment(self) -> dict[str, str]:
        """The variables that say where everything is: a method that looks for the data finds these."""
        work = self.folder / "work"
        paths = {
            "DABENCH_DATA": work / "data",
            "DABENCH_RESULTS": work / "results",
            "DABENCH_CACHE": work / "cache",
            "HOME": self.folder / "home",
            "XDG_CACHE_HOME": self.folder / "home" / ".cache",
            "TMPDIR": self.folder / "tmp",
        }
        for path in (work, *paths.values()):
            path.mkdir(parents=True, exist_ok=True)
        python = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        once = {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": python}
        return {**os.environ, **once, **{name: str(path) for name, path in paths.items()}}


def start(job: Job, folder: Path) -> Report:
    """Do a job in a new process, and wait for it.

    Args:
        job: files by their absolute paths.
        folder: of the process's folders; what an earlier process left there, it finds.

    Raises:
        Crashed: the process ended without a report.
    """
    place = _Place(folder)
    environment = place.environment()
    source, target = folder / "job.json", folder / "report.json"
    source.write_text(job.model_dump_json(), encoding="utf-8")
    target.unlink(missing_ok=True)
    command = [sys.executable, "-P", "-m", "dabench.checks.worker", str(source), str(target)]
    try:
        done = subprocess.run(
            command, cwd=folder / "work", env=environment, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, errors="replace", timeout=LONGEST_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Crashed(f"the checks took more than {LONGEST_SECONDS} seconds") from error
    if done.returncode or not target.exists():
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        last = f": {lines[-1].strip()}" if lines else ""
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
        raise Crashed(f"the process that ran the method ended early ({how}){last}")
    return Report.model_validate_json(target.read_bytes())


def check_in_processes(methods: Sequence[str]) -> dict[str, Report | Crashed]:
    """Do all jobs on methods, two at a time; return their reports by the job's name.

    After a mistake of the user's no further process is started: it would find the same.

    Args:
        methods: names, or files by their absolute paths.
    """
    mistaken = threading.Event()

    def chain(name: str, folder: Path) -> dict[str, Report | Crashed]:
        found: dict[str, Report | Crashed] = {}
        for key, job in JOBS[name]:
            if mistaken.is_set():
                break
            try:
                report = found[key] = start(job.model_copy(update={"methods": tuple(methods)}), folder / name)
                if report.error:
                    mistaken.set()
            except Crashed as error:
                found[key] = error
        return found

    with tempfile.TemporaryDirectory(prefix="dabench-check-") as text, ThreadPoolExecutor(2) as pool:
        folder = Path(text).resolve()
        parts = list(pool.map(lambda name: chain(name, folder), JOBS))
    return {key: report for part in parts for key, report in part.items()}
