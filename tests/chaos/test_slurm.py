"""The array script for Slurm, with a stand-in for ``sbatch``: the same records, in one job or in several."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
FULL = [pytest.mark.chaos, pytest.mark.full, pytest.mark.slow]
SCRIPT = HERE.parents[1] / "examples" / "slurm-array.sh"


def sbatch(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Submit; ``dabench`` is found as the script finds it, by the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", "DABENCH_MARGIN_SECONDS": "5"}
    return subprocess.run(
        [sys.executable, str(HERE / "sbatch.py"), "--wait", *words],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("tasks", "seconds"),
    [(2, [3000]), pytest.param(4, [15, 25, 20, 3000], marks=FULL)],
)
def test_an_array_shares_the_sweep_and_can_be_submitted_again(
    tasks: int, seconds: list[int], sweep: Any, undisturbed: Any, look: Any, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    _, *arguments = sweep(results)
    for limit in seconds:
        time = f"--time={limit // 60}:{limit % 60:02d}"
        said = sbatch(f"--array=1-{tasks}", time, str(SCRIPT), *arguments, folder=tmp_path)
        assert "Submitted batch job" in said.stdout
        assert "Traceback" not in said.stdout + said.stderr
    assert said.returncode == 0, said.stdout + said.stderr
    again = sbatch("--array=1-1", "--time=9:00", str(SCRIPT), *arguments, folder=tmp_path)
    assert "all 12 runs are done" in again.stdout, again.stdout + again.stderr
    look(results).require(undisturbed, but=["code"])


@pytest.mark.chaos
def test_a_job_that_is_about_to_end_begins_nothing(tmp_path: Path) -> None:
    said = sbatch("--array=1-1", "--time=0:04", str(SCRIPT), "demo", folder=tmp_path)
    assert said.returncode == 0
    assert "less than 5 seconds: nothing is begun" in said.stderr
    assert list(tmp_path.iterdir()) == []
