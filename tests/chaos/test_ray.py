"""Ray with two nodes, one of which is killed: every run is done, the records are those of an inline sweep.

Ray runs in processes of its own here: it warns, starts threads and sets signal handlers.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
pytest.importorskip("dabench.on_ray")


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


def test_ray_on_this_machine_alone(sweep: Any, undisturbed: Any, look: Any, tmp_path: Path) -> None:
    results = tmp_path / "results"
    command = [*sweep(results), "--executor", "ray", "--jobs", "2"]
    said = run("-W", "ignore", "-m", "dabench", *command, folder=tmp_path)
    assert said.returncode == 0, said.stdout + said.stderr
    assert said.stderr == ""
    assert "12 runs done, 0 failed" in said.stdout
    look(results).require(undisturbed, but=["code"])
