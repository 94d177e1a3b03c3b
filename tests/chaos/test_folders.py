"""Folders that fill up, cannot be written or go away, wrong clocks: said clearly, and nothing is lost."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.chaos
Start = Callable[..., Any]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system in memory with room for some records and no more."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160k", "dabench", str(disk)]
    if os.geteuid() != 0 or not shutil.which("mount") or subprocess.run(mount, check=False).returncode:
        pytest.skip("only root may mount a file system here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)


def require_clear(worker: Any, code: int, *words: str) -> None:
    """An error of the user's in a line or two, which says all of the words."""
    assert worker.wait() == code, worker.said
    assert "Traceback" not in worker.said
    assert "error: " in worker.said
    for word in words:
        assert word in worker.said


def records(results: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in results.glob("*/*/*/seed*.json")}


def wait_for_records(results: Path, count: int) -> dict[str, bytes]:
    for _ in range(6000):  # a guard against hanging, no measurement
        if len(records(results)) >= count:
            break
        time.sleep(0.02)
    found = records(results)
    assert len(found) >= count
    return found


def test_a_disk_that_fills_up(forks: Any, sweep: Any, undisturbed: Any, look: Any, small_disk: Path) -> None:
    results = small_disk / "results"
    require_clear(forks.start(*sweep(results)), 2, "cannot write records", "No space left")
    before = records(results)
    assert 0 < len(before) < 12
    require_clear(forks.start(*sweep(results)), 2, "No space left")
    assert before.items() <= records(results).items()
    remount(small_disk, "size=50m")
    worker = forks.start(*sweep(results))
    assert worker.wait() == 0, worker.said
    look(results).require(undisturbed)
    assert before.items() <= records(results).items()


def test_a_results_folder_that_cannot_be_written(
    forks: Any, sweep: Any, undisturbed: Any, look: Any, small_disk: Path
) -> None:
    remount(small_disk, "size=50m")
    results = small_disk / "results"
    worker = forks.start(*sweep(results))
    before = wait_for_records(results, 1)
    worker.signal(signal.SIGKILL)
    worker.wait()
    remount(small_disk, "ro")
    require_clear(forks.start(*sweep(results)), 2, "Read-only file system")
    assert before.items() <= records(results).items()
    remount(small_disk, "rw")
    worker = forks.start(*sweep(results))
    assert worker.wait() == 0, worker.said
    look(results).require(undisturbed)


def test_files_that_may_not_grow(forks: Any, sweep: Any, undisturbed: Any, look: Any, tmp_path: Path) -> None:
    """As a full disk, where nobody may mount one: every file of more than 4 kB fails."""
    results = tmp_path / "results"
    require_clear(
        forks.start(*sweep(results), largest_file=4000), 2, "cannot write records", "File too large"
    )
    assert records(results) == {}
    worker = forks.start(*sweep(results))
    assert worker.wait() == 0, worker.said
    look(results).require(undisturbed)


@pytest.mark.parametrize("mount_point", [False, True])
def test_a_results_folder_that_goes_away_and_comes_back(
    mount_point: bool, forks: Any, sweep: Any, undisturbed: Any, look: Any, tmp_path: Path
) -> None:
    """Where a network folder was mounted, an empty folder is left."""
    results, away = tmp_path / "results", tmp_path / "away"
    worker = forks.start(*sweep(results))
    before = wait_for_records(results, 2)
    results.rename(away)
    if mount_point:
        results.mkdir()
    require_clear(worker, 2, "the results folder", "is gone")
    assert not records(results), "nothing is written into another folder of that name"
    shutil.rmtree(results, ignore_errors=True)
    away.rename(results)
    assert before.items() <= records(results).items()
    worker = forks.start(*sweep(results))
    assert worker.wait() == 0, worker.said
    look(results).require(undisturbed)


def test_clocks_that_are_wrong(forks: Any, sweep: Any, undisturbed: Any, look: Any, tmp_path: Path) -> None:
    """One process is a day behind, one a day ahead and killed: nobody goes by the time of day."""
    results, day = tmp_path / "results", 86_400.0
    ahead = forks.start(*sweep(results), clock=day)
    others = [forks.start(*sweep(results), clock=clock) for clock in (-day, 0.0)]
    wait_for_records(results, 1)
    ahead.signal(signal.SIGKILL)
    ahead.wait()
    for worker in others:
        assert worker.wait() == 0, worker.said
    worker = forks.start(*sweep(results))
    assert worker.wait() == 0, worker.said
    look(results).require(undisturbed)
