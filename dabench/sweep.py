"""Run a plan: one record a run, failures are results too, nothing lost when it is interrupted."""

import json
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import torch

from dabench.cache import cache_folder
from dabench.environment import code_version, environment
from dabench.evaluation import Evaluator
from dabench.hardware import peak_memory_bytes, reset_peak_memory
from dabench.openings import OpenDomains
from dabench.plan import PlannedRun
from dabench.records import Evaluation, Failure, Record, RecordStore, Timing
from dabench.train import Training
from dabench.watching import watched_parts

__all__ = ["Display", "SweepResult", "run_one", "run_sweep"]


class Display(Protocol):
    """What a sweep tells of its progress."""

    def begin(self, run: PlannedRun, number: int, total: int) -> None:
        """Run number (from 1) of total starts."""
        ...

    def advance(self, step: int, losses: Mapping[str, float], evaluation: Evaluation | None) -> None:
        """A step is done; losses and evaluation come with evaluations only."""
        ...

    def end(self, run: PlannedRun, record: Record) -> None:
        """The run's record is written."""
        ...


@dataclass
class SweepResult:
    """What a sweep did."""

    done: list[Record] = field(default_factory=list)
    failed: list[Record] = field(default_factory=list)
    interrupted: bool = False


def run_sweep(
    runs: Sequence[PlannedRun],
    domains: OpenDomains,
    store: RecordStore,
    device: torch.device,
    display: Display,
    fail_fast: bool = False,
) -> SweepResult:
    """Run what is to do, in order; a failed run leaves its record and the sweep goes on.

    Ctrl-C stops between or within runs: records that are written stay, the run in progress leaves none.
    """
    result = SweepResult()
    try:
        for number, run in enumerate(runs, start=1):
            display.begin(run, number, len(runs))
            record = run_one(run, domains, store, device, display.advance)
            display.end(run, record)
            (result.done if record.status == "done" else result.failed).append(record)
            if fail_fast and result.failed:
                break
    except KeyboardInterrupt:
        result.interrupted = True
    return result


def run_one(
    run: PlannedRun,
    domains: OpenDomains,
    store: RecordStore,
    device: torch.device,
    observe: Callable[[int, Mapping[str, float], Evaluation | None], None],
) -> Record:
    """Run once and write the record: done, or failed with the reason.

    A failure does not replace the finished record of an earlier run of the same identity.
    """
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    started = time.perf_counter()
    reset_peak_memory(device)
    base = _base(run, device)
    try:
        images = domains.images(
            run.suite, run.task, run.config, run.entry.cls.uses_target_labels, run.weights, device
        )
        metric = run.suite.manifest.metric
        training = Training(run.config, run.entry, run.weights, len(images.classes), images.training, device)
        test = training.inputs(images.test, "test")
        evaluator = Evaluator(
            test, images.test_labels, images.classes, metric, run.config.batch.test,
            watched_parts(training, images),
        )  # fmt: skip
        training.run(evaluator, observe)
    except Exception as error:  # a run that fails is a result; the sweep goes on
        timing = Timing(started_at=started_at, total_seconds=time.perf_counter() - started)
        failed = Record(**base, status="failed", failure=_failure(error), timing=timing)
        earlier = store.read(store.path(failed))
        if not isinstance(earlier, Record) or earlier.status != "done":  # --force must not lose a result
            store.write(failed)
        return failed
    steps = run.config.steps if training.method.trains_network else 0
    seen = steps * (run.config.batch.source + run.config.batch.target)
    timing = Timing(
        started_at=started_at,
        total_seconds=time.perf_counter() - started,
        training_seconds=training.training_seconds,
        images_per_second=seen / training.training_seconds if seen and training.training_seconds else None,
        peak_memory_bytes=peak_memory_bytes(device),
    )
    oracle = evaluator.oracle()
    record = Record(
        **base,
        status="done",
        value=evaluator.value(evaluator.evaluations[-1]),
        oracle=evaluator.value(oracle),
        oracle_step=oracle.step,
        metrics=evaluator.last,
        evaluations=evaluator.evaluations,
        timing=timing,
    )
    store.write(record, evaluator.arrays(), evaluator.stored())
    return record


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


def _failure(error: Exception) -> Failure:
    """Kind, message and the traceback's last lines, without this machine's folders."""
    message = str(error) or type(error).__name__
    kind = type(error).__name__
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        kind = "OutOfMemory"
        message += " (smaller batch.source and batch.target, image.size or precision=bfloat16 need less)"
    text = "".join(traceback.format_exception(error))
    return Failure(kind=kind, message=_without_folders(message), traceback=_without_folders(text)[-4000:])


def _without_folders(text: str) -> str:
    """Records get published: cut this machine's folders off the paths in a text."""
    root = str(Path(__file__).resolve().parents[1])  # an editable installation is not on sys.path
    folders = {root, str(Path.cwd()), str(cache_folder()), *filter(None, sys.path)}
    for folder in sorted(folders, key=len, reverse=True):
        text = text.replace(f"{folder}/", "")
    return text
