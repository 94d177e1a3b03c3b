"""Malformed inputs of every kind: a clear error each, nothing written elsewhere, little memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MOST_BYTES = 512 * 2**20  # more than dabench itself takes; the makers of the largest inputs count as well
SEED = 20_260


@pytest.mark.parametrize(
    "count", [230, pytest.param(1000, marks=[pytest.mark.chaos, pytest.mark.full, pytest.mark.slow])]
)
def test_malformed_inputs_are_refused_clearly(
    count: int, tiny_suite: Path, undisturbed_results: Path, tmp_path: Path
) -> None:
    words = [str(HERE / "malformed.py"), str(count), str(SEED), str(tmp_path), str(tiny_suite)]
    done = subprocess.run(
        [sys.executable, *words, str(undisturbed_results)],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["failures"] == []
    assert sum(report["given"].values()) == count
    assert min(report["given"].values()) > 10
    assert report["extra_bytes"] < MOST_BYTES
