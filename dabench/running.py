"""One run, from its images to what its record says; nothing is written but checkpoints."""

import json
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from dabench.checkpoint import Checkpoints, TimeIsUp
from dabench.claims import LeaseLost
from dabench.environment import code_version, environment
from dabench.errors import UserError
from dabench.evaluation import Evaluator
from dabench.failures import describe_failure
from dabench.hardware import peak_memory_bytes, reset_peak_memory
from dabench.openings import OpenDomains
from dabench.plan import PlannedRun
from dabench.records import Failure, Record, ResultsError, Timing
from dabench.train import Observer, Training
from dabench.watching import watched_parts

__all__ = ["DeviceLost", "Finished", "attempt", "failed_record", "require_device"]


@dataclass(frozen=True)
class Finished:
    """A run's record, done or failed, and the arrays that belong to it."""

    record: Record
    arrays: Mapping[str, NDArray[Any]] | None = None
    validation: Mapping[str, NDArray[Any]] | None = None


def attempt(
    run: PlannedRun,
    domains: OpenDomains,
    device: torch.device,
    observe: Observer,
    checkpoints: Checkpoints | None = None,
    check: Callable[[], None] | None = None,
    folders: Iterable[Path] = (),
) -> Finished:
    """Run once, or go on from a checkpoint; an error of the run makes a failed record.

    Args:
        run: to run.
        domains: its images.
        device: to run on.
        observe: told of every step.
        checkpoints: to go on from and to write.
        check: called before each step.
        folders: this machine's, cut off what a failure says.

    Raises:
        LeaseLost: another process has the run.
        TimeIsUp: it is to be gone on with another day.
        ResultsError: the results folder is full, read-only or gone, so that no record can be written.
    """
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    started = time.perf_counter()
    try:
        return _attempt(run, domains, device, observe, checkpoints, check, started_at)
    except (KeyboardInterrupt, GeneratorExit, LeaseLost, TimeIsUp, ResultsError):
        raise
    except BaseException as error:  # a run that fails, or calls sys.exit, is a result; the sweep goes on
        if _asked_by_signal(error):
            raise
        base = run.suite.base
        data = [folder for folder in (domains.root, base) if folder is not None]
        failure = describe_failure(error, run.entry.file, folders, data)
        return Finished(failed_record(run, device, failure, started_at, time.perf_counter() - started))


def _asked_by_signal(error: BaseException) -> bool:
    """Whether the handler of SIGTERM exits: Ray's workers have one, which is no matter of the run."""
    code = getattr(signal.getsignal(signal.SIGTERM), "__code__", None)
    trace = error.__traceback__
    while trace is not None and isinstance(error, SystemExit) and code is not None:
        if trace.tb_frame.f_code is code:
            return True
        trace = trace.tb_next
    return False


def _attempt(
    run: PlannedRun,
    domains: OpenDomains,
    device: torch.device,
    observe: Observer,
    checkpoints: Checkpoints | None,
    check: Callable[[], None] | None,
    started_at: str,
) -> Finished:
    started = time.perf_counter()
    reset_peak_memory(device)
    images = domains.images(
        run.suite, run.task, run.config, run.entry.cls.uses_target_labels, run.weights, device
    )
    if check is not None:
        check()  # putting images into the cache may have taken long
    metric = run.suite.manifest.metric
    training = Training(run.config, run.entry, run.weights, len(images.classes), images.training, device)
    test = training.inputs(images.test, "test")
    evaluator = Evaluator(
        test, images.test_labels, images.classes, metric, run.config.batch.test,
        watched_parts(training, images),
    )  # fmt: skip
    training.run(evaluator, observe, checkpoints, check)
    steps = run.config.steps if training.method.trains_network else 0
    seen = steps * (run.config.batch.source + run.config.batch.target)
    timing = Timing(
        started_at=started_at,
        total_seconds=training.earlier_seconds + time.perf_counter() - started,
        training_seconds=training.training_seconds,
        images_per_second=seen / training.training_seconds if seen and training.training_seconds else None,
        peak_memory_bytes=peak_memory_bytes(device),
    )
    oracle = evaluator.oracle()
    record = Record(
        **_base(run, device),
        status="done",
        value=evaluator.value(evaluator.evaluations[-1]),
        oracle=evaluator.value(oracle),
        oracle_step=oracle.step,
        metrics=evaluator.last,
        evaluations=evaluator.evaluations,
        timing=timing,
    )
    return Finished(record, evaluator.arrays(), evaluator.stored())


class DeviceLost(UserError):
    """The GPU answers no more after a failed run: every other run of this process would fail.

    Attributes:
        record: of the failed run, once it is published.
    """

    record: Record | None = None


def require_device(device: torch.device) -> None:
    """Make sure, after a failed run, that the GPU still answers: some errors poison the whole process.

    Raises:
        DeviceLost: it does not.
    """
    if device.type != "cuda":
        return
    try:
        torch.cuda.synchronize(device)
    except RuntimeError as error:
        raise DeviceLost(
            f"{device} answers no more after a failed run: {str(error).strip().splitlines()[0]}",
            "the sweep stops, as all others would fail in this process; run the same command again",
        ) from error


def failed_record(
    run: PlannedRun, device: torch.device, failure: Failure, started_at: str = "", seconds: float = 0.0
) -> Record:
    """Say of a run why it has no result.

    Args:
        run: that failed.
        device: it was to run on.
        failure: why.
        started_at: when, in ISO 8601.
        seconds: how long it took.
    """
    started_at = started_at or datetime.now(UTC).isoformat(timespec="seconds")
    timing = Timing(started_at=started_at, total_seconds=seconds)
    return Record(**_base(run, device), status="failed", failure=failure, timing=timing)


def _base(run: PlannedRun, device: torch.device) -> dict[str, Any]:
    """What a record says whether its run succeeds or not."""
    cls = run.entry.cls
    return {
        "run_id": run.run_id,
        "suite": run.suite.name,
        "task": run.task.name,
        "source": run.task.source,
        "target": run.task.target,
        "method": run.entry.name,
        "backbone": run.config.backbone,
        "seed": run.config.seed,
        "protocol": run.protocol,
        "uses_target_labels": cls.uses_target_labels,
        "metric": run.suite.manifest.metric,
        "config": json.loads(run.config.model_dump_json()),
        "provenance": dict(run.provenance),
        "method_info": {
            "title": cls.title,
            "paper": cls.paper,
            "version": cls.version,
            "source_sha256": run.entry.source_sha256,
        },
        "suite_info": {
            "title": run.suite.manifest.title,
            "tasks": [task.name for task in run.suite.tasks()],
            "classes": list((run.dataset or {}).get("target_test", {}).get("class_counts", {})),
        },
        "dataset": dict(run.dataset or {}),
        "environment": environment(device),
        "code": code_version(),
        "command": run.command,
    }
