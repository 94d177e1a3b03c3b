"""Start the processes in which a method is checked, each with its own folders, and gather their reports."""

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event

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
    "contracts": (("contracts", Job(methods=(), contracts=True)),),
    "again": (
        ("process", Job(methods=(), tasks=(Task(key="before", task="B2A"), Task(key="process")))),
        ("disk", Job(methods=(), tasks=(Task(key="disk"),))),
    ),
}
# Whatever "again" leaves anywhere on the machine, runs that are to know nothing must be over by then.
AFTER = {"again": "plain"}
WORDS = {
    "import": "import",
    "plain": "runs on labels as they are",
    "changed": "runs on other target labels",
    "process": "a run after another one in the process",
    "disk": "a run with the folders of other runs",
    "contracts": "the contract",
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


def start(job: Job, folder: Path, stopped: Event | None = None) -> Report:
    """Do a job in a new process, and wait for it.

    Args:
        job: files by their absolute paths.
        folder: of the process's folders; what an earlier process left there, it finds.
        stopped: once set, the process is ended.

    Raises:
        Crashed: the process ended without a report.
    """
    place = _Place(folder)
    environment = place.environment()
    source, target = folder / "job.json", folder / "report.json"
    source.write_text(job.model_dump_json(), encoding="utf-8")
    target.unlink(missing_ok=True)
    command = [sys.executable, "-P", "-m", "dabench.checks.worker", str(source), str(target)]
    with subprocess.Popen(
        command, cwd=folder / "work", env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, errors="replace",
    ) as process:  # fmt: skip
        try:
            errors = _errors_of(process, stopped or Event())
        except BaseException:
            process.kill()
            raise
    if process.returncode or not target.exists():
        lines = [line for line in errors.splitlines() if line.strip()]
        last = f": {lines[-1].strip()}" if lines else ""
        code = process.returncode
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise Crashed(f"the process that ran the method ended early ({how}){last}")
    return Report.model_validate_json(target.read_bytes())


def _errors_of(process: "subprocess.Popen[str]", stopped: Event) -> str:
    """Wait for a process, and return what it wrote to its error stream."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while True:
        try:
            return process.communicate(timeout=0.5)[1]
        except subprocess.TimeoutExpired as error:
            if stopped.is_set() or time.monotonic() > deadline:
                raise Crashed(f"the checks took more than {LONGEST_SECONDS} seconds") from error


def check_in_processes(
    methods: Sequence[str], finished: Callable[[str, float], None] = lambda *_: None
) -> dict[str, Report | Crashed]:
    """Do all jobs on methods, two at a time; return their reports by the job's name.

    The first process only imports them: where that is the user's mistake, no other one is started. The images
    of an invocation are its own: nothing that an earlier one has left behind can know them.

    Args:
        methods: names, or files by their absolute paths.
        finished: called with what a process did, and its seconds, when it has done it.
    """
    stopped, salt = Event(), secrets.randbits(32)

    def one(key: str, job: Job, folder: Path) -> Report | Crashed:
        started = time.perf_counter()
        try:
            report = start(job.model_copy(update={"methods": tuple(methods), "salt": salt}), folder, stopped)
        except Crashed as error:
            return error
        if not report.error:
            finished(WORDS[key], time.perf_counter() - started)
        return report

    def chain(
        name: str, folder: Path, after: "Future[dict[str, Report | Crashed]] | None"
    ) -> dict[str, Report | Crashed]:
        if after is not None:
            after.result()
        return {key: one(key, job, folder / name) for key, job in JOBS[name] if not stopped.is_set()}

    with tempfile.TemporaryDirectory(prefix="dabench-check-") as text, ThreadPoolExecutor(2) as pool:
        folder = Path(text).resolve()
        first = one("import", Job(methods=()), folder / "import")
        if isinstance(first, Crashed) or first.error:
            return {"import": first}
        futures: dict[str, Future[dict[str, Report | Crashed]]] = {}
        try:
            for name in JOBS:
                futures[name] = pool.submit(chain, name, folder, futures.get(AFTER.get(name, "")))
            return {key: report for future in futures.values() for key, report in future.result().items()}
        except BaseException:  # an interrupt, too: no process may outlive the command
            stopped.set()
            raise
