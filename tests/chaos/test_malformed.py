"""Malformed inputs of every kind: a clear answer each, nothing runs, nothing is written elsewhere.

``malformed.py`` gives them and ``hostile*.py`` make them. Each is given to a process of its own, which has
a minute and 512 MiB more than the loaded program.
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
SEED = 20_260
MAKERS = 63  # functions; a small run has one input of each
DISTINCT = 0.97  # of all inputs


def given(
    count: int, seed: int, folder: Path, suite: Path, results: Path, *more: str
) -> subprocess.Popen[str]:
    """Start to give inputs."""
    folder.mkdir()
    words = [str(HERE / "malformed.py"), str(count), str(seed), str(folder), str(suite), str(results)]
    return subprocess.Popen(
        [sys.executable, *words, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
    )  # fmt: skip


def report(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What came of it."""
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def test_one_input_of_each_maker_is_answered_clearly_and_faults_are_found(
    tiny_suite: Path, undisturbed_results: Path, tmp_path: Path
) -> None:
    seed = int(os.environ.get("DABENCH_CHAOS_SEED", SEED))
    found = report(given(MAKERS, seed, tmp_path / "all", tiny_suite, undisturbed_results, "--faults"))
    assert found["failures"] == []
    assert sum(found["given"].values()) == found["distinct"] == found["functions"] == MAKERS
    unseen = {
        name: reasons
        for name, (expected, count, reasons) in found["faults"].items()
        if len(reasons) != count or not all(expected in reason for reason in reasons)
    }
    assert unseen == {}


@pytest.mark.chaos
@pytest.mark.full
@pytest.mark.slow
def test_a_thousand_inputs_are_answered_clearly(
    tiny_suite: Path, undisturbed_results: Path, tmp_path: Path, moments: random.Random
) -> None:
    count, seed = 1000, moments.randrange(2**32)
    halves = [
        given(count, seed, tmp_path / part, tiny_suite, undisturbed_results, "--part", f"{part}/2")
        for part in ("0", "1")
    ]
    found = [report(half) for half in halves]
    assert [failure for half in found for failure in half["failures"]] == []
    assert sum(sum(half["given"].values()) for half in found) == count
    assert len({digest for half in found for digest in half["digests"]}) > DISTINCT * count
