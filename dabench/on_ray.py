"""Runs on Ray: several at a time on the GPUs of this machine, or on a cluster that is there.

Ray places runs, starts its worker processes anew when they die, and moves runs of a lost machine to others.
Everything else is as without it: a worker calls ``dabench.sweep.work``, and the results folder, which all
machines share, decides who has a run and holds its record. Should this process die, its workers end, and the
same command goes on.

At most ``jobs`` runs are with Ray at a time, so that order, deadline and ``--fail-fast`` hold as they do
inline.
"""

import contextlib
import logging
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from dabench.budget import Expectation
from dabench.claims import MOST_ATTEMPTS
from dabench.discovery import discover_methods, discover_suites
from dabench.errors import UserError
from dabench.executor import Workers
from dabench.openings import OpenDomains
from dabench.plan import PlannedRun
from dabench.records import Evaluation, Record
from dabench.sharing import has_checkpoint
from dabench.sweep import Display, Place, SweepResult, settled, work

__all__ = ["OnRay"]

MISSING = "ray is not installed: --executor ray needs it"
STORE_BYTES = 80 * 2**20  # runs pass nothing large through Ray; its least is 75 MiB
ENDS_SECONDS = 60.0  # that runs have to give their claims back after Ctrl-C


class OnRay:
    """Runs on Ray; see ``dabench.executor.Executor``.

    Args:
        workers: ``jobs`` runs at a time: by default one a GPU, and one on this machine without GPU; more of
            them than GPUs share a GPU. ``address`` of a cluster: "auto", host:port or ray://host:port.

    Raises:
        UserError: Ray is not installed.
    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        _settings(own=workers.address is None)
        _ray()

    def run(
        self,
        runs: Sequence[PlannedRun],
        place: Place,
        display: Display,
        domains: OpenDomains | None = None,
        expectation: Expectation | None = None,
    ) -> SweepResult:
        """See ``dabench.executor.Executor``; images are opened by each worker."""
        elsewhere = replace(
            place,
            data=place.data and place.data.absolute(),
            results=place.results.absolute(),
            listed=place.listed and place.listed.absolute(),
            device=torch.device(place.device.type),  # Ray shows a worker its own GPUs
        )
        with _connected(self._workers, place.device):
            return _Driver(self._workers, runs, elsewhere, display, expectation or Expectation()).drive()


def _settings(own: bool) -> None:
    """Set what Ray reads from the environment when it is imported.

    Nothing is reported to anybody. A Ray of our own listens on the machine's ports, as every Ray does, and
    answers nobody who does not know its token. Its workers are as urgent as this process: by default Ray lets
    them wait for everybody else (nice 15).
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if own:
        os.environ.setdefault("RAY_worker_niceness", "0")
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


@cache
def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise UserError(MISSING, "pip install 'dabench[ray]'") from error
    return ray


@cache
def _task() -> Any:
    """What workers do, as Ray knows it."""
    return _ray().remote(_work_there)


@contextlib.contextmanager
def _connected(workers: Workers, device: torch.device) -> Iterator[None]:
    """Start Ray on this machine, or connect to a cluster; leave it as it was."""
    ray, quiet = _ray(), {"logging_level": logging.ERROR, "log_to_driver": False}
    folder = None
    try:
        if workers.address is not None:
            try:
                ray.init(address=workers.address, **quiet)
            except (ConnectionError, ValueError, RuntimeError, OSError) as error:
                words = " ".join(str(error).split())
                raise UserError(
                    f"no Ray cluster answers at '{workers.address}': {words}",
                    "'ray start --head' starts one; without --address a Ray of this machine's own is used",
                ) from error
        else:
            # Paths of Unix sockets are short: a temporary folder of the user's may be too deep.
            folder = tempfile.mkdtemp(prefix="dabench-ray-", dir="/tmp" if Path("/tmp").is_dir() else None)
            gpus = torch.cuda.device_count() if device.type == "cuda" else 0
            ray.init(
                num_cpus=max(workers.jobs or gpus, 1), num_gpus=gpus, include_dashboard=False,
                object_store_memory=STORE_BYTES, _temp_dir=folder, **quiet,
            )  # fmt: skip
        yield
    finally:
        ray.shutdown()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


