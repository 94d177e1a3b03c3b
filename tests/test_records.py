"""Records: what one must hold, atomic files, arrays without pickles, and files that are none."""

import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dabench.errors import UserError
from dabench.records import (
    SCHEMA_VERSION,
    Evaluation,
    Metrics,
    Problem,
    Record,
    RecordStore,
    write_atomically,
)

DONE: dict[str, Any] = {
    "run_id": "0123456789abcdef", "status": "done", "suite": "tiny", "task": "A->B", "source": "alpha",
    "target": "beta", "method": "cdan+e", "backbone": "dann_mnist", "seed": 3, "protocol": "transductive",
    "metric": "accuracy", "value": 0.5, "oracle": 0.75, "oracle_step": 2, "config": {"steps": 4},
    "metrics": Metrics(
        accuracy=0.5, mean_class_accuracy=0.5, per_class={"x": 0.5, "y": None}, confusion=[[1]]
    ),
    "evaluations": [Evaluation(step=4, accuracy=0.5, mean_class_accuracy=0.5, seconds=1.0)],
}  # fmt: skip
ARRAYS = {
    "steps": np.array([2, 4]),
    "predictions": np.zeros((2, 5), np.uint8),
    "labels": np.arange(5, dtype=np.uint16),
}


EVALUATION: dict[str, Any] = {"step": 4, "accuracy": 0.5, "mean_class_accuracy": 0.5, "seconds": 1.0}
METRICS: dict[str, Any] = {"accuracy": 0.5, "mean_class_accuracy": 0.5, "per_class": {}, "confusion": [[1]]}


