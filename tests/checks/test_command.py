"""``dabench check-method`` as it is used: exit codes, and what it says of files that are no methods."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dabench.checks import command, processes
from dabench.checks.findings import BEHAVIOUR, judge_events, verdicts
from dabench.checks.loading import load
from dabench.checks.processes import Crashed, start
from dabench.checks.watch import Event
from dabench.checks.worker import Job, Report, Task
from dabench.cli import app
from dabench.errors import UserError
from dabench.method import METHODS

HEAD = """
from torch.nn.functional import cross_entropy
from dabench.method import Method, register

class Base(Method):
    title, summary, paper = "T", "s", "no paper: a test"
    def losses(self, source, labels, target, batch):
        return {"classification": cross_entropy(source.logits, labels)}
"""


LINE = (sys.executable, "-P", "-m", "dabench")


def dabench(*arguments, cwd):
    line = [*LINE, *map(str, arguments)]
    return subprocess.run(line, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("code", [0, 1])
def test_the_exit_code_is_that_of_the_checks(monkeypatch, code):
    monkeypatch.setattr(command, "execute", lambda method, verbose: code)
    assert CliRunner().invoke(app, ["check-method", "mine.py"]).exit_code == code


@pytest.mark.slow
def test_a_registered_method_and_its_exit_code(tmp_path):
    done = dabench("check-method", "source_only", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "23 checks passed, 0 failed, 0 skipped" in done.stdout
    assert list(tmp_path.iterdir()) == []
    ended = done.stderr.splitlines()
    assert [line.partition(" of 6 processes: ")[0] for line in ended] == list("123456")
    assert ended[0].startswith("1 of 6 processes: import, ")


@pytest.mark.slow
def test_a_request_to_end_leaves_nothing_behind(tmp_path):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [*LINE, "check-method", "source_only"], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr.readline().startswith("1 of 6")
        assert list(tmp_path.glob("dabench-check-*"))
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert not list(tmp_path.glob("dabench-check-*"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import torch\n\n1 / 0\n", r"cannot be imported: ZeroDivisionError: division by zero \(line 3\)"),
        ("def f(:\n", r"cannot be imported: SyntaxError: .* \(line 1\)"),
        (
            "import no_such_module_at_all\n",
            "cannot be imported: ModuleNotFoundError: .*no_such_module_at_all",
        ),
        ("x = 1\n", "registers no method"),
        (
            HEAD + '\n@register("dann")\nclass Mine(Base): pass\n',
            "method 'dann' is registered twice: .*mine.py",
        ),
    ],
)
def test_a_file_that_is_no_method(tmp_path, own_methods, text, message):
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(UserError, match=message):
        load(str(file))


@pytest.mark.parametrize(
    ("text", "message"), [("nowhere.py", "there is no file nowhere.py"), ("dan", "unknown method 'dan'")]
)
def test_what_is_not_there(text, message):
    with pytest.raises(UserError, match=message) as caught:
        load(text)
    assert caught.value.hint


def test_a_file_that_is_no_python_file_starts_no_process(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "check_in_processes", None)
    (tmp_path / "README.md").touch()
    with pytest.raises(UserError, match=r"README.md is no Python file"):
        command.execute(str(tmp_path / "README.md"), False)


def test_a_file_that_is_not_there_starts_no_process(monkeypatch):
    monkeypatch.setattr(command, "check_in_processes", None)
    with pytest.raises(UserError, match=r"there is no file nowhere.py"):
        command.execute("nowhere.py", False)


def test_after_a_mistake_no_further_process_is_started(monkeypatch):
    started = []

    def mistaken(job, folder, stopped):
        started.append(folder.name)
        return Report(error="no method")

    monkeypatch.setattr(processes, "start", mistaken)
    found = processes.check_in_processes(["mine"])
    assert started == ["import"]
    assert [report.error for report in found.values()] == ["no method"]


def test_a_file_of_this_repository_is_not_imported_twice():
    file = METHODS.get("cdan").file
    assert {entry.name for entry in load(str(file))} == {"cdan", "cdan+e"}


def test_a_method_in_a_package_of_its_own(tmp_path, own_methods):
    package = tmp_path / "checked_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "base.py").write_text(HEAD)
    (package / "mine.py").write_text(
        "from dabench.method import register\nfrom .base import Base\n\n"
        "@register('mine')\nclass Mine(Base): pass\n"
    )
    (entry,) = load(str(package / "mine.py"))
    assert entry.cls.__module__ == "checked_package.mine"


def test_a_mistake_of_the_user_ends_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").touch()
    report = Report(error=f"{Path.cwd()}/mine.py registers no method", hint="a hint")
    monkeypatch.setattr(command, "check_in_processes", lambda *_: {"import": report})
    with pytest.raises(UserError, match=r"^mine.py registers no method$") as caught:
        command.execute("mine.py", False)
    assert caught.value.hint == "a hint"


def test_a_method_that_fails_ends_its_process_and_does_more_than_it_should(tmp_path, monkeypatch):
    """One process for all: what the report says of each."""
    library = tmp_path / "library"
    library.mkdir()
    (library / "keeps_a_cache.py").write_text(
        "from pathlib import Path\n(Path.home() / 'cache of a library').write_text('x')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(library))
    file = tmp_path / "mine.py"
    file.write_text(
        HEAD
        + """
