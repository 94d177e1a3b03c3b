"""One record a run, whoever comes second; nothing of killed processes stays."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dabench.records as records_module
from dabench import publishing
from dabench.patience import is_passing
from dabench.publishing import tidy
from dabench.records import Failure, Metrics, Problem, Record, RecordStore, ResultsError

DONE: dict[str, Any] = {
    "run_id": "0123456789abcdef", "status": "done", "suite": "tiny", "task": "A->B", "source": "alpha",
    "target": "beta", "method": "dann", "backbone": "dann_mnist", "seed": 3, "protocol": "transductive",
    "metric": "accuracy", "value": 0.5, "config": {"steps": 4},
    "metrics": Metrics(accuracy=0.5, mean_class_accuracy=0.5, per_class={"x": 0.5}, confusion=[[1]]),
    "evaluations": [{"step": 4, "accuracy": 0.5, "mean_class_accuracy": 0.5, "seconds": 1.0}],
}  # fmt: skip
FAILED = {"status": "failed", "failure": Failure(kind="X", message="x"), "value": None, "metrics": None}


def record(**changes: Any) -> Record:
    return Record.model_validate({**DONE, **changes})


def arrays(value: int) -> dict[str, np.ndarray[Any, Any]]:
    return {"labels": np.full(5, value)}


def refuse(*_: Any) -> None:
    raise OSError(1, "Operation not permitted")


@pytest.fixture(params=["links", "no links"])
def store(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> RecordStore:
    if request.param == "no links":
        monkeypatch.setattr(os, "link", refuse)
    return RecordStore(tmp_path)


def files(store: RecordStore) -> list[str]:
    return sorted(path.name for path in store.root.rglob("*") if path.is_file())


def test_who_comes_second_keeps_the_first_record(store: RecordStore) -> None:
    first = store.publish(record(), arrays(1), arrays(2))
    assert first is not None
    before = {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()}
    assert len(before) == 3
    assert store.publish(record(value=0.25), arrays(3), arrays(4)) is None
    assert {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()} == before
    assert store.publish(record(value=0.25), arrays(1), arrays(2)) is None, "the same arrays have one file"
    assert {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()} == before


def test_what_the_plan_saw_is_replaced_and_nothing_newer(store: RecordStore) -> None:
    path = store.path(record())
    assert store.publish(record(**FAILED, evaluations=[])) is not None
    seen = store.stamp(path)
    done = store.publish(record(), arrays(1), None, seen)
    assert done is not None
    assert store.publish(record(value=0.25), arrays(2), None, seen) is None, "it was replaced meanwhile"
    assert store.read(path) == done
    forced = store.publish(record(value=0.75), arrays(3), None, store.stamp(path))
    assert forced is not None
    assert store.read(path) == forced
    assert files(store) == sorted([path.name, str(forced.predictions_file)])


def test_a_broken_record_and_one_of_another_run_are_replaced(store: RecordStore) -> None:
    path = store.path(record())
    for content in (b"{", record(run_id="f" * 16).content()):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        assert store.publish(record()) == record()
        assert store.read(path) == record()


def test_who_comes_second_and_finds_the_own_files_cleared_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has published a run clears away what others left of it, and cannot know that one of them lives."""
    store = RecordStore(tmp_path / "results")
    first, second = record(command="first"), record(command="second")
    create = records_module.create

    def late(path: Path, draft: Path) -> None:
        monkeypatch.setattr(records_module, "create", create)
        assert store.publish(first) is not None
        assert not draft.exists()
        create(path, draft)

    monkeypatch.setattr(records_module, "create", late)
    assert store.publish(second, arrays(2)) is None
    assert store.read(store.path(first)) == first
    assert files(store) == [store.path(first).name]


def test_what_killed_processes_left_of_a_run_goes_and_no_more(store: RecordStore) -> None:
    path = store.path(record())
    path.parent.mkdir(parents=True)
    stem = path.stem
    gone = [
        f".{stem}.ab12.part",
        f".{stem}.00112233.xy.part",
        f"{stem}.npz",
        f"{stem}.deadbeef.validation.npz",
    ]
    kept = ["seed30-0123456789abcdef.npz", f"{stem}.scores.json", f"{stem}.events.jsonl", f".{stem}.claim"]
    for name in gone + kept:
        path.with_name(name).write_bytes(b"")
    published = store.publish(record(), arrays(1))
    assert published is not None
    assert files(store) == sorted([*kept, path.name, str(published.predictions_file)])


def test_a_pipe_is_no_record_and_blocks_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.json")
    ((), (problem,)) = RecordStore(tmp_path).read_all()
    assert "no regular file" in problem.reason


def test_a_failure_never_replaces_a_result(store: RecordStore) -> None:
    path = store.path(record())
    assert store.publish(record(), arrays(1)) is not None
    there = store.read(path)
    assert store.publish(record(**FAILED, evaluations=[]), replaces=store.stamp(path)) is None
    assert store.read(path) == there


