"""Ray itself: started on this machine or found by its address, what its machines have, what a run takes."""

import contextlib
import fcntl
import logging
import math
import os
import secrets
import shutil
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from dabench.errors import UserError
from dabench.executor import Workers
from dabench.plan import PlannedRun

__all__ = ["Gpus", "Processors", "Stop", "connected", "host_of", "load_ray", "set_environment", "shares"]

MISSING = "ray is not installed: --executor ray needs it"
STORE_BYTES = 80 * 2**20  # runs pass nothing large through Ray; its least is 75 MiB
FOLDER = "dabench-ray-"
ALIVE = "alive"  # a file in the folder, locked as long as its process lives
TOKEN = "~/.ray/auth_token"
GOES_SECONDS = 5.0  # that processes of Ray have to leave it
PARTS = 10_000  # of a GPU: Ray counts with four digits


def set_environment(own: bool) -> None:
    """Set what Ray reads from the environment when it is imported.

    Nothing is reported to anybody. A Ray of our own listens on the machine's ports, as every Ray does, and
    answers nobody who does not know its token. Its workers are as urgent as this process: by default Ray lets
    them wait for everybody else (nice 15). A cluster that was started where there is a token wants it.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if own:
        os.environ.setdefault("RAY_worker_niceness", "0")
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    elif {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys() or Path(TOKEN).expanduser().is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


@cache
def load_ray() -> Any:
    """Import Ray.

    Raises:
        UserError: it is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise UserError(MISSING, "pip install 'dabench[ray]'") from error
    return ray


class Stop:
    """Whether SIGTERM came, which asks for checkpoints first; a second one does what Ctrl-C does."""

    asked = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Handle the signal."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextlib.contextmanager
def connected(workers: Workers, device: torch.device) -> Iterator[Stop]:
    """Start Ray on this machine, or connect to a cluster; leave it as it was.

    Raises:
        UserError: it does not start, or nobody answers.
        KeyboardInterrupt: SIGTERM came while it started.
    """
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(_ours_again())
        folder = stack.enter_context(_folder()) if workers.address is None else None
        stack.callback(load_ray().shutdown)  # before the folder goes
        if folder is None:
            _connect(str(workers.address))
        else:
            _start(workers, device, folder)
        # Ray ends a process that gets SIGTERM, from Python and below it: both are undone.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, stop.handle)
        yield stop


@contextlib.contextmanager
def _ours_again() -> Iterator[Stop]:
    """Put the handler of SIGTERM back, at the end, that was there before."""
    if threading.current_thread() is not threading.main_thread():
        yield Stop()
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield Stop()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def _connect(address: str) -> None:
    try:
        load_ray().init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except SystemExit:
        raise KeyboardInterrupt from None
    except Exception as error:
        raise UserError(
            f"no Ray cluster answers at '{address}': {_words(error)}",
            "'ray start --head' starts one; without --address a Ray of this machine's own is used. A cluster "
            f"that wants a token wants the same one here: in {TOKEN}, or in RAY_AUTH_TOKEN",
        ) from error


def _start(workers: Workers, device: torch.device, folder: Path) -> None:
    gpus = torch.cuda.device_count() if device.type == "cuda" else 0
    try:
        load_ray().init(
            address="local", num_cpus=max(workers.jobs or gpus, 1), num_gpus=gpus, include_dashboard=False,
            object_store_memory=STORE_BYTES, _temp_dir=str(folder), logging_level=logging.ERROR,
            log_to_driver=False,
        )  # fmt: skip
    except SystemExit:  # what Ray makes of SIGTERM
        raise KeyboardInterrupt from None
    except Exception as error:
        raise UserError(
            f"Ray does not start on this machine: {_words(error)}",
            "without --executor ray, start the same command several times: they share the work",
        ) from error


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A temporary folder for Ray; those of processes that were killed go first."""
    place = temporary_place()
    for folder in place.glob(f"{FOLDER}*"):
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == os.getuid() and _abandoned(folder):
                _remove(folder)
    made = Path(tempfile.mkdtemp(prefix=f"{FOLDER}{os.getpid()}-", dir=place))
    with (made / ALIVE).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield made
        finally:
            _remove(made)


def _remove(folder: Path) -> None:
    """Remove a folder in which processes of Ray, as they end, may still write."""
    end = time.monotonic() + GOES_SECONDS
    while folder.exists() and time.monotonic() < end:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            time.sleep(0.1)


def temporary_place() -> Path:
    """Where Ray's folder lies: paths of Unix sockets are short, a temporary folder of the user's too deep."""
    return Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())


def _abandoned(folder: Path) -> bool:
    """Whether the folder's process is gone, and nobody of another container has it either."""
    number = folder.name.removeprefix(FOLDER).partition("-")[0]
    if folder.is_symlink() or not number.isdigit():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        with (folder / ALIVE).open("r+") as file:  # an OSError where it is locked, or not made yet
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def host_of(address: str) -> str:
    """A machine of the cluster by its network address, as people call it."""
    for node in load_ray().nodes():
        if node["NodeManagerAddress"] == address:
            return f"{node['NodeManagerHostname']} ({address})"
    return address


