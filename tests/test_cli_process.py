"""The command line as people have it: a process of its own, signals, a checkout with a new method."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dabench.records import RecordStore

ROOT = Path(__file__).resolve().parents[1]


def dabench(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dabench", *arguments],
        cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_mistake_on_the_real_command_line(tmp_path: Path) -> None:
    said = dabench("list", "methodz", cwd=tmp_path, COLUMNS="30")
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr.splitlines() == [
        "error: unknown list 'methodz'",
        "did you mean 'methods'? available: backbones, methods, protocols, rules, suites",
    ]


def test_ctrl_c_ends_cleanly_and_the_same_command_goes_on(tiny_suite: Path, tmp_path: Path) -> None:
    command = ["run", "--method", "source_only", "--suite", str(tiny_suite), "--task", "A2B", "--seeds", "3"]
    command += ["--set", "steps=400", "--results", "out"]
    with subprocess.Popen(
        [sys.executable, "-m", "dabench", *command],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("[2/3]"):
                process.send_signal(signal.SIGINT)
                break
        out, err = process.communicate(timeout=600)  # a guard against hanging, no measurement
    assert process.returncode == 130
    assert "Traceback" not in out + err
    done, total = map(int, re.findall(r"(\d) of (\d) runs have their record in out", out)[0])
    assert "run the same command again to go on with the rest" in out
    assert (total, 1 <= done < 3) == (3, True)
    store = RecordStore(tmp_path / "out")
    before, problems = store.read_all()
    assert (len(before), problems) == (done, [])
    files = [path for path in (tmp_path / "out" / "tiny").rglob("*") if path.is_file()]
    results = [path.suffix for path in files if path.suffix != ".jsonl"]
    assert sorted(results) == [".json"] * done + [".npz"] * 2 * done, "no claim and no part of a file"
    rest = dabench(*command, cwd=tmp_path)
    assert rest.returncode == 0, rest.stderr
    assert f"{done} of 3 runs are done already" in rest.stdout
    after, problems = store.read_all()
    assert [record.seed for record in after] == [0, 1, 2]
    assert problems == []
    assert all(record in after for record in before)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Copy of the four packages, links as links."""
    copy = tmp_path / "checkout"
    copy.mkdir()
    for name in ("dabench", "methods", "datasets", "leaderboard"):
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "pyproject.toml", copy)
    return copy


def test_a_new_method_runs_as_it_was_written_and_its_test_passes(checkout: Path) -> None:
    path = {"PYTHONPATH": str(checkout)}
    new = dabench("new", "method", "my-method", cwd=checkout, **path)
    assert new.returncode == 0, new.stderr
    assert "wrote methods/my_method.py" in new.stdout
    assert "try it: dabench run --method my-method --suite minidigits --task D2M --seeds 1" in new.stdout
    short = ["--set", "steps=4", "--set", "evaluations=2", "--set", "params.strength=0.5", "--results", "out"]
    run = dabench(
        "run", "--method", "my-method", "--suite", "minidigits", "--task", "D2M", "--seeds", "1", *short,
        cwd=checkout, **path,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert "distance" in run.stdout
    ((record,), problems) = RecordStore(checkout / "out").read_all()
    assert (record.method, record.status, problems) == ("my-method", "done", [])
    assert record.config["params"] == {"strength": 0.5}
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/methods/test_my_method.py"],
        cwd=checkout, env={**os.environ, **path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert "2 passed" in tests.stdout


def test_sigterm_ends_a_sweep_as_ctrl_c_does(tiny_suite: Path, tmp_path: Path) -> None:
    command = ["run", "--method", "source_only", "--suite", str(tiny_suite), "--task", "A2B", "--seeds", "1"]
    command += ["--set", "steps=100000", "--set", "evaluations=1000", "--checkpoint-every", "0"]
    with subprocess.Popen(
        [sys.executable, "-m", "dabench", *command],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            if "step 200" in line:
                process.terminate()
                break
        out, err = process.communicate(timeout=600)  # a guard against hanging, no measurement
    assert process.returncode == 130, err
    assert "0 of 1 runs have their record" in out
    names = [path.name for path in (tmp_path / "results").rglob("*") if path.is_file()]
    assert any(re.search(r"checkpoint-\d+\.safetensors$", name) for name in names)
    assert not any(name.endswith((".claim", ".npz")) for name in names)
