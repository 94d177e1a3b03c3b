"""A failed run that costs the process its GPU: the rest is done by a new process in its place."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dabench import commands, restarting
from dabench.budget import Deadline
from dabench.commands import RunRequest, execute
from dabench.records import RecordStore
from dabench.running import DeviceLost

# The GPU is a stand-in that the first failed run takes away; the new process has none.
LOSE_THE_GPU = """
import sys
import dabench.sweep
from dabench.cli import main
from dabench.running import DeviceLost

def lost(device):
    raise DeviceLost("cuda answers no more after a failed run: an illegal memory access")

dabench.sweep.require_device = lost
main(sys.argv[1:])
"""


@pytest.fixture
def words(tiny_suite: Path) -> list[str]:
    """A sweep of two methods, the first of which fails."""
    return [
        "run", "-m", "dann", "-m", "source_only", "-s", str(tiny_suite), "-t", "A2B", "--seeds", "2",
        "--set", "dann.optimiser.lr=1e30", "--set", "steps=6", "--device", "cpu",
    ]  # fmt: skip


@pytest.mark.slow
def test_the_rest_is_done_by_a_new_process_which_leaves_the_failed_run_out(
    words: list[str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOSE_THE_GPU, *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr == ""
    assert done.stdout.count("cuda answers no more after a failed run: an illegal memory access") == 1
    assert "a new process goes on with the other 3 runs" in done.stdout
    assert done.stdout.count("repeat: dabench run --method dann") == 2, "one failed here, one there"
    records, _ = RecordStore(tmp_path / "results").read_all()
    assert sorted(record.status for record in records) == ["done", "done", "failed", "failed"]


def test_what_the_new_process_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(os, "execve", lambda *given: told.append(given))
    monkeypatch.setattr(os, "closerange", lambda *_: None)
    monkeypatch.setenv(restarting.TRIED, "a")
    monkeypatch.setattr(sys, "argv", ["/usr/bin/dabench"])
    restarting.go_on(["run", "--max-time", "2h"], {"b"}, "cuda", 59.5)
    ((program, command, environment),) = told
    assert program == command[0] == sys.executable
    assert command[1:] == ["-P", "-m", "dabench", "run", "--max-time", "2h", "--device", "cuda"]
    assert environment[restarting.TRIED] == "a,b"
    assert restarting.tried() == {"a"}
    assert restarting.time_left() is None
    monkeypatch.setenv(restarting.TIME, environment[restarting.TIME])
    assert restarting.time_left() == 59.5


def test_what_others_have_done_meanwhile_is_no_success(
    tiny_suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    request = RunRequest(
        methods=["source_only"], suites=[str(tiny_suite)], seeds=1, device="cpu", data=tmp_path / "data",
        results=tmp_path / "results",
    )  # fmt: skip
    assert execute(request) == 0
    assert execute(request) == 0
    monkeypatch.setenv(restarting.TRIED, "0123456789abcdef")
    assert execute(request) == 1
    assert "the other runs are done" in capsys.readouterr().out


def test_who_calls_it_without_a_command_line_gets_the_error(
    tiny_suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lost(_: Any) -> None:
        raise DeviceLost("cuda answers no more")

    monkeypatch.setattr("dabench.sweep.require_device", lost)
    request = RunRequest(
        methods=["dann"], suites=[str(tiny_suite)], seeds=1, device="cpu", data=tmp_path / "data",
        results=tmp_path / "results", assignments=["optimiser.lr=1e30", "steps=6"],
    )  # fmt: skip
    with pytest.raises(DeviceLost):
        execute(request)
    assert "failed: dann tiny A->B seed 0" in capsys.readouterr().out


@pytest.mark.parametrize(("limit", "left"), [(None, None), (100.0, 100)])
def test_the_time_of_the_sweep_goes_on(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: float | None, left: float | None
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(commands, "go_on", lambda *given: told.append(given))
    lost = commands.SweepResult(device_lost=DeviceLost("gone"), left=[None])  # type: ignore[list-item]
    device = torch.device("cuda:1")
    place = commands.Place(None, tmp_path, device, deadline=Deadline(limit) if limit else None)
    request = RunRequest(data=tmp_path, results=tmp_path, words=tuple(words))
    commands._go_on_elsewhere(lost, place, request)
    ((given, failed, device, seconds),) = told
    assert (given, failed, device) == (tuple(words), set(), "cuda:1")
    assert seconds == (None if left is None else pytest.approx(left, abs=5))


@pytest.mark.parametrize(
    ("executor", "jobs", "threads", "said"),
    [("ray", 4, 4, True), ("ray", 4, 1, False), ("ray", None, 4, False), ("inline", None, 4, False)],
)
def test_more_threads_than_processors_are_said(
    make_plan: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, executor: str, jobs: int | None,
    threads: int, said: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr(commands, "processors", lambda: 4)
    runs = make_plan([f"threads={threads}"])
    execution = commands.Execution(executor=executor, jobs=jobs)
    text = commands._crowded(runs, execution, runs and commands.resolve_device("cpu"))
    assert bool(text) is said
    assert not said or "--set threads=1" in text