def test_a_result_that_comes_between_the_look_and_the_move_stays(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed, path, move = record(**FAILED, evaluations=[]), store.path(record()), os.rename
    assert store.publish(failed) is not None
    seen = store.stamp(path)

    def late(source: Path, target: Path) -> None:
        monkeypatch.setattr(os, "rename", move)
        assert store.publish(record(), arrays(1), None, seen) is not None
        move(source, target)

    monkeypatch.setattr(os, "rename", late)
    later = failed.model_copy(update={"command": "later"})
    assert store.publish(later, None, None, seen) is None
    kept = store.read(path)
    assert isinstance(kept, Record)
    assert kept.status == "done"
    assert files(store) == sorted([path.name, str(kept.predictions_file)])


def test_who_tidies_late_leaves_the_arrays_of_a_newer_record(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, tidy = store.path(record()), records_module.tidy

    def late(*given: Any) -> None:
        monkeypatch.setattr(records_module, "tidy", lambda *_: None)
        assert store.publish(record(), arrays(2), arrays(3), store.stamp(path)) is not None
        tidy(*given)

    monkeypatch.setattr(records_module, "tidy", late)
    assert store.publish(record(), arrays(1)) is not None
    kept = store.read(path)
    assert isinstance(kept, Record)
    assert {path.name, kept.predictions_file, kept.validation_file} <= {*files(store)}


def test_arrays_that_were_cleared_away_before_the_record_was_there_are_written_again(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = records_module.create

    def late(path: Path, draft: Path) -> None:
        for file in path.parent.glob("*.npz"):
            file.unlink()
        create(path, draft)

    monkeypatch.setattr(records_module, "create", late)
    published = store.publish(record(), arrays(1), arrays(2))
    assert published is not None
    assert len(files(store)) == 3


def test_a_record_that_cannot_be_read_stays(store: RecordStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store.publish(record()) is not None
    path = store.path(record())
    before = path.read_bytes()

    def away(*_: Any) -> bytes:
        raise OSError(116, "Stale file handle")

    with monkeypatch.context() as patch:
        patch.setattr(records_module, "read_limited", away)
        problem = store.read(path)
        assert isinstance(problem, Problem)
        assert problem.unreadable
        with pytest.raises(ResultsError, match="cannot be read"):
            store.publish(record(value=0.25), arrays(1))
    assert path.read_bytes() == before


def test_neither_is_a_folder_replaced(store: RecordStore) -> None:
    path = store.path(record())
    (path / "inside").mkdir(parents=True)
    with pytest.raises(ResultsError, match="cannot be read"):
        store.publish(record())
    assert (path / "inside").is_dir()


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyboardInterrupt()])
def test_a_record_that_cannot_be_replaced_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    store = RecordStore(tmp_path)
    failed, path, link = record(**FAILED, evaluations=[]), store.path(record()), os.link
    assert store.publish(failed) is not None
    before, seen = path.read_bytes(), store.stamp(path)

    def broken(source: Path, target: Path) -> None:
        if not path.exists() and not source.name.endswith(".aside"):
            raise error
        link(source, target)

    monkeypatch.setattr(os, "link", broken)
    with pytest.raises(ResultsError if isinstance(error, OSError) else type(error)):
        store.publish(record(), arrays(1), None, seen)
    assert path.read_bytes() == before
    assert files(store) == [path.name]


def test_a_result_that_comes_between_the_look_and_the_move_survives_tidying(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its publisher clears away what others left of the run, while it lies aside itself."""
    failed, path = record(**FAILED, evaluations=[]), store.path(record())
    assert store.publish(failed) is not None
    seen, move, tidy = store.stamp(path), os.rename, records_module.tidy

    def late(source: Path, target: Path) -> None:
        monkeypatch.setattr(os, "rename", move)

        def later(*given: Any) -> None:
            move(source, target)
            tidy(*given)

        monkeypatch.setattr(records_module, "tidy", later)
        assert store.publish(record(), arrays(1), None, seen) is not None
        monkeypatch.setattr(records_module, "tidy", tidy)

    monkeypatch.setattr(os, "rename", late)
    later = failed.model_copy(update={"command": "later"})
    assert store.publish(later, None, None, seen) is None
    kept = store.read(path)
    assert isinstance(kept, Record)
    assert kept.status == "done"
    assert files(store) == sorted([path.name, str(kept.predictions_file)])


@pytest.mark.parametrize(("status", "there"), [("done", False), ("done", True), ("failed", False)])
def test_a_result_that_a_killed_process_left_aside_is_put_back(
    store: RecordStore, status: str, there: bool
) -> None:
    left = record() if status == "done" else record(**FAILED, evaluations=[])
    path = store.path(left)
    aside = path.with_name(f".{path.stem}.0011.aside")
    path.parent.mkdir(parents=True)
    aside.write_bytes(left.content())
    newer = record(value=0.25)
    if there:
        path.write_bytes(newer.content())
    store.recover(path)
    assert not aside.exists()
    found = store.read(path)
    if there:
        assert found == newer
    else:
        assert (found == left) is (status == "done")


def test_a_full_disk_leaves_no_part_of_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file system knows no links; nor do arrays stay whose record could not be written."""
    store, sync = RecordStore(tmp_path), os.fsync
    monkeypatch.setattr(os, "link", refuse)

    def full(descriptor: int) -> None:
        if store.path(record()).exists():
            raise OSError(28, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResultsError, match="No space"):
        store.publish(record(), arrays(1), arrays(2))
    assert files(store) == []


def test_a_full_disk_gets_room_once(store: RecordStore, monkeypatch: pytest.MonkeyPatch) -> None:
    rooms: list[int] = []
    write = publishing.write_atomically

    def full(path: Path, content: bytes) -> None:
        if not rooms:
            raise OSError(28, "No space left on device")
        write(path, content)

    monkeypatch.setattr("dabench.publishing.write_atomically", full)
    with pytest.raises(ResultsError, match="No space"):
        store.publish(record(), arrays(1))
    assert store.publish(record(), arrays(1), make_room=lambda: rooms.append(1) is None) is not None
    assert rooms == [1]


def test_others_may_read_what_was_published_as_far_as_the_umask_lets_them(store: RecordStore) -> None:
    before = os.umask(0o022)
    try:
        assert store.publish(record(), arrays(1)) is not None
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in store.root.rglob("*") if path.is_file()} == {0o644}


@pytest.fixture
def stale(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let files of a name be unreadable from now on, as on a network that is away for a moment."""

    def begin(suffix: str) -> None:
        read = records_module.read_limited

        def fail(path: Path, limit: int) -> bytes:
            if path.name.endswith(suffix):
                raise OSError(116, "Stale file handle")
            return read(path, limit)

        monkeypatch.setattr(records_module, "read_limited", fail)

    return begin


def test_what_cannot_be_read_at_the_moment_is_no_other_record(
    tmp_path: Path, stale: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither before nor after it is moved aside: the result is published at the next attempt."""
    for number, suffix in enumerate((".json", ".aside")):
        store = RecordStore(tmp_path / str(number))
        failed, path = record(**FAILED, evaluations=[]), store.path(record())
        assert store.publish(failed) is not None
        seen, before = store.stamp(path), path.read_bytes()
        with monkeypatch.context():
            stale(suffix)
            with pytest.raises(ResultsError, match="Stale file handle") as caught:
                store.publish(record(), arrays(1), None, seen)
            assert is_passing(caught.value), "it is tried again"
        monkeypatch.undo()
        assert path.read_bytes() == before
        assert store.publish(record(), arrays(1), None, seen) is not None


def test_arrays_of_a_record_that_cannot_be_read_stay(
    store: RecordStore, stale: Callable[[str], None]
) -> None:
    first = store.publish(record(), arrays(1), arrays(2))
    assert first is not None
    before = files(store)
    stale(".json")
    with pytest.raises(ResultsError):
        store.publish(record(value=0.25), arrays(1), arrays(2))
    tidy(store.path(first), lambda: store.named(store.path(first)), owner=True)
    assert files(store) == before


def test_a_result_that_lies_aside_and_cannot_be_read_stays(
    store: RecordStore, stale: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store.path(record())
    aside = path.with_name(f".{path.stem}.0011.aside")
    path.parent.mkdir(parents=True)
    aside.write_bytes(record().content())
    stale(".aside")
    with pytest.raises(OSError, match="Stale"):
        store.recover(path)
    assert aside.exists()


def test_a_record_whose_answer_was_lost_is_this_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, link = RecordStore(tmp_path), os.link

    def lost(source: Path, target: Path) -> None:
        link(source, target)
        raise OSError(116, "Stale file handle")

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", lost)
        with pytest.raises(ResultsError):
            store.publish(record(), arrays(1))
    again = store.publish(record(), arrays(1))
    assert again is not None
    assert store.read(store.path(again)) == again
    assert files(store) == sorted([store.path(again).name, str(again.predictions_file)])


def test_a_full_disk_costs_no_record_of_others_where_there_are_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another owner takes half a record for damaged and publishes while the first one writes."""
    store, sync, other = RecordStore(tmp_path), os.fsync, record(value=0.25)
    monkeypatch.setattr(os, "link", refuse)

    def full(descriptor: int) -> None:
        if store.path(other).exists():
            monkeypatch.setattr(os, "fsync", sync)
            assert store.publish(other, arrays(3)) is not None
            raise OSError(28, "No space left on device")
        sync(descriptor)

    store.path(other).parent.mkdir(parents=True)
    monkeypatch.setattr(os, "fsync", full)
    write = Path.open

    def half(self: Path, mode: str = "r", *others: Any, **more: Any) -> Any:
        opened = write(self, mode, *others, **more)
        if self == store.path(other) and mode == "xb":
            monkeypatch.setattr(Path, "open", write)
            opened.write(b"{")
            opened.flush()
        return opened

    monkeypatch.setattr(Path, "open", half)
    with pytest.raises(ResultsError, match="No space"):
        store.publish(record(), arrays(1))
    kept = store.read(store.path(other))
    assert isinstance(kept, Record)
    assert kept.value == 0.25