def nested(levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(levels):
        found = {"a": found}
    return found


def record(**changes: Any) -> Record:
    return Record.model_validate({**DONE, **changes})


def test_a_record_survives_the_disk(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "new" / "results")
    path = store.write(record())
    assert path == tmp_path / "new/results/tiny/A2B/cdan+e/seed3-0123456789abcdef.json"
    assert path == store.path(record()) == store.place("tiny", "A->B", "cdan+e", 3, "0123456789abcdef")
    assert store.read(path) == record()
    assert json.loads(path.read_bytes())["schema_version"] == SCHEMA_VERSION == 1
    assert store.read_all() == ([record()], [])


def test_predictions_lie_beside_the_record_without_pickles(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    path = store.write(record(), ARRAYS)
    read = store.read(path)
    assert isinstance(read, Record)
    assert read.predictions_file is not None
    predictions = path.with_name(read.predictions_file)
    digest = hashlib.sha256(predictions.read_bytes()).hexdigest()
    assert read.predictions_sha256 == digest
    assert predictions.name == f"{path.stem}.{digest[:8]}.npz"
    with np.load(predictions, allow_pickle=False) as file:
        assert set(file.files) == set(ARRAYS)
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(file[name], array)
            assert file[name].dtype == array.dtype


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="'labels' holds Python objects"):
        RecordStore(tmp_path).write(record(), {"labels": np.array([{}], dtype=object)})
    assert not list(tmp_path.rglob("*.*"))


@pytest.mark.parametrize(
    "changes",
    [
        {"value": None}, {"metrics": None}, {"evaluations": []}, {"status": "failed"}, {"status": "running"},
        {"value": 1.5}, {"value": float("nan")}, {"run_id": "short"}, {"run_id": "../../../../etc/pass"},
        {"schema_version": 2}, {"surprise": 1}, {"metric": "f1"}, {"selection": "oracle"},
        {"seed": -1}, {"seed": 2**31}, {"evaluations": DONE["evaluations"] * 10_001},
        {"oracle_step": 2**53}, {"oracle_step": -1},
        {"evaluations": [{**EVALUATION, "step": 2**53}]},
        {"evaluations": [{**EVALUATION, "seconds": 1e11}]},
        {"evaluations": [{**EVALUATION, "losses": {"x": float("inf")}}]},
        {"metrics": {**METRICS, "confusion": [[1, 2**53]]}},
        {"metrics": {**METRICS, "confusion": [[0], [-1]]}},
        {"metrics": {**METRICS, "per_class": dict.fromkeys(map(str, range(20_001)))}},
        {"timing": {"started_at": "", "total_seconds": 1e308}},
        {"timing": {"started_at": "", "total_seconds": 1, "training_seconds": 1e11}},
        {"timing": {"started_at": "", "total_seconds": 1, "peak_memory_bytes": 2**53}},
        {"timing": {"started_at": "", "total_seconds": 1, "images_per_second": 1e308}},
        {"config": {"a": [{}] * 200_001}}, {"environment": {"a": [[0] * 1000] * 201}},
        {"method_info": nested(33)}, {"dataset": {"a": [nested(40)]}},
        {"suite_info": {"classes": ["x"] * 20_001}}, {"suite_info": {"tasks": ["x"] * 1_001}},
    ],
)  # fmt: skip
def test_what_no_record_may_say(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        record(**changes)


def test_what_a_record_may_just_say() -> None:
    record(
        seed=2**31 - 1, config=nested(31), method_info={"a": list(range(150_000))}, oracle_step=2**53 - 1,
        suite_info={"classes": ["x"] * 20_000, "tasks": ["x"] * 1_000},
        timing={"started_at": "", "total_seconds": 1e10, "peak_memory_bytes": 2**53 - 1},
        metrics={**METRICS, "confusion": []}, evaluations=[{**EVALUATION, "losses": {"x": 1e308}}],
    )  # fmt: skip


def test_a_row_of_the_confusion_matrix_is_a_line(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    one = record(metrics={**METRICS, "confusion": [[1, 0], [0, 22]]}, config={"a": ["x", "[\n 1,\n 2\n]"]})
    path = store.write(one)
    assert store.read(path) == one
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    assert ("[1,0]," in lines, "[0,22]" in lines) == (True, True)


def test_a_record_with_a_thousand_classes_is_read(tmp_path: Path) -> None:
    names = [f"class number {k}" for k in range(1000)]
    whole = record(
        metrics={**METRICS, "confusion": [[0] * 1000] * 1000, "per_class": dict.fromkeys(names, 0.123456789)},
        suite_info={"classes": names},
        dataset={part: {"class_counts": dict.fromkeys(names, 100)} for part in ("source", "target", "test")},
    )
    store = RecordStore(tmp_path)
    assert store.read(store.write(whole)) == whole


def test_a_file_of_many_values_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "many.json"
    path.write_bytes(b'{"schema_version": 1, "config": {"a": [' + b"{}," * (3 * 2**20) + b"{}]}}")
    problem = RecordStore(tmp_path).read(path)
    assert isinstance(problem, Problem)
    assert problem.reason == f"larger than {4 * 2**20} bytes"


def test_files_that_are_no_records_come_back_by_name(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    whole = store.write(record()).read_text(encoding="utf-8")
    strange = {
        "a.json": whole[: len(whole) // 2].encode(),
        "b.json": b"",
        "c.json": b"\xff\xfe\x00",
        "d.json": b'"text"',
        "e.json": b'{"name": "not ours"}',
        "f.json": json.dumps(json.loads(whole) | {"schema_version": 2}).encode(),
        "g.json": json.dumps(json.loads(whole) | {"value": "high"}).encode(),
        "h.json": b"[" * 100_000,
        "i.json": whole.replace('"value":0.5', '"value":NaN')
        .replace('"value": 0.5', '"value": NaN')
        .encode(),
    }
    for name, content in strange.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "j.json").mkdir()
    (tmp_path / ".k.json").write_bytes(b"hidden")
    (tmp_path / ".trash").mkdir()
    (tmp_path / ".trash" / "l.json").write_bytes(b"hidden")
    records, problems = store.read_all()
    assert records == [record()]
    assert [problem.path.name for problem in problems] == [*strange, "j.json"]
    reasons = {problem.path.name: problem.reason for problem in problems}
    assert reasons["f.json"] == "schema_version 2, this dabench reads 1"
    assert reasons["g.json"].startswith("value: ")
    assert "schema_version is missing" in reasons["d.json"]
    assert all(reasons.values())


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(8 * 2**20 + 1)
    problem = RecordStore(tmp_path).read(path)
    assert isinstance(problem, Problem)
    assert problem.reason.startswith("larger than")


def test_no_folder_means_no_records(tmp_path: Path) -> None:
    assert RecordStore(tmp_path / "nothing").read_all() == ([], [])


@given(st.integers(0, 2**31 - 1), st.text("0123456789abcdef", min_size=16, max_size=16), st.floats(0, 1))
def test_numbers_survive_the_disk_exactly(
    tmp_path_factory: pytest.TempPathFactory, seed: int, run_id: str, value: float
) -> None:
    store = RecordStore(tmp_path_factory.getbasetemp() / "exact")
    one = record(seed=seed, run_id=run_id, value=value)
    assert store.read(store.write(one)) == one


def kill(*_: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_an_interrupt_while_writing_leaves_nothing_or_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    store = RecordStore(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, kill)
        with pytest.raises(KeyboardInterrupt):
            store.write(record(), ARRAYS)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    path = store.write(record(), ARRAYS)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, kill)
        with pytest.raises(KeyboardInterrupt):
            write_atomically(path, b"new")
    assert store.read_all()[1] == []
    assert sorted(file.suffix for file in path.parent.iterdir()) == [".json", ".npz"]


def test_a_killed_process_leaves_nothing_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill runs no cleaning up: the temporary file stays, and is no record."""
    monkeypatch.setattr(os, "replace", kill)
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    with pytest.raises(KeyboardInterrupt):
        RecordStore(tmp_path).write(record())
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".part"]
    assert RecordStore(tmp_path).read_all() == ([], [])


def test_the_record_comes_after_its_predictions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    replace = os.replace

    def noting(source: str, target: Path) -> None:
        written.append(target.suffix)
        replace(source, target)

    monkeypatch.setattr(os, "replace", noting)
    RecordStore(tmp_path).write(record(), ARRAYS)
    assert written == [".npz", ".json"]


def test_a_full_disk_is_told_and_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left on device") as caught:
        RecordStore(tmp_path).write(record(), ARRAYS)
    assert str(tmp_path) in str(caught.value)
    assert "--results" in caught.value.hint
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_that_cannot_be_one_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for root in (tmp_path / "file", tmp_path / "file" / "results"):
        with pytest.raises(UserError, match="cannot write records into"):
            RecordStore(root).require_writable()
        with pytest.raises(UserError, match="cannot write records into"):
            RecordStore(root).write(record())
    RecordStore(tmp_path / "results").require_writable()
    assert list((tmp_path / "results").iterdir()) == []


def test_a_record_that_nobody_would_read_is_not_written(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    large = record(provenance={"steps": "x" * 4 * 2**20})
    with pytest.raises(ValueError, match="more than 4194304"):
        store.publish(large)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_texts_in_a_record_stay_as_they_are(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    texts = record(provenance={"steps": "shape [ 1, 2 ]", "seed": "[1,\n 2]"})
    assert store.read(store.write(texts)) == texts
