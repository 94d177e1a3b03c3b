"""Output that nobody can read is no reason for a run to fail: pipes, full disks, terminals that hang up."""

import errno
import os
import pty
import signal
import subprocess
import sys
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dabench.records import RecordStore
from dabench.terminal import error_console, print_error, standard_console, steady, steady_output

DABENCH = [sys.executable, "-m", "dabench"]
FULL = Path("/dev/full")


class Broken(StringIO):
    """Takes some writes and then fails; counts how often it was asked."""

    def __init__(self, error: BaseException, after: int = 0) -> None:
        super().__init__()
        self.error, self.after, self.asked = error, after, 0

    def write(self, text: str) -> int:
        self.asked += 1
        if self.asked > self.after:
            raise self.error
        return super().write(text)


def sweep(suite: Path, *options: str) -> list[str]:
    """Two runs that say something at every tenth step."""
    usual = ["--method", "source_only", "--suite", str(suite), "--seeds", "1", "--set", "steps=200"]
    return [*DABENCH, "run", *usual, "--set", "evaluations=20", "--checkpoint-every", "0", *options]


def require_done(results: Path, count: int = 2) -> None:
    records, problems = RecordStore(results).read_all()
    assert [record.status for record in records] == ["done"] * count
    assert problems == []


def read_line(process: subprocess.Popen[str]) -> str:
    """First line of its output, of which nobody reads more."""
    assert process.stdout is not None
    line = process.stdout.readline()
    process.stdout.close()
    return str(line)


@pytest.mark.parametrize(
    "error", [BrokenPipeError(errno.EPIPE, "gone"), OSError(errno.EIO, "gone"), ValueError("closed file")]
)
def test_the_first_write_that_fails_is_the_last(error: Exception) -> None:
    out = Broken(error, after=1)
    console = steady(Console(file=out))
    for number in range(5):
        console.print(number)
    assert (out.getvalue(), out.asked) == ("0\n", 2)
    assert steady(console).file is console.file, "once is enough"


def test_ctrl_c_is_heard_while_a_line_is_written() -> None:
    with pytest.raises(KeyboardInterrupt):
        steady(Console(file=Broken(KeyboardInterrupt()))).print("a line")


def test_signs_that_the_output_does_not_know_are_escaped() -> None:
    out = BytesIO()
    console = steady(Console(file=TextIOWrapper(out, encoding="ascii"), width=80))
    console.print("Köln → Rom")
    console.print("next")
    assert out.getvalue() == rb"K\xf6ln \u2192 Rom" + b"\nnext\n"


def test_output_that_was_closed_before_python_began(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    standard_console().print("a line")
    print_error(error_console(), "what is wrong", "what to do")
    with steady_output():
        print("a line")


def test_what_is_printed_without_a_console_does_not_raise_either(monkeypatch: pytest.MonkeyPatch) -> None:
    out, errors = Broken(BrokenPipeError(errno.EPIPE, "gone"), after=2), Broken(OSError(errno.EIO, "gone"))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", errors)
    with steady_output():
        print("a line")  # its end is a write of its own
        print("another")
        print("a warning", file=sys.stderr)
        standard_console().print("a third")
    assert (sys.stdout, sys.stderr) == (out, errors)
    assert (out.getvalue(), out.asked, errors.asked) == ("a line\n", 3, 1)


def test_a_sweep_goes_on_when_the_reader_of_its_pipe_has_read_enough(
    tiny_suite: Path, tmp_path: Path
) -> None:
    with subprocess.Popen(
        sweep(tiny_suite), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert read_line(process)
        assert process.stderr is not None
        said = process.stderr.read()
    assert (process.returncode, said) == (0, "")
    require_done(tmp_path / "results")


def test_a_sweep_without_streams_is_carried_out(tiny_suite: Path, tmp_path: Path) -> None:
    command = ["sh", "-c", '"$@" >&- 2>&-', "sh", *sweep(tiny_suite, "--task", "A2B")]
    assert subprocess.run(command, cwd=tmp_path, check=False).returncode == 0
    require_done(tmp_path / "results", 1)


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
def test_a_full_disk_under_the_output_is_no_full_disk_under_the_records(
    tiny_suite: Path, tmp_path: Path
) -> None:
    with FULL.open("w") as full:
        said = subprocess.run(
            sweep(tiny_suite), cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert said.stderr == "note: nothing more is written to standard output: No space left on device\n"
    assert said.returncode == 0
    require_done(tmp_path / "results")


@pytest.mark.parametrize("terminal", ["dumb", "xterm"])
def test_a_sweep_goes_on_when_its_terminal_hangs_up(tiny_suite: Path, tmp_path: Path, terminal: str) -> None:
    ours, theirs = pty.openpty()

    def ignore() -> Any:
        return signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with subprocess.Popen(
        sweep(tiny_suite, "--set", "steps=600"), cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=theirs,
        stderr=subprocess.PIPE, text=True, preexec_fn=ignore, env={**os.environ, "TERM": terminal},
    ) as process:  # fmt: skip
        os.close(theirs)
        seen = b""
        while b"A->B" not in seen:  # drawn when the first run begins, on a dumb terminal when it has ended
            seen += os.read(ours, 10_000)
        os.close(ours)
        assert process.poll() is None
        assert process.stderr is not None
        said = process.stderr.read()
    assert (process.returncode, said) == (0, "")
    require_done(tmp_path / "results")


def test_commands_that_print_are_quiet_when_their_pipe_closes(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*DABENCH, "list", "methods"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        said = process.stderr.read()
    assert (process.returncode, said) == (0, "")


def test_a_mistake_is_told_to_nobody_when_the_error_output_is_closed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*DABENCH, "list", "methodz"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        process.stderr.close()
        assert process.stdout is not None
        assert process.stdout.read() == ""
    assert process.returncode == 2
