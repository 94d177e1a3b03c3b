"""Links inside a results folder: nothing is written or cleared away through them."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dabench.commands import RunRequest, execute
from dabench.errors import UserError
from dabench.records import RecordStore


@pytest.fixture
def request_of(tiny_suite: Path, tmp_path: Path) -> Callable[..., RunRequest]:
    def make(**changes: Any) -> RunRequest:
        values: dict[str, Any] = {
            "methods": ["dann"],
            "suites": [str(tiny_suite)],
            "seeds": 1,
            "device": "cpu",
        }
        return RunRequest(data=tmp_path / "data", results=tmp_path / "results", **values | changes)

    return make


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


OF_RUNS, OF_SWEEPS = ("tiny", "tiny/A2B", "tiny/A2B/dann"), (".dabench", ".dabench/sweeps")


@pytest.mark.parametrize(
    ("place", "done"),
    [(place, done) for place in OF_RUNS for done in (False, True)] + [(place, False) for place in OF_SWEEPS],
)
def test_a_linked_folder_is_refused_and_stays_as_it_is(
    request_of: Callable[..., RunRequest], tmp_path: Path, place: str, done: bool
) -> None:
    assert execute(request_of()) == 0
    linked, elsewhere = tmp_path / "results" / place, tmp_path / "elsewhere"
    shutil.move(linked, elsewhere)
    linked.symlink_to(elsewhere)
    if done:
        record = next(elsewhere.rglob("seed0*.json"))
        thesis = record.with_name(f".{record.stem}.my.part")
        thesis.mkdir()
        (thesis / "thesis.txt").write_text("years of work", encoding="utf-8")
    else:
        for path in [*elsewhere.rglob("seed*.json"), *tmp_path.glob("results/*/*/*/seed*.json")]:
            path.unlink(missing_ok=True)
    before = content(elsewhere)
    with pytest.raises(UserError, match="is a link"):
        execute(request_of())
    assert content(elsewhere) == before


def test_forced_sweeps_and_event_files_write_through_no_link(
    request_of: Callable[..., RunRequest], tmp_path: Path
) -> None:
    assert execute(request_of()) == 0
    forced, elsewhere = tmp_path / "results" / ".dabench" / "forced", tmp_path / "elsewhere"
    elsewhere.mkdir()
    forced.symlink_to(elsewhere)
    with pytest.raises(UserError, match="is a link"):
        execute(request_of(force=True))
    assert list(elsewhere.iterdir()) == []


def test_events_for_tensorboard_write_through_no_link(
    request_of: Callable[..., RunRequest], tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard")
    assert execute(request_of()) == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for path in list(RecordStore(tmp_path / "results").paths()):
        path.unlink()
        path.with_suffix(".tensorboard").symlink_to(elsewhere)
    with pytest.raises(UserError, match="is a link"):
        execute(request_of(trackers=("tensorboard",)))
    assert list(elsewhere.iterdir()) == []


def test_the_results_folder_itself_may_be_a_link(
    request_of: Callable[..., RunRequest], tmp_path: Path
) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "results").symlink_to(tmp_path / "disk")
    assert execute(request_of()) == 0
    assert len(list((tmp_path / "disk").rglob("seed0*.json"))) == 2