import subprocess, socket, torch
from pathlib import Path

@register("leaves")
class Leaves(Base):
    def setup(self, network):
        import keeps_a_cache
        torch.from_file(str(Path.home() / "bank"), shared=True, size=4)  # no event tells of it

@register("breaks")
class Breaks(Base):
    def train_step(self, network, batch, optimise):
        raise RuntimeError("two tensors do not fit")

@register("asks")
class Asks(Base):
    def setup(self, network):
        subprocess.run(["true"])
        try:
            socket.create_connection(("127.0.0.1", 9))
        except OSError:
            pass

@register("says-so")
class SaysSo(Base):
    uses_target_labels = True
"""
    )
    job = Job(methods=(str(file),), tasks=(Task(key="fresh"),))
    report = start(job, tmp_path / "place")
    wanted = "training fails: RuntimeError: two tensors do not fit (mine.py, line "
    assert report.failures["fresh"]["breaks"].startswith(wanted)
    assert set(report.outcomes["fresh"]) == {"asks", "leaves"}
    assert report.left == ["~/bank"]
    (left, *_) = judge_events("leaves", report.events["leaves"], report.left)
    assert left.message == "leaves ~/bank behind"
    files, processes, *others = judge_events("asks", report.events["asks"])
    assert (files.state, processes.state) == ("passed", "failed")
    assert {verdict.state for verdict in others} == {"passed"}
    assert "subprocess.Popen true (mine.py, line" in processes.message
    assert "connects by socket.getaddrinfo 127.0.0.1" in processes.message


def test_a_process_that_ends_early(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("import os\nos._exit(7)\n")
    with pytest.raises(Crashed, match=r"ended early \(exit code 7\)"):
        start(Job(methods=(str(file),)), tmp_path / "place")


def test_a_crash_is_a_failure_and_never_a_pass(tmp_path, monkeypatch, capsys):
    file = tmp_path / "mine.py"
    file.touch()
    crashed = Crashed("the process that ran the method ended early (signal 11)")
    keys = ("plain", "changed", "process", "disk", "contracts")
    monkeypatch.setattr(command, "check_in_processes", lambda *_: dict.fromkeys(keys, crashed))
    assert command.execute(str(file), False) == 1
    assert "FAIL  the process that ran the method ended early (signal 11)" in capsys.readouterr().out
    some = {**dict.fromkeys(keys, crashed), "plain": Report(methods=["mine"])}
    found = {verdict.title: verdict for verdict in verdicts(some)}
    assert found["lets its process end"].state == "failed"
    assert found["ignores target labels: arrays"].state == "failed"
    assert "could not be tried" in found["ignores target labels: arrays"].message


def test_a_file_outside_is_named_and_fails_nothing():
    events = [Event(kind="read", what="/weights/clip.pt", where="mine.py, line 3, in setup")]
    files, *_ = judge_events("mine", events)
    assert files.state == "passed"
    assert files.message == "but it reads /weights/clip.pt (mine.py, line 3, in setup): look at that"
    files, *_ = judge_events(
        "mine", [*events, Event(kind="look", what="results", where="mine.py, line 4, in f")]
    )
    assert files.state == "failed"
    assert files.message == "lists results (mine.py, line 4, in f)"
    state = Event(kind="read", what="state.json", where="mine.py, line 3, in setup")
    assert judge_events("mine", [state])[0].state == "passed"  # only the engine's folders are forbidden
    assert judge_events("mine", [], ["out.bin"])[0].message == "leaves out.bin behind"
    assert {verdict.title for verdict in judge_events("mine", [])} == {
        claim.title for claim in BEHAVIOUR.values()
    }
