"""What tests of disasters share: processes that are cheap to start and to kill, a sweep, its right outcome.

``pytest -m chaos`` runs all of them at full size; everyday runs have smaller ones. Random moments are drawn
with a seed that is printed; ``DABENCH_CHAOS_SEED`` draws them again.
"""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dabench.records import RecordStore

# Programs that tests start.
collect_ignore = [
    "forkserver.py", "malformed.py", "sbatch.py", "two_nodes.py",
    *(path.name for path in Path(__file__).parent.glob("hostile*.py")),
]  # fmt: skip
HERE = Path(__file__).parent
QUICK = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "COLUMNS": "200"}
# Not the same in two runs of one configuration: when, how long, on how much memory.
TIMES = ("timing",)


class Worker:
    """One ``dabench`` process."""

    def __init__(self, server: "Forks", number: int, output: Path) -> None:
        self.number = number
        self._server = server
        self._output = output

    def signal(self, kind: signal.Signals) -> None:
        """Send a signal; to a process that has ended but was not waited for, it does nothing."""
        os.kill(self.number, kind)

    def wait(self) -> int:
        """The exit code; below 0 the signal that ended it."""
        return int(self._server.ask({"wait": self.number}))

    @property
    def said(self) -> str:
        """All that it has printed."""
        return self._output.read_text(encoding="utf-8", errors="replace")


class Forks:
    """Starts ``dabench`` processes by forking one that has loaded it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started = 0
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "forkserver.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **QUICK},
        )  # fmt: skip

    def ask(self, order: dict[str, Any]) -> str:
        """Send an order, wait for the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the process that starts others has died"
        return answer

    def start(
        self,
        *arguments: str,
        largest_file: int | None = None,
        clock: float = 0.0,
        alone: bool = False,
        cache: Path | None = None,
    ) -> Worker:
        """Start ``dabench`` with arguments; see forkserver.py for the rest."""
        self._started += 1
        output = self._folder / f"output-{self._started}.txt"
        order = {
            "start": list(arguments), "folder": str(self._folder), "output": str(output),
            "largest_file": largest_file, "clock": clock, "alone": alone, "cache": cache and str(cache),
        }  # fmt: skip
        return Worker(self, int(self.ask(order)), output)

    def close(self) -> None:
        """End the process that starts others."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture
def moments(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> random.Random:
    """What random moments are drawn from; its seed is printed."""
    seed = int(os.environ.get("DABENCH_CHAOS_SEED", random.SystemRandom().randrange(2**32)))
    with capsys.disabled():
        print(f"\n{request.node.name}: DABENCH_CHAOS_SEED={seed}", flush=True)
    return random.Random(seed)


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    server = Forks(tmp_path_factory.mktemp("forks"))
    yield server
    server.close()


@dataclass(frozen=True)
class Outcome:
    """What a results folder holds, but for times: records by path, and digests of the arrays they name."""

    records: dict[str, dict[str, Any]]
    arrays: dict[str, str]
    rest: list[str]

    def require(self, expected: "Outcome", but: Sequence[str] = ()) -> None:
        """Fail, naming what differs, unless this is bit for bit what was expected, but for some keys.

        Processes that load dabench anew may find another commit than the one that starts others did.
        """
        left = [
            {path: {key: record[key] for key in record.keys() - but} for path, record in each.records.items()}
            for each in (self, expected)
        ]
        assert differences(*left) == []
        assert differences(self.arrays, expected.arrays) == []
        assert self.rest == []


def outcome(results: Path) -> Outcome:
    """Look at all of a results folder; what is neither record nor named by one is the rest."""
    store, records, arrays = RecordStore(results), {}, {}
    found, problems = store.read_all()
    assert problems == []
    for record in found:
        content = json.loads(record.model_dump_json(exclude=set(TIMES)))
        for evaluation in content["evaluations"]:
            evaluation.pop("seconds")
        path = store.path(record)
        records[str(path.relative_to(results))] = content
        for name in (record.predictions_file, record.validation_file):
            if name is not None:
                file = path.with_name(name)
                arrays[str(file.relative_to(results))] = hashlib.sha256(file.read_bytes()).hexdigest()
    files = {
        str(path.relative_to(results)) for path in results.rglob("*") if path.is_file() or path.name[0] == "."
    }
    rest = [name for name in files - {*records, *arrays} if not _is_note(name)]
    return Outcome(records, arrays, sorted(rest))


def differences(found: Any, expected: Any, path: str = "") -> list[str]:
    """Every place at which two values of JSON differ."""
    if isinstance(found, dict) and isinstance(expected, dict):
        keys = sorted({*found, *expected})
        return [
            line for key in keys for line in differences(found.get(key), expected.get(key), f"{path} {key}")
        ]
    return [] if found == expected else [f"{path.strip()}: {found!r:.200}, expected {expected!r:.200}"]


def _is_note(name: str) -> bool:
    """Progress of runs, and lists of expected runs: they say when, and are part of no result."""
    return name.endswith(".events.jsonl") or name.split("/")[0] == ".dabench"


Sweep = Callable[[Path], list[str]]


@pytest.fixture(scope="session")
def sweep(tiny_suite: Path) -> Sweep:
    """Arguments of a sweep of short runs with a results folder: 2 tasks x 3 methods x 2 seeds."""

    def arguments(results: Path) -> list[str]:
        methods = [part for name in ("source_only", "dann", "gsda") for part in ("--method", name)]
        return [
            "run", "--suite", str(tiny_suite), *methods, "--seeds", "2", "--results", str(results),
            "--device", "cpu", "--set", "steps=36", "--set", "evaluations=6", "--set", "threads=1",
            "--checkpoint-every", "0", "--lease", "2",
        ]  # fmt: skip

    return arguments


@pytest.fixture(scope="session")
def undisturbed_results(sweep: Sweep, forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of a sweep to which nothing happened; read only."""
    results = tmp_path_factory.mktemp("undisturbed") / "results"
    worker = forks.start(*sweep(results))
    assert worker.wait() == 0, worker.said
    return results


