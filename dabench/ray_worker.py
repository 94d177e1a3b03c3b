"""What runs in a worker of Ray: one run, from the parcel that the driver sent to the answer it gets.

A worker may be of another machine, so that nothing is taken for granted: version of dabench, plug-ins,
folders and clocks. Whatever is wrong there comes back as the name of the machine and a ``UserError``.
"""

import contextlib
import os
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import dabench
from dabench.discovery import discover_methods, discover_suites
from dabench.errors import UserError
from dabench.method import METHODS, MethodEntry
from dabench.plan import PlannedRun
from dabench.records import Evaluation, Record
from dabench.running import DeviceLost
from dabench.signals import terminated_as_interrupted
from dabench.sweep import Place, settled, work

__all__ = ["Answer", "Parcel", "carry_out", "pack"]

SAME = "all machines need the same version of dabench and of the packages with its methods"


@dataclass(frozen=True)
class Parcel:
    """A run as it is sent.

    Attributes:
        content: run and place, pickled, so that a worker which cannot read them can say so.
        version: of dabench.
        method: its name.
        source_sha256: digest of the method's file on the sender's machine.
        patience: seconds to wait for the run where another process has it.
        folder: the sender's working folder, for relative paths in manifests.
        cache: DABENCH_CACHE, absolute; None where the sender has none.
    """

    content: bytes
    version: str
    method: str
    source_sha256: str | None
    patience: float
    folder: str
    cache: str | None


@dataclass(frozen=True)
class Answer:
    """What became of a run.

    Attributes:
        host: name of the machine.
        record: None where another process has the run or did it, the time is up, or it was called back.
        problem: why no run can be done there.
        notes: what is no error.
    """

    host: str
    record: Record | None = None
    problem: UserError | None = None
    notes: list[str] = field(default_factory=list)


def pack(run: PlannedRun, place: Place, patience: float, dumps: Callable[[Any], bytes]) -> Parcel:
    """Make a run ready for another process, which may have another working folder.

    Args:
        run: its images are here.
        place: with absolute paths.
        patience: seconds to wait for the run where another process has it; a claim whose owner died with its
            machine is known as dead after a lease of watching.
        dumps: pickles what is to be read in a worker.
    """
    assert run.path is not None
    weights = run.weights.absolute() if isinstance(run.weights, Path) else run.weights
    portable = replace(run, path=run.path.absolute(), weights=weights)
    cache = os.environ.get("DABENCH_CACHE")
    return Parcel(
        dumps((portable, place)),
        dabench.__version__,
        run.entry.name,
        run.entry.source_sha256,
        patience,
        os.getcwd(),
        str(Path(cache).absolute()) if cache else None,
    )


def carry_out(parcel: Parcel, loads: Callable[[bytes], Any]) -> Answer:
    """Do a run in a worker of Ray.

    A worker is called back by Ctrl-C (``ray.cancel``), or told to end by SIGTERM: the first one waits for the
    run's next step, which keeps a checkpoint, the second one does not.
    """
    answer = Answer(platform.node())
    try:
        with _called_back_at_a_step():
            run, place = _unpack(parcel, loads)
            return replace(answer, record=_patiently(run, place, parcel.patience, answer.notes.append))
    except DeviceLost as error:
        if error.record is None:
            return replace(answer, problem=error)
        answer.notes.append(f"{error}; the process ends, and others go on")
        return replace(answer, record=error.record)
    except UserError as error:
        return replace(answer, problem=error)
    except KeyboardInterrupt:
        return answer


def _patiently(run: PlannedRun, place: Place, patience: float, tell: Callable[[str], None]) -> Record | None:
    end = time.monotonic() + patience
    while True:
        record = work(run, place, _nothing, tell=tell)
        over = record is not None or settled(run, place.store) is not None or place.out_of_time
        if over or time.monotonic() > end:
            return record
        time.sleep(place.poll)


def _nothing(step: int, losses: Mapping[str, float], evaluation: Evaluation | None) -> None:
    """Progress within a run is in its JSON lines."""


@contextlib.contextmanager
def _called_back_at_a_step() -> Iterator[None]:
    """Let Ctrl-C do what SIGTERM does: a run that takes its steps ends at the next one."""
    with terminated_as_interrupted():
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, signal.getsignal(signal.SIGTERM))
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def _unpack(parcel: Parcel, loads: Callable[[bytes], Any]) -> tuple[PlannedRun, Place]:
    """Read a run as this machine is to do it.

    Raises:
        UserError: code of dabench or of the method is another one here.
    """
    if parcel.version != dabench.__version__:
        raise UserError(
            f"another version of dabench is there: {dabench.__version__}, not {parcel.version}", SAME
        )
    if parcel.cache is not None:
        os.environ["DABENCH_CACHE"] = parcel.cache
    with contextlib.suppress(OSError):  # it may not be on this machine
        os.chdir(parcel.folder)
    discover_methods()
    discover_suites()
    run: PlannedRun
    place: Place
    try:
        run, place = loads(parcel.content)
    except Exception as error:  # a module that is not here, or another one: whatever reading it raises
        raise UserError(
            f"the run cannot be read there: {type(error).__name__}: {' '.join(str(error).split())}", SAME
        ) from error
    entry = METHODS.get(parcel.method) if parcel.method in METHODS else run.entry
    if _digest(entry) != parcel.source_sha256:
        raise UserError(f"another version of the method '{parcel.method}' is there", SAME)
    return replace(run, entry=entry), place


def _digest(entry: MethodEntry) -> str | None:
    try:
        return entry.source_sha256
    except OSError:  # the sender's file, which is not on this machine
        return None
