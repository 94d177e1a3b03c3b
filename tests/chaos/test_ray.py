"""Ray with two nodes, one of which is killed: every run is done, the records are those of an inline sweep.

Ray runs in processes of its own here: it warns, starts threads and sets signal handlers.
"""

import os
import signal
import subprocess
import sys
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
    look(results).require(undisturbed, but=["code"])


@pytest.mark.full
@pytest.mark.slow
def test_ctrl_c_gives_runs_back(sweep: Any, undisturbed: Any, look: Any, forks: Any, tmp_path: Path) -> None:
    """Of the whole group of processes, as a terminal sends it."""
    results = tmp_path / "results"
    command = ["-W", "ignore", "-m", "dabench", *sweep(results), "--executor", "ray", "--jobs", "2"]
    with subprocess.Popen(
        [sys.executable, *command], cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        said = ""
        while "2/12]" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        os.killpg(process.pid, signal.SIGINT)
        said += process.communicate()[0]
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "run the same command again" in said
    assert list(results.rglob(".*.claim")) == []
    worker = forks.start(*sweep(results))
    assert worker.wait() == 0, worker.said
    look(results).require(undisturbed, but=["code"])


@pytest.mark.slow
def test_ray_on_this_machine_alone(sweep: Any, undisturbed: Any, look: Any, tmp_path: Path) -> None:
    results = tmp_path / "results"
    command = [*sweep(results), "--executor", "ray", "--jobs", "2"]
    said = run("-W", "ignore", "-m", "dabench", *command, folder=tmp_path)
    assert said.returncode == 0, said.stdout + said.stderr
    assert said.stderr == ""
    assert "12 runs done, 0 failed" in said.stdout
    look(results).require(undisturbed, but=["code"])