@pytest.fixture(scope="session")
def undisturbed(undisturbed_results: Path) -> Outcome:
    """The sweep's outcome when nothing happens to it."""
    found = outcome(undisturbed_results)
    assert len(found.records) == 12
    assert len(found.arrays) == 24
    assert found.rest == []
    return found


@pytest.fixture(scope="session")
def photo_sweep(make_tiny_suite: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """As ``sweep``, of four runs on images in files: 300 a domain."""
    folder, noise = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for domain in ("alpha", "beta"):
        for number in range(300):
            kind = ("red", "green", "blue")[number % 3]
            place = folder / domain / kind
            place.mkdir(parents=True, exist_ok=True)
            pixels = noise.integers(0, 256, (96, 96, 3), dtype=np.uint8)
            pixels[24:72, 24:72, number % 3] = 255
            Image.fromarray(pixels).save(place / f"{number}.jpg")
    domains = {name: {"short": name[0].upper(), "folders": [name]} for name in ("alpha", "beta")}
    suite = make_tiny_suite(folder, name="photos", domains=domains)

    def arguments(results: Path) -> list[str]:
        return [
            "run", "--suite", str(suite), "--method", "dann", "--seeds", "2", "--results", str(results),
            "--device", "cpu", "--checkpoint-every", "0", "--lease", "2",
        ]  # fmt: skip

    return arguments


@pytest.fixture(scope="session")
def undisturbed_photos(photo_sweep: Sweep, forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The outcome of that sweep when nothing happens to it."""
    results = tmp_path_factory.mktemp("undisturbed") / "results"
    worker = forks.start(*photo_sweep(results))
    assert worker.wait() == 0, worker.said
    found = outcome(results)
    assert len(found.records) == 4
    return found


@pytest.fixture(scope="session")
def look() -> Callable[[Path], Outcome]:
    return outcome
