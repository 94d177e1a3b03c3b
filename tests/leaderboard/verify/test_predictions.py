"""A record against the files beside it: every number is recomputed, and every tampering is found."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dabench.leaderboard.verify import predictions
from dabench.leaderboard.verify.predictions import recompute, validation_findings
from dabench.records import Record

Honest = Callable[..., Path]
Arrays = dict[str, np.ndarray[Any, Any]]


@pytest.fixture
def path(honest: Honest, tmp_path: Path) -> Path:
    return honest(tmp_path, wrong=4)


def read(path: Path) -> Record:
    return Record.model_validate_json(path.read_text())


def beside(path: Path, kind: str = "predictions") -> Path:
    """The file that a record names."""
    return path.with_name(json.loads(path.read_text())[f"{kind}_file"])


def edit(path: Path, **fields: Any) -> Record:
    """Change fields of a record's file."""
    content = json.loads(path.read_text()) | fields
    path.write_text(json.dumps(content))
    return read(path)


def repack(path: Path, **arrays: Any) -> Record:
    """Replace arrays of the predictions and fit the record's checksum; None takes an array out."""
    file = beside(path)
    with np.load(file) as old:
        kept = {name: old[name] for name in old.files} | arrays
    np.savez_compressed(file, **{name: array for name, array in kept.items() if array is not None})
    return edit(path, predictions_sha256=hashlib.sha256(file.read_bytes()).hexdigest())


def stored(path: Path, name: str) -> Any:
    with np.load(beside(path)) as file:
        return file[name]


def test_an_honest_record_is_recomputed(path: Path) -> None:
    found = recompute(path, read(path))
    assert (found.complete, found.wrong, found.notes) == (True, (), ())
    assert found.labels == hashlib.sha256((np.arange(20) % 2).astype("<i8").tobytes()).hexdigest()


def test_no_predictions_are_no_fault(path: Path) -> None:
    found = recompute(path, edit(path, predictions_file=None))
    assert (found.complete, found.wrong) == (False, ())
    assert found.notes == ("it names no predictions file",)


def test_absent_predictions_are_no_fault(path: Path) -> None:
    beside(path).unlink()
    found = recompute(path, read(path))
    assert (found.complete, found.wrong) == (False, ())
    assert "is not here" in found.notes[0]


def test_predictions_without_a_checksum_prove_nothing(path: Path) -> None:
    found = recompute(path, edit(path, predictions_sha256=None))
    assert (found.complete, found.wrong) == (False, ())
    assert "states no checksum" in found.notes[0]


def test_another_file_is_found_by_its_checksum(path: Path) -> None:
    with beside(path).open("ab") as file:
        file.write(b"x")
    found = recompute(path, read(path))
    assert not found.complete
    assert "is not the file that the run wrote" in found.wrong[0]


@pytest.mark.parametrize(
    "name", ["../secret.npz", "/etc/passwd", "a/b.npz", "..", "", "a\x00b", "\x1b[2J.npz"]
)
def test_names_that_lead_elsewhere_are_never_opened(path: Path, name: str) -> None:
    (path.parent.parent / "secret.npz").write_bytes(beside(path).read_bytes())
    found = recompute(path, edit(path, predictions_file=name))
    assert not found.complete
    assert "expected the name of a file beside the record" in found.wrong[0]


def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    file = beside(path)
    file.rename(tmp_path / "elsewhere.npz")
    file.symlink_to(tmp_path / "elsewhere.npz")
    found = recompute(path, read(path))
    assert (found.complete, found.wrong) == (False, ())
    assert "it is a link" in found.notes[0]


def test_a_flipped_prediction_is_found(path: Path) -> None:
    rows = stored(path, "predictions").copy()
    rows[1, 0] ^= 1
    found = recompute(path, repack(path, predictions=rows, probabilities=sure(rows)))
    assert found.complete
    assert len(found.wrong) == 2
    assert "accuracy at step 300 is 0.750000 in the record, its predictions give" in found.wrong[0]
    assert "mean_class_accuracy at step 300" in found.wrong[1]


