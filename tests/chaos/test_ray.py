"""Ray with two nodes, one of which is killed: every run is done, the records are those of an inline sweep.

Ray runs in processes of its own here: it warns, starts threads and sets signal handlers.
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(find_spec("ray") is None, reason="needs dabench[ray]"),
]


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200",
        "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "f" * 64,
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_a_node_that_is_killed_in_the_middle(sweep: Any, undisturbed: Any, look: Any, tmp_path: Path) -> None:
    results = tmp_path / "results"
    said = run(str(HERE / "two_nodes.py"), str(results), *sweep(results), folder=tmp_path)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "a node was killed" in said.stdout
    assert "Traceback" not in said.stdout + said.stderr
    assert said.stdout.count("/12]") == 12
    assert list(Path("/tmp").glob("two-nodes-*")) == []
    look(results).require(undisturbed, but=["code"])


def ended_by(
    end: Callable[[int], None], when: Callable[[str], bool], words: Sequence[str], folder: Path
) -> tuple[int, int, str]:
    """Start dabench, end it at a moment that what it has said decides; its process, exit code and output."""
    output = folder / "output.txt"
    with output.open("wb") as file, subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "dabench", *words], cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
    ) as process:  # fmt: skip
        while not when(output.read_text(encoding="utf-8")):
            assert process.poll() is None, output.read_text(encoding="utf-8")
            time.sleep(0.02)
        end(process.pid)
        code = process.wait()
    return process.pid, code, output.read_text(encoding="utf-8")


@pytest.mark.slow
def test_sigterm_keeps_checkpoints(tiny_suite: Path, look: Any, forks: Any, tmp_path: Path) -> None:
    """Of this process, which tells its workers; two runs are under way, far from a checkpoint."""
    results, expected = tmp_path / "results", tmp_path / "expected"
    command = [
        "run", "--suite", str(tiny_suite), "--method", "dann", "--seeds", "1", "--device", "cpu",
        "--set", "steps=400", "--set", "evaluations=8", "--set", "threads=1", "--results",
    ]  # fmt: skip

    def under_way(_: str) -> bool:
        notes = [path.read_text(encoding="utf-8") for path in results.rglob("*.events.jsonl")]
        return sum('"evaluation"' in note for note in notes) == 2

    on_ray = [*command, str(results), "--executor", "ray", "--jobs", "2"]
    number, code, said = ended_by(lambda number: os.kill(number, signal.SIGTERM), under_way, on_ray, tmp_path)
    assert code == 130, said
    assert "Traceback" not in said
    assert "***" not in said
    assert "run the same command again" in said
    assert list(results.rglob(".*.claim")) == []
    kept = len(list(results.rglob(".*.checkpoint-*")))
    done = len(list(results.glob("*/*/*/seed*.json")))  # one may have come to its end just then
    assert kept == 2 - done > 0, said
    assert list(Path("/tmp").glob(f"dabench-ray-{number}-*")) == []
    again = run("-W", "ignore", "-m", "dabench", *on_ray, folder=tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stderr == ""
    assert f"{2 - done} runs done, 0 failed" in again.stdout
    worker = forks.start(*command, str(expected))
    assert worker.wait() == 0, worker.said
    look(results).require(look(expected), but=["code"])


@pytest.mark.full
@pytest.mark.slow
def test_ctrl_c_gives_runs_back(sweep: Any, undisturbed: Any, look: Any, forks: Any, tmp_path: Path) -> None:
    """Of the whole group of processes, as a terminal sends it."""
    results = tmp_path / "results"
    command = [*sweep(results), "--executor", "ray", "--jobs", "2"]
    _, code, said = ended_by(
        lambda number: os.killpg(number, signal.SIGINT), lambda said: "2/12]" in said, command, tmp_path
    )
    assert code == 130, said
    assert "Traceback" not in said
    assert "run the same command again" in said
    assert list(results.rglob(".*.claim")) == []
    worker = forks.start(*sweep(results))
    assert worker.wait() == 0, worker.said
    look(results).require(undisturbed, but=["code"])


@pytest.mark.full
@pytest.mark.slow
def test_ray_on_this_machine_alone(sweep: Any, undisturbed: Any, look: Any, tmp_path: Path) -> None:
    results = tmp_path / "results"
    command = [*sweep(results), "--executor", "ray", "--jobs", "2"]
    said = run("-W", "ignore", "-m", "dabench", *command, folder=tmp_path)
    assert said.returncode == 0, said.stdout + said.stderr
    assert said.stderr == ""
    assert "12 runs done, 0 failed" in said.stdout
    look(results).require(undisturbed, but=["code"])


@pytest.mark.slow
def test_no_gpu_is_idle_while_another_is_shared(tmp_path: Path) -> None:
    said = run("-W", "ignore", str(HERE / "eight_gpus.py"), "9", folder=tmp_path)
    assert said.returncode == 0, said.stdout + said.stderr
    pairs = [line.split() for line in said.stdout.splitlines()]
    assert len({process for _, process in pairs}) == 9, "each in a process of its own"
    assert sorted(Counter(gpu for gpu, _ in pairs).values()) == [1] * 7 + [2]
