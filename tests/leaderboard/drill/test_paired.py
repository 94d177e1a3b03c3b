"""Runs against the reference image by image: counts by hand, and files that do not allow it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dabench.leaderboard.boards import Reading, Site, Way, boards
from dabench.leaderboard.drill.paired import Paired, against_reference
from dabench.leaderboard.runs import load
from dabench.leaderboard.settings import Settings
from dabench.records import Record, RecordStore

LABELS = np.array([0, 0, 1, 1, 1, 0])
BASE = [0, 1, 0, 1, 0, 0]  # right: 0, 3, 5
BETTER = [0, 0, 1, 1, 1, 1]  # right: 0, 1, 2, 3, 4


@pytest.fixture
def store(tmp_path: Path, record: Callable[..., Record]) -> Callable[..., Path]:
    """Write a run whose last step (500) predicted these classes; an earlier one got none right."""

    def write(method: str, seed: int, predicted: list[int], labels: Any = LABELS, **arrays: Any) -> Path:
        stored = {"steps": np.array([100, 500]), "labels": labels,
                  "predictions": np.array([1 - LABELS[: len(predicted)], predicted])}  # fmt: skip
        return RecordStore(tmp_path).write(record(method, seed=seed), {**stored, **arrays})

    return write


def read(root: Path) -> tuple[Reading, set[str]]:
    runs, problems = load(root)
    assert not problems
    site = Site(boards(runs), {}, Settings())
    return site.read(site.boards[0], Way()), {run.file for run in runs}


def found(root: Path) -> dict[str, tuple[Paired, ...]]:
    reading, files = read(root)
    pairs = against_reference(reading, "A->B", root, files)
    return {key.partition("|")[0]: seeds for key, seeds in pairs.items()}


def test_images_gained_and_lost(store: Callable[..., Path], tmp_path: Path) -> None:
    store("source_only", 0, BASE)
    store("source_only", 1, BASE)
    store("dann", 0, BETTER)
    store("dann", 2, BETTER)
    # 1, 2 and 4 are gained and 5 is lost: of four fair coins at most one tail, twice: 2 * 5 / 16
    assert found(tmp_path) == {"dann": (Paired(0, 3, 1, 0.625),)}


def test_runs_without_a_page_are_left_alone(store: Callable[..., Path], tmp_path: Path) -> None:
    store("source_only", 0, BASE)
    store("dann", 0, BETTER)
    reading, files = read(tmp_path)
    assert against_reference(reading, "A->B", None, files) == {}
    assert against_reference(reading, "A->B", tmp_path, frozenset()) == {}


@pytest.mark.parametrize(
    "arrays",
    [
        {"labels": 1 - LABELS},  # other images
        {"labels": LABELS[:4]},
        {"labels": LABELS[:, None]},
        {"steps": np.array([100, 400])},  # not the step of the record
        {"steps": np.array(500)},
        {"steps": np.array([500, 500])},  # which of the two?
        {"steps": np.array([500])},
        {"predictions": np.array(BETTER)},
    ],
)
def test_arrays_that_do_not_fit_are_not_compared(
    store: Callable[..., Path], tmp_path: Path, arrays: Any
) -> None:
    store("source_only", 0, BASE)
    store("dann", 0, BETTER, **arrays)
    assert found(tmp_path) == {}


def test_a_file_elsewhere_or_broken_is_not_read(
    store: Callable[..., Path], tmp_path: Path, record: Callable[..., Record]
) -> None:
    store("source_only", 0, BASE)
    path = store("dann", 0, BETTER)
    one = Record.model_validate_json(path.read_bytes())
    assert found(tmp_path)
    for name in (f"../dann/{one.predictions_file}", "gone.npz", None):
        path.write_text(one.model_copy(update={"predictions_file": name}).model_dump_json())
        assert found(tmp_path) == {}


def test_a_file_that_is_not_as_its_run_wrote_it_is_not_read(
    store: Callable[..., Path], tmp_path: Path
) -> None:
    store("source_only", 0, BASE)
    one = Record.model_validate_json(store("dann", 0, BETTER).read_bytes())
    assert found(tmp_path)
    assert one.predictions_file is not None
    (path,) = tmp_path.rglob(one.predictions_file)
    np.savez(path, steps=np.array([100, 500]), labels=LABELS, predictions=np.array([BASE, LABELS]))
    assert found(tmp_path) == {}, "all right now, but the record's checksum says otherwise"