@dataclass
class _Driver:
    """Hands runs to Ray, a few at a time, and collects what becomes of them."""

    workers: Workers
    runs: Sequence[PlannedRun]
    place: Place
    display: Display
    expectation: Expectation
    result: SweepResult = field(default_factory=SweepResult)
    late: list[PlannedRun] = field(default_factory=list)
    sent: dict[Any, PlannedRun] = field(default_factory=dict)  # by Ray's reference to the answer

    def drive(self) -> SweepResult:
        """Work off all runs."""
        waiting = list(self.runs)
        again: list[PlannedRun] = []  # others had them, or their worker died
        try:
            while waiting or again or self.sent:
                if not self._over():
                    self._send(waiting, again)
                if not self.sent:
                    break
                again += self._collect()
        except KeyboardInterrupt:
            self.result.interrupted = True
        finally:
            again += self._cancel()
        self.result.left = [*waiting, *again, *self.late]
        return self.result

    def _over(self) -> bool:
        return self.place.out_of_time or (self.place.fail_fast and self.result.has_failures)

    def _send(self, waiting: list[PlannedRun], again: list[PlannedRun]) -> None:
        """Give Ray the next runs, first those that were not tried yet."""
        jobs, share = self._shares()
        left = self.place.deadline.left() if self.place.deadline else float("inf")
        while len(self.sent) < jobs and (waiting or again):
            patient = not waiting
            run = (waiting or again).pop(0)
            other = settled(run, self.place.store)
            if other is not None:
                self.result.elsewhere.append(other)
                self.expectation.add(other)
                self.display.elsewhere(run, other)
                continue
            config = run.config
            fits = self.expectation.fits(run.suite.name, config.backbone, config.method, left)
            if not fits and not has_checkpoint(run):
                self.late.append(run)
                continue
            if patient:
                self.display.wait([run])
            patience = 1.5 * self.place.lease if patient else 0.0
            task = _task().options(max_retries=MOST_ATTEMPTS, **share)
            self.sent[task.remote(_portable(run), self.place, patience, os.getcwd())] = run

    def _shares(self) -> tuple[int, Mapping[str, float]]:
        """How many runs are with Ray at a time, and what of the machines each takes."""
        there = _ray().cluster_resources()
        if self.place.device.type == "cuda":
            gpus = max(int(there.get("GPU", 0)), 1)
            jobs = self.workers.jobs or gpus
            return jobs, {"num_cpus": 1, "num_gpus": round(1 / -(-jobs // gpus), 4)}
        cpus = max(int(there.get("CPU", 0)), 1)
        jobs = self.workers.jobs or cpus
        return jobs, {"num_cpus": max(cpus // jobs, 1)}

    def _collect(self) -> list[PlannedRun]:
        """Wait for a run to end, or a moment; return runs that are to be tried again."""
        ray, again = _ray(), []
        ended, _ = ray.wait(list(self.sent), timeout=self.place.poll)
        for reference in ended:
            record = self._answer(reference)
            run = self.sent.pop(reference)
            if record is None:
                again.append(run)
                continue
            self.expectation.add(record)
            number = len(self.result.done) + len(self.result.failed) + len(self.result.elsewhere) + 1
            self.display.begin(run, number, len(self.runs))
            self.display.end(run, record)
            self.result.add(record)
        return again

    @staticmethod
    def _answer(reference: Any) -> Record | None:
        """A run's record; None where another process has the run, or its worker died too often.

        Who died in a run is counted by its claim, whoever tries it next: see ``dabench.claims``.
        """
        ray = _ray()
        try:
            record: Record | None = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError:
            return None
        return record

    def _cancel(self) -> list[PlannedRun]:
        """Stop what is with Ray, and wait for it to give its claims back."""
        ray, left = _ray(), list(self.sent.values())
        for reference in self.sent:
            ray.cancel(reference)
        # Ctrl-C again does not wait: others find out that the claims are dead.
        with contextlib.suppress(KeyboardInterrupt):
            if self.sent:
                ray.wait(list(self.sent), num_returns=len(self.sent), timeout=ENDS_SECONDS)
        self.sent.clear()
        return left


def _portable(run: PlannedRun) -> PlannedRun:
    """The run with absolute paths: workers may have another working folder."""
    weights = run.weights.absolute() if isinstance(run.weights, Path) else run.weights
    assert run.path is not None
    return replace(run, path=run.path.absolute(), weights=weights)


def _work_there(run: PlannedRun, place: Place, patience: float, folder: str) -> Record | None:
    """Do a run in a worker of Ray.

    Args:
        run: with absolute paths.
        place: with absolute paths.
        patience: seconds to wait for the run where another process has it; a claim whose owner died with its
            machine is known as dead after a lease of watching.
        folder: the working folder of who asked, for relative paths in manifests.
    """
    with contextlib.suppress(OSError):  # it may not be on this machine
        os.chdir(folder)
    discover_methods()
    discover_suites()
    end = time.monotonic() + patience
    while True:
        record = work(run, place, _nothing)
        over = record is not None or settled(run, place.store) is not None or place.out_of_time
        if over or time.monotonic() > end:
            return record
        time.sleep(place.poll)


def _nothing(step: int, losses: Mapping[str, float], evaluation: Evaluation | None) -> None:
    """Progress within a run is in its JSON lines."""
