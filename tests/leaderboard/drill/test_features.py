"""Stored features of the last evaluation, and every way in which a file can disappoint."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dabench.leaderboard.drill.features import Features, stored_features
from dabench.leaderboard.runs import Run
from dabench.records import Record


@pytest.fixture
def stored(tmp_path: Path, record: Callable[..., Record]) -> Callable[..., Features | str]:
    def read(name: str | None = "seed0.validation.npz", **arrays: Any) -> Features | str:
        run = Run(record().model_copy(update={"validation_file": name}), "toy/one.json")
        (tmp_path / "toy").mkdir(exist_ok=True)
        if arrays:
            np.savez_compressed(tmp_path / "toy" / "seed0.validation.npz", **arrays)
        return stored_features(tmp_path, run)

    return read


def test_the_last_evaluation_is_read(stored: Callable[..., Features | str]) -> None:
    source = np.arange(24, dtype=np.float16).reshape(2, 4, 3)
    found = stored(source_features=source, target_features=-source[:, :2])
    assert isinstance(found, Features)
    assert (found.source == source[1]).all()
    assert (found.target == -source[1, :2]).all()


ONE = np.ones((1, 4, 3), np.float16)


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"source_features": ONE}, "has no array 'target_features'"),
        ({"source_features": ONE, "target_features": np.ones((1, 4, 2), np.float16)}, "have shapes"),
        ({"source_features": ONE, "target_features": np.ones((4, 3), np.float16)}, "have shapes"),
        ({"source_features": ONE, "target_features": np.ones((0, 4, 3), np.float16)}, "have shapes"),
        ({"source_features": ONE, "target_features": np.ones((1, 4, 3), np.int64)}, "have shapes"),
        ({"source_features": ONE, "target_features": ONE * np.float16("nan")}, "not finite"),
        ({"source_features": ONE, "target_features": np.array([None])}, "cannot be read"),
    ],
)
def test_what_does_not_fit_is_said(stored: Callable[..., Features | str], arrays: Any, reason: str) -> None:
    found = stored(**arrays)
    assert isinstance(found, str)
    assert reason in found


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (None, "stored no features"),
        ("../../etc/x.npz", "outside of its folder"),
        ("gone.npz", "no such file"),
    ],
)
def test_a_missing_file_is_said(stored: Callable[..., Features | str], name: str | None, reason: str) -> None:
    found = stored(name)
    assert isinstance(found, str)
    assert reason in found


def test_without_a_results_folder_there_is_nothing(record: Callable[..., Record]) -> None:
    assert stored_features(None, Run(record(), "a.json")) == "the run stored no features (stored_images=0)"
