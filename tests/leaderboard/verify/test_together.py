"""What runs of one folder say of each other: copies of predictions, and bounds that hide as methods."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dabench.leaderboard.verdicts import Verdict
from dabench.leaderboard.verify.check import verify_runs
from dabench.leaderboard.verify.consistency import expected_run_id
from dabench.leaderboard.verify.reading import read_folder
from dabench.records import Record, RecordStore

Honest = Callable[..., Path]


def verdicts(results: Path) -> dict[str, Verdict]:
    return verify_runs(results, read_folder(results).runs)


def reseeded(path: Path, seed: int, results: Path, **arrays: Any) -> None:
    """Write a record's run again as that of another seed, its identity too."""
    record = Record.model_validate_json(path.read_text())
    record = record.model_copy(update={"seed": seed, "config": {**record.config, "seed": seed}})
    record = record.model_copy(update={"run_id": expected_run_id(record)})
    assert record.predictions_file is not None
    with np.load(path.with_name(record.predictions_file)) as stored:
        content = dict(stored)
    RecordStore(results).write(record, content | arrays)


def test_predictions_of_another_seed_are_wrong(honest: Honest, tmp_path: Path) -> None:
    path = honest(tmp_path)
    honest(tmp_path, seed=1)
    reseeded(path, 77, tmp_path)
    found = verdicts(tmp_path)
    assert sorted(one.status for one in found.values()) == ["recomputed", "wrong", "wrong"]
    (verdict,) = [one for file, one in found.items() if "seed77" in file]
    assert "seed 77 has the predictions of seed 0, byte for byte" in verdict.reasons[0]


def test_equal_classes_with_other_probabilities_are_no_copy(honest: Honest, tmp_path: Path) -> None:
    path = honest(tmp_path)
    with np.load(path.with_name(json.loads(path.read_text())["predictions_file"])) as stored:
        probabilities = stored["probabilities"]
    reseeded(path, 77, tmp_path, probabilities=np.where(probabilities > 0.5, 0.875, 0.125).astype(np.float16))
    assert {one.status for one in verdicts(tmp_path).values()} == {"recomputed"}


def test_certain_predictions_are_no_copy(honest: Honest, tmp_path: Path) -> None:
    path = honest(tmp_path)
    with np.load(path.with_name(json.loads(path.read_text())["predictions_file"])) as stored:
        certain = (stored["probabilities"] > 0.5).astype(np.float16)
    for seed in (77, 78):
        reseeded(path, seed, tmp_path, probabilities=certain)
    assert {one.status for one in verdicts(tmp_path).values()} == {"recomputed"}


def test_the_predictions_of_another_task_may_be_equal(honest: Honest, tmp_path: Path) -> None:
    honest(tmp_path, task="A->B", seed=3)
    honest(tmp_path, task="B->A", seed=3)
    assert {one.status for one in verdicts(tmp_path).values()} == {"recomputed"}


@pytest.mark.parametrize(
    ("method", "said", "status"),
    [
        ("target_only", False, "wrong"),
        ("target_only", True, "recomputed"),
        ("dann", True, "wrong"),
        ("of_somebody", True, "recomputed"),
    ],
)
def test_a_bound_says_so(honest: Honest, tmp_path: Path, method: str, said: bool, status: str) -> None:
    honest(tmp_path, method, uses_target_labels=said)
    (verdict,) = verdicts(tmp_path).values()
    assert verdict.status == status
    if status == "wrong":
        assert verdict.reasons == (f"uses_target_labels is {said}, method {method!r} says {not said}",)