def shares(workers: Workers, device: torch.device, runs: Sequence[PlannedRun]) -> "Processors | Gpus":
    """Divide what Ray's machines have among runs.

    Raises:
        UserError: no machine has what a run needs.
    """
    found = [node["Resources"] for node in load_ray().nodes() if node["Alive"]]
    return Gpus(found, workers.jobs) if device.type == "cuda" else Processors(found, workers, runs)


class Processors:
    """Runs on processors. On a cluster each takes as many as it has threads; never more than a machine has.

    Attributes:
        jobs: runs at a time.
        idle_gpus: of the cluster.
    """

    def __init__(
        self, nodes: Sequence[Mapping[str, float]], workers: Workers, runs: Sequence[PlannedRun]
    ) -> None:
        counts = [int(node.get("CPU", 0)) for node in nodes]
        # Without an address, jobs are what the user said this machine can do.
        self._most = max(counts, default=0) if workers.address is not None else 1
        if self._most < 1:
            raise UserError(
                "no machine of the cluster has a processor for runs", "start Ray on more machines"
            )
        each = max((self._each(run) for run in runs), default=1)
        self.jobs = workers.jobs or max(sum(count // each for count in counts), 1)
        self.idle_gpus = sum(int(node.get("GPU", 0)) for node in nodes)

    def _each(self, run: PlannedRun) -> int:
        return min(run.config.threads or 1, self._most)

    def take(self, run: PlannedRun) -> tuple[Any, dict[str, Any]] | None:
        """A share of the machines, and the options by which Ray gives it to a run."""
        return None, {"num_cpus": self._each(run)}

    def give_back(self, share: Any) -> None:
        """The run has ended."""

    def close(self) -> None:
        """No more runs."""


class Gpus:
    """Runs on GPUs. Each GPU is a placement group: Ray, left alone, fills one GPU before the next.

    A GPU of a machine that is lost is none until Ray has found another one.

    Attributes:
        jobs: runs at a time.
        idle_gpus: of the cluster: none.
    """

    idle_gpus = 0

    def __init__(self, nodes: Sequence[Mapping[str, float]], jobs: int | None) -> None:
        having = [node for node in nodes if node.get("GPU", 0) >= 1]
        count = sum(int(node["GPU"]) for node in having)
        if not count:
            raise UserError(
                "no machine of the cluster has a GPU that Ray knows of", "--device cpu needs none"
            )
        self.jobs = jobs or count
        groups = min(self.jobs, count)
        self._each = -(-self.jobs // groups)
        processor = int(all(node.get("CPU", 0) >= node["GPU"] for node in having))
        group = load_ray().util.placement_group
        self._groups = [group([{"GPU": 1, "CPU": processor}]) for _ in range(groups)]
        self._part = math.floor(PARTS / self._each) / PARTS
        self._processors = processor * self._part
        self._taken: Counter[int] = Counter()

    def take(self, run: PlannedRun) -> tuple[int, dict[str, Any]] | None:
        """A share of the GPU with the fewest runs; None where there is none now."""
        ray = load_ray()
        table = ray.util.placement_group_table()
        there = [
            number
            for number, group in enumerate(self._groups)
            if table.get(group.id.hex(), {}).get("state") == "CREATED" and self._taken[number] < self._each
        ]
        if not there:
            return None
        share = min(there, key=lambda number: (self._taken[number], number))
        self._taken[share] += 1
        strategy = ray.util.scheduling_strategies.PlacementGroupSchedulingStrategy(
            self._groups[share], placement_group_bundle_index=0
        )
        return share, {
            "num_gpus": self._part, "num_cpus": self._processors, "scheduling_strategy": strategy,
        }  # fmt: skip

    def give_back(self, share: Any) -> None:
        """The run has ended."""
        self._taken[share] -= 1

    def close(self) -> None:
        """No more runs."""
        for group in self._groups:
            load_ray().util.remove_placement_group(group)
