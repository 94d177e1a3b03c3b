"""Runs on Ray: several at a time on the GPUs of this machine, or on a cluster that is there.

Ray places runs and starts its worker processes anew when they die. Everything else is as without it: a
worker calls ``dabench.sweep.work``, and the results folder, which all machines share, decides who has a run
and holds its record. Should this process die, its workers end, and the same command goes on.

At most ``jobs`` runs are with Ray at a time, so that order, deadline and ``--fail-fast`` hold as they do
inline. ``dabench.ray_cluster`` starts Ray, ``dabench.ray_worker`` is what a worker does.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from dabench.budget import Expectation
from dabench.claims import claim_file, read_holder
from dabench.errors import UserError
from dabench.executor import Workers
from dabench.holder import LONGEST_LEASE
from dabench.openings import OpenDomains
from dabench.plan import PlannedRun
from dabench.ray_cluster import (
    Gpus,
    Processors,
    Stop,
    connected,
    host_of,
    load_ray,
    set_environment,
    shares,
)
from dabench.ray_worker import SAME, Answer, Parcel, carry_out, pack
from dabench.records import Record
from dabench.sharing import has_checkpoint
from dabench.sweep import Display, Place, SweepResult, settled

__all__ = ["OnRay"]

ENDS_SECONDS = 60.0  # that runs have to keep a checkpoint and to give their claims back
STOPS_SECONDS = 10.0  # that runs have to stop by themselves after the deadline, before they are called back
MOST_DEATHS = 3  # of workers in one run that had not claimed it: claims count the others
IDLE_SECONDS = 30.0  # without a GPU, until it is said
LONGEST_WAIT = 1.0  # seconds between two looks at signals, deadline and what is called back


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
        set_environment(own=workers.address is None)
        load_ray()

    def run(
        self,
        runs: Sequence[PlannedRun],
        place: Place,
        display: Display,
        domains: OpenDomains | None = None,
        expectation: Expectation | None = None,
    ) -> SweepResult:
        """See ``dabench.executor.Executor``; images are opened by each worker."""
        if place.device.index is not None:
            raise UserError(
                f"--executor ray takes all GPUs, not {place.device}",
                f"CUDA_VISIBLE_DEVICES={place.device.index} and --device cuda take this one alone",
            )
        elsewhere = replace(
            place,
            data=place.data and place.data.absolute(),
            results=place.results.absolute(),
            listed=place.listed and place.listed.absolute(),
        )
        driver = None
        try:
            with connected(self._workers, place.device) as stop:
                share = shares(self._workers, place.device, runs)
                driver = _Driver(
                    runs, elsewhere, display, expectation or Expectation(), share, stop,
                    self._workers.address is not None,
                )  # fmt: skip
                return driver.drive()
        except KeyboardInterrupt:  # while Ray started, or went
            return driver.interrupted() if driver else SweepResult(left=list(runs), interrupted=True)
        except (load_ray().exceptions.RayError, ConnectionError) as error:  # the latter for ray://
            raise UserError(
                f"Ray answers no more: {' '.join(str(error).split())}",
                "what was finished is kept; run the same command again",
            ) from error


@cache
def _task(fresh: bool) -> Any:
    """What workers do, as Ray knows it; fresh: in a process of its own."""
    remote = load_ray().remote
    return (remote(max_calls=1) if fresh else remote)(_carry_out)


def _carry_out(parcel: Parcel) -> Answer:
    """Do a run in a worker of Ray."""
    return carry_out(parcel, load_ray().cloudpickle.loads)


def _patience(run: PlannedRun, lease: float) -> float:
    """Seconds after which a claim without a sign of life is known as dead, and some more."""
    assert run.path is not None
    holder = read_holder(run.path)
    return 1.5 * max(lease, min(holder.lease, LONGEST_LEASE) if holder else 0.0)


@dataclass
class _Driver:
    """Hands runs to Ray, a few at a time, and collects what becomes of them."""

    runs: Sequence[PlannedRun]
    place: Place
    display: Display
    expectation: Expectation
    share: Processors | Gpus
    stop: Stop
    cluster: bool
    result: SweepResult = field(default_factory=SweepResult)
    waiting: list[PlannedRun] = field(default_factory=list)
    again: list[PlannedRun] = field(default_factory=list)  # others had them, or their worker died
    sent: dict[Any, tuple[PlannedRun, Any]] = field(default_factory=dict)  # run and share by Ray's reference
    deaths: Counter[str] = field(default_factory=Counter)

    def drive(self) -> SweepResult:
        """Work off all runs."""
        problem: UserError | None = None
        try:
            self._work_off()
        except UserError as error:
            problem = error
        except KeyboardInterrupt:
            self.result.interrupted = True
        problem = self._recall(gently=not self.result.interrupted) or problem
        self.share.close()
        self.result.interrupted |= self.stop.asked
        self._count_left()
        if problem is not None and not self.result.interrupted:
            raise problem
        return self.result

    def interrupted(self) -> SweepResult:
        """What there is where Ctrl-C came while all was being ended."""
        self.result.interrupted = True
        self._count_left()
        return self.result

    def _count_left(self) -> None:
        ended = {r.run_id for r in (*self.result.done, *self.result.failed, *self.result.elsewhere)}
        self.result.left = [run for run in self.runs if run.run_id not in ended]

    def _work_off(self) -> None:
        self.waiting = list(self.runs)
        if self.share.idle_gpus and self.runs:
            gpus = f"the cluster has {self.share.idle_gpus} GPUs, and runs use processors"
            self.display.note(self.runs[0], f"{gpus}; --device cuda uses GPUs")
        idle: float | None = None
        while not self._over():
            self._send()
            if not self.sent and not self.waiting and not self.again:
                return
            if self.sent:
                idle = None
                self._collect()
            else:  # no GPU is free, or those there are have gone
                idle = self._tell_idle(idle)
                time.sleep(min(self.place.poll, LONGEST_WAIT) / 5)
        if self.place.out_of_time:
            end = time.monotonic() + STOPS_SECONDS
            while self.sent and time.monotonic() < end and not self.stop.asked:
                self._collect()

    def _tell_idle(self, since: float | None) -> float:
        """Say once, after a while, that nothing can be sent; return since when."""
        now = time.monotonic()
        if since is not None and since < now - IDLE_SECONDS:
            run = (*self.waiting, *self.again)[0]
            self.display.note(run, "no GPU that Ray has is free: waiting; Ctrl-C ends the sweep")
            return float("inf")
        return now if since is None else since

    def _over(self) -> bool:
        failed = self.place.fail_fast and self.result.has_failures
        return self.stop.asked or self.place.out_of_time or failed

    def _send(self) -> None:
        """Give Ray the next runs, first those that were not tried yet."""
        while len(self.sent) < self.share.jobs and (self.waiting or self.again):
            patient = not self.waiting
            runs = self.again if patient else self.waiting
            run = runs[0]
            if self._is_settled(run) or self._is_late(run):
                runs.pop(0)
                continue
            taken = self.share.take(run)
            if taken is None:
                return
            share, options = taken
            runs.pop(0)
            if patient:
                self.display.wait([run])
            patience = _patience(run, self.place.lease) if patient else 0.0
            parcel = pack(run, self.place, patience, load_ray().cloudpickle.dumps)
            # None is sent again by Ray itself, which would not ask for the time that is left.
            task = _task(self.place.device.type == "cuda").options(max_retries=0, **options)
            self.sent[task.remote(parcel)] = run, share
            self.display.handed(run)

    def _is_settled(self, run: PlannedRun) -> bool:
        other = settled(run, self.place.store)
        if other is None:
            return False
        self.result.elsewhere.append(other)
        self.expectation.add(other)
        self.display.elsewhere(run, other)
        return True

    def _is_late(self, run: PlannedRun) -> bool:
        left = self.place.deadline.left() if self.place.deadline else float("inf")
        fits = self.expectation.fits(run.suite.name, run.config.backbone, run.config.method, left)
        return not fits and not has_checkpoint(run)

    def _collect(self) -> None:
        """Wait for a run to end, or a moment."""
        timeout = min(self.place.poll, LONGEST_WAIT)
        ended, _ = load_ray().wait(list(self.sent), timeout=timeout)
        for reference in ended:
            run, share = self.sent.pop(reference)
            self.share.give_back(share)
            self.again.append(run)
            record = self._record(reference, run)
            if record is None:
                continue
            self.again.remove(run)
            self.deaths.pop(run.label, None)
            self.expectation.add(record)
            number = len(self.result.done) + len(self.result.failed) + len(self.result.elsewhere) + 1
            self.display.begin(run, number, len(self.runs))
            self.display.end(run, record)
            self.result.add(record)

    def _record(self, reference: Any, run: PlannedRun) -> Record | None:
        """What became of a run; None where it is to be tried again."""
        ray = load_ray()
        try:
            answer: Answer = ray.get(reference)
        except ray.exceptions.RayError as error:
            cancelled = ray.exceptions.TaskCancelledError
            if isinstance(error, cancelled) or isinstance(getattr(error, "cause", None), cancelled):
                return None
            words = [line.strip() for line in str(error).splitlines() if line.strip()] or [
                type(error).__name__
            ]
            if isinstance(error, ray.exceptions.RayTaskError):
                raise UserError(
                    f"{self._at(host_of(error.ip))}a run cannot begin: {words[-1]}", SAME
                ) from error
            self._died(run, words[0].partition(". ")[0])
            return None
        for note in answer.notes:
            self.display.note(run, f"{self._at(answer.host)}{note}")
        if answer.problem is not None:
            raise UserError(f"{self._at(answer.host)}{answer.problem}", answer.problem.hint)
        return answer.record

    def _at(self, host: str) -> str:
        return f"{host}: " if self.cluster else ""

    def _died(self, run: PlannedRun, words: str) -> None:
        """A worker died. Who died in a claimed run is counted by the claim, whoever tries it next."""
        assert run.path is not None
        self.display.note(run, f"a worker of Ray died: {words}")
        if claim_file(run.path).exists():
            return
        self.deaths[run.label] += 1
        if self.deaths[run.label] == MOST_DEATHS:
            raise UserError(
                f"{MOST_DEATHS} workers of Ray died before they began {run.label}, the last one: {words}",
                "too little memory, or a machine on which dabench does not start? Mend it and run the same "
                "command again",
            )

    def _recall(self, gently: bool) -> UserError | None:
        """Stop what is with Ray: what has not begun does not begin, what runs gives its claim back.

        Args:
            gently: runs end at their next step, with a checkpoint; otherwise at once.

        Returns:
            What one of them had to say that the user can mend.
        """
        problem, end, called = None, time.monotonic() + ENDS_SECONDS, False
        while self.sent and time.monotonic() < end:
            try:
                if not gently or not called:  # the first call waits for a step, see ``dabench.ray_worker``
                    for reference in self.sent:
                        load_ray().cancel(reference)
                called = True
                self._collect()
            except UserError as error:
                problem = error
            except KeyboardInterrupt:
                self.result.interrupted = True
                if not gently:  # Ctrl-C again does not wait: others find out that the claims are dead
                    return problem
                gently = False
        return problem