def test_the_last_confusion_matrix_is_compared(path: Path) -> None:
    rows = stored(path, "predictions").copy()
    labels = stored(path, "labels")
    right, wrong = np.flatnonzero(rows[-1] == labels), np.flatnonzero(rows[-1] != labels)
    same = next((a, b) for a in right for b in wrong if labels[a] != labels[b])
    rows[-1, list(same)] ^= 1  # the accuracy stays
    found = recompute(path, repack(path, predictions=rows, probabilities=sure(rows)))
    assert any("confusion matrix is not that of its last predictions" in one for one in found.wrong)


def sure(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Probabilities that fit predictions."""
    return np.where(rows[..., None] == np.arange(2), 0.75, 0.25).astype(np.float16)


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"steps": np.array([100, 300, 400])}, "its steps are [100, 300, 400]"),
        ({"steps": np.array([100, 300])}, "its steps are [100, 300]"),
        ({"steps": np.array([100.0, 300.0, 500.0])}, "not all whole numbers"),
        ({"labels": np.zeros(21, np.uint16)}, "labels [21], expected [3, n] and [n]"),
        ({"labels": np.zeros((20, 1), np.uint16)}, "expected [3, n] and [n]"),
        ({"labels": np.zeros(0, np.uint16), "predictions": np.zeros((3, 0), np.uint8)}, "expected [3, n]"),
        ({"labels": np.full(20, 2, np.uint16)}, "labels from 2 to 2, expected 0 to 1"),
        ({"predictions": np.full((3, 20), -1, np.int8)}, "predictions from -1 to -1, expected 0 to 1"),
        ({"predictions": np.full((3, 20), 2**63, np.uint64)}, "expected 0 to 1"),
        ({"predictions": None}, "it has no array 'predictions'"),
        ({"probabilities": None}, "it has no array 'probabilities'"),
        ({"probabilities": np.zeros((3, 20, 3), np.float16)}, "expected float16 [3, 20, 2]"),
        ({"probabilities": np.zeros((3, 20, 2), np.float64)}, "probabilities are float64"),
        ({"probabilities": np.zeros((3, 20, 2), np.float16)}, "no probabilities that sum to 1"),
        ({"probabilities": np.full((3, 20, 2), np.nan, np.float16)}, "no probabilities that sum to 1"),
        (
            {"probabilities": np.tile(np.array([1.5, -0.5], np.float16), (3, 20, 1))},
            "no probabilities that sum to 1",
        ),
        (
            {"probabilities": np.tile(np.array([1, 0], np.float16), (3, 20, 1))},
            "are not the class with the largest",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_said(path: Path, arrays: dict[str, Any], sentence: str) -> None:
    found = recompute(path, repack(path, **arrays))
    assert any(sentence in one for one in found.wrong), found.wrong
    assert all(one.startswith(beside(path).name) for one in found.wrong)


def test_ties_of_half_precision_are_no_contradiction(path: Path) -> None:
    rows = stored(path, "predictions")
    lower = np.float16(0.5)
    upper = np.nextafter(lower, np.float16(1))
    tied = np.where(rows[..., None] == np.arange(2), lower, upper)  # the prediction is one step below
    assert recompute(path, repack(path, probabilities=tied)).wrong == ()
    two = np.nextafter(upper, np.float16(1))
    apart = np.where(rows[..., None] == np.arange(2), lower, two)
    assert recompute(path, repack(path, probabilities=apart)).wrong != ()


def test_probabilities_beyond_the_limit_are_left_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "LARGEST_PROBABILITIES", 100)
    found = recompute(path, read(path))
    assert (found.complete, found.wrong) == (True, ())
    assert "need 240 bytes and were not compared" in found.notes[0]


def test_the_file_for_selection_rules_is_checked(path: Path) -> None:
    assert validation_findings(path, read(path)) == ((), ())
    file = beside(path, "validation")
    content = file.read_bytes()
    file.write_bytes(content + b"x")
    assert "is not the file that the run wrote" in validation_findings(path, read(path))[0][0]
    np.savez_compressed(file, steps=np.array([100, 300]))
    other = edit(path, validation_sha256=hashlib.sha256(file.read_bytes()).hexdigest())
    assert "its steps are not those" in validation_findings(path, other)[0][0]
    file.write_bytes(b"no archive")
    broken = edit(path, validation_sha256=hashlib.sha256(b"no archive").hexdigest())
    assert "no zip archive" in validation_findings(path, broken)[0][0]
    file.unlink()
    assert "is not here" in validation_findings(path, broken)[1][0]
    assert validation_findings(path, edit(path, validation_file=None)) == ((), ())
