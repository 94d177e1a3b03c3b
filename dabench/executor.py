"""Who carries out the runs of a plan: this process one after the other, or Ray many at a time.

Every executor gives each run to ``dabench.sweep.work``, which claims it, runs it and publishes its record:
plan, records and numbers are the same in all. How a plan is carried out is no part of a run's identity.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from dabench.budget import Expectation
from dabench.errors import UserError
from dabench.openings import OpenDomains
from dabench.plan import PlannedRun
from dabench.registry import Registry
from dabench.sharing import share
from dabench.sweep import Display, Place, SweepResult

__all__ = ["EXECUTORS", "Executor", "Inline", "Workers", "find_executor"]


class Executor(Protocol):
    """Carries out the runs of a plan."""

    def run(
        self,
        runs: Sequence[PlannedRun],
        place: Place,
        display: Display,
        domains: OpenDomains | None = None,
        expectation: Expectation | None = None,
    ) -> SweepResult:
        """Do what nobody else does of a plan, in order, until every run has a record.

        Args:
            runs: to do.
            place: where and how.
            display: told of the progress.
            domains: images that are open in this process; others open them again.
            expectation: what runs took, to start none that would not end before the deadline.

        Raises:
            UserError: the results folder is full, read-only or gone, or the executor cannot start.
        """
        ...


@dataclass(frozen=True)
class Workers:
    """How many processes carry out runs, and where.

    Attributes:
        jobs: runs at a time, at least 1; None leaves it to the executor.
        address: of a cluster that is there, as the executor writes it; None for this machine.
    """

    jobs: int | None = None
    address: str | None = None


class Inline:
    """One run after the other in this process. Several such processes may share one results folder."""

    def run(
        self,
        runs: Sequence[PlannedRun],
        place: Place,
        display: Display,
        domains: OpenDomains | None = None,
        expectation: Expectation | None = None,
    ) -> SweepResult:
        """See ``Executor``."""
        return share(runs, place, display, domains, expectation)


def _inline(workers: Workers) -> Executor:
    if workers.jobs not in (None, 1) or workers.address is not None:
        raise UserError(
            "--jobs and --address are for --executor ray",
            "without it, start the same command several times: they share the work",
        )
    return Inline()


def _ray(workers: Workers) -> Executor:
    from dabench.on_ray import OnRay

    return OnRay(workers)


EXECUTORS: Registry[Callable[[Workers], Executor]] = Registry("executor")
EXECUTORS.add("inline", _inline, __name__)
EXECUTORS.add("ray", _ray, __name__)


def find_executor(name: str, jobs: int | None = None, address: str | None = None) -> Executor:
    """Return an executor by name, ready to run.

    Raises:
        UserError: no such executor, options that it does not have, or a missing extra.
    """
    return EXECUTORS.get(name)(Workers(jobs, address))
