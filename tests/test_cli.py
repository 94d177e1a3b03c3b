"""The command line, in this process where that shows the same: exit codes, what is printed, and where."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from torch import Tensor

import dabench
from dabench.cli import main
from dabench.commands import RunRequest, execute
from dabench.method import METHODS, Batch, Method, Outputs, register
from dabench.records import Record, RecordStore


class Said(NamedTuple):
    code: object
    out: str
    err: str


@pytest.fixture
def dab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """Run a command line in an empty folder: ``dab("run --method dann")``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(line: str, **environment: str) -> Said:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main(shlex.split(line))
        return Said(caught.value.code, *capsys.readouterr())

    return run


@pytest.fixture
def broken(own_methods: None) -> None:
    @register("broken")
    class Broken(Method):
        def losses(self, source: Outputs, labels: Tensor, target: Outputs, batch: Batch) -> dict[str, Tensor]:
            raise RuntimeError("out of luck [really]")


@pytest.mark.parametrize(
    ("line", "error", "hint"),
    [
        ("run --methood dann", "No such option: --methood", "run --help' lists"),
        ("bogus", "No such command 'bogus'", "--help' lists"),
        ("run --seed x", "Invalid value for '--seed'", "--help"),
        ("run --seeds 0", "Invalid value for '--seeds'", "--help"),
        ("show method", "Missing argument", "--help"),
        ("run", "nothing to run: --suite is missing", "such as: dabench run"),
        ("run -m gdsa -s minidigits", "unknown method 'gdsa'", "did you mean 'gsda'?"),
        ("run -m dann -s minidigits -t D2X", "'D2X' is no task of suite 'minidigits'", "D->M, D->S"),
        ("run -m dann -s minidigits --set optimiser.lrr=1", "unknown key 'optimiser.lrr'", "'optimiser.lr'?"),
        (
            "run -m dann -s minidigits --set image.scale=[0.5,0.2]",
            "image.scale (0.5, 0.2) is no range",
            "show",
        ),
        ("run -m dann -s minidigits --set steps", "--set steps: expected key=value", "such as --set"),
        (
            "run -m dann -s minidigits --seeds 2 --seed 3",
            "--seeds and --seed exclude",
            "--seeds 5 means 0 to 4",
        ),
        ("run -m dann -s minidigits --device tpu", "unknown device 'tpu'", "auto, cpu, cuda"),
        (
            "run -m dann -s minidigits --device cuda:99",
            "device cuda:99 is not on this machine",
            "--device cpu",
        ),
        ("run -m dann -s minidigits --weights no.pth", "weights file no.pth does not exist", "--weights"),
        ("run missing.yaml", "sweep file missing.yaml does not exist", "demo, full-table"),
        ("list things", "unknown list 'things'", "available: backbones"),
        ("show suite nowhere", "unknown suite 'nowhere'", "available:"),
        ("new method gsda", "method 'gsda' exists", "choose another name"),
    ],
)
def test_a_mistake_is_two_lines_and_exit_code_2(
    dab: Callable[..., Said], line: str, error: str, hint: str
) -> None:
    said = dab(line, COLUMNS="40")
    assert said.code == 2
    first, *rest = said.err.splitlines()
    assert first.startswith("error: ")
    assert error in first
    assert len(rest) == 1
    assert hint in rest[0]
    assert "Traceback" not in said.out + said.err


def test_help_and_version(dab: Callable[..., Said]) -> None:
    assert dab("--version").out.strip() == f"dabench {dabench.__version__}"
    said = dab("run --help")
    assert said.code == 0
    for option in ("--method", "--suite", "--task", "--backbone", "--seeds", "--seed", "--weights", "--data",
                   "--results", "--device", "--set", "--dry-run", "--force"):  # fmt: skip
        assert option in said.out
    assert {"run", "leaderboard", "list", "show", "data", "demo", "new"} <= set(dab("--help").out.split())
    assert "Usage" in "".join(dab("")[1:])


def test_a_suite_without_data_says_what_is_missing_and_how_to_get_it(dab: Callable[..., Said]) -> None:
    said = dab("run --method gsda --suite office31 --dry-run --seeds 4")
    assert said.code == 2
    assert "24 runs" in said.out
    rows = [re.split(r"\s*│\s*", line)[1:-1] for line in said.out.splitlines() if line.startswith("│")]
    assert [row[1] for row in rows] == ["A->D", "A->W", "D->A", "D->W", "W->A", "W->D"]
    assert {(row[0], row[2], row[3], row[-1]) for row in rows} == {
        ("office31", "gsda", "0, 1, 2, 3", "images")
    }
    assert said.err.startswith("error: images for 24 runs are missing on this machine\n")
    for domain in ("amazon", "dslr", "webcam"):
        assert f"{domain} is not on this machine" in said.err
    assert said.err.count("dabench data fetch office31 --data") == 1, "how to get it is said once"
    assert dab("run --method gsda --suite office31").code == 2


def test_from_a_plan_to_records_and_only_what_is_missing(dab: Callable[..., Said], tiny_suite: Path) -> None:
    command = f"run -m source_only -m dann -s {tiny_suite} --task a2b --seeds 2 --results out"
    planned = dab(f"{command} --dry-run")
    assert planned.code == 0
    assert "tiny: dann_mnist, transductive, 4 steps" in planned.out
    assert not Path("out").exists()
    first = dab(f"{command} --seed 0".replace("--seeds 2 ", ""))
    assert first.code == 0
    assert "[1/2] source_only tiny A->B seed 0" in first.out
    assert "2 runs done, 0 failed; records in out" in first.out
    assert "next: dabench leaderboard --results out" in first.out
    rows = [
        re.split(r"\s*│\s*", line)[1:-1]
        for line in dab(f"{command} --dry-run").out.splitlines()
        if "│" in line
    ]
    assert [row[3:] for row in rows] == [["0, 1", "1", "1", "", ""]] * 2
    second = dab(command)
    assert "2 of 4 runs are done already" in second.out
    assert "[1/2] source_only tiny A->B seed 1" in second.out
    assert "all 4 runs are done in out; --force runs them again" in dab(command).out
    assert "[4/4]" in dab(f"{command} --force").out
    assert len(RecordStore(Path("out")).read_all()[0]) == 4
    assert dab("leaderboard --results out --out site").code == 0
    assert Path("site/index.html").is_file()


def test_protocols_through_the_command_line(dab: Callable[..., Said], tiny_suite: Path) -> None:
    command = f"run -m dann -s {tiny_suite} -t A2B --seeds 1 --dry-run"
    said = dab(f"{command} --protocol holdout")
    assert said.code == 0
    assert "tiny: dann_mnist, holdout, 4 steps" in said.out
    assert "changed" not in said.out
    said = dab(f"{command} --protocol holdout --set target_holdout=0.4")
    assert "tiny: dann_mnist, holdout, changed, 4 steps" in said.out
    assert "protocol holdout is changed for dann on tiny: target_holdout" in said.out
    said = dab(f"{command} --protocol houldout")
    assert (said.code, said.out) == (2, "")
    assert "unknown protocol 'houldout'" in said.err
    assert "did you mean 'holdout'?" in said.err
    Path("tuned.yaml").write_text(
        "name: tuned\nrecipe: {steps: {value: 6, source: a search}}", encoding="utf-8"
    )
    assert "transductive, 6 steps" in dab(f"{command} --recipe tuned.yaml").out
    assert "recipe file other.yaml does not exist" in dab(f"{command} --recipe other.yaml").err


def test_failures_are_told_with_the_command_to_repeat(
    dab: Callable[..., Said], tiny_suite: Path, broken: None
) -> None:
    said = dab(
        f"run -m broken -m source_only -s {tiny_suite} -t A2B --seed 7 --results 'my out' --set steps=3",
        COLUMNS="40",
    )
    assert said.code == 1
    assert "1 runs done, 1 failed; records in my out" in said.out
    assert "failed: broken tiny A->B seed 7: out of luck [really]" in said.out
    (repeat,) = (line.partition("repeat: ")[2] for line in said.out.splitlines() if "repeat: " in line)
    assert "--results 'my out'" in repeat
    records, _ = RecordStore(Path("my out")).read_all()
    failed = next(record for record in records if record.status == "failed")
    assert repeat.startswith(failed.command)
    program, *words = shlex.split(repeat)
    assert program == "dabench"
    again = dab(shlex.join(words))
    assert again.code == 1, "a failed run is run again"
    assert sorted(record.run_id for record in RecordStore(Path("my out")).read_all()[0]) == sorted(
        record.run_id for record in records
    )


def test_the_command_of_a_real_record_repeats_the_run(dab: Callable[..., Said], tiny_suite: Path) -> None:
    Path("my.yaml").write_text(
        f"suites: ['{tiny_suite}']\nmethods: [gsda]\ntasks: [B2A]\nseeds: [4]\nweights: none\n"
        "config: {steps: 3, optimiser: {lr: 1e-3}}\n"
        "per_method: {gsda: {params: {levels: [global], synchronise: false}}}\n",
        encoding="utf-8",
    )
    assert dab("run my.yaml --set image.mean=[0.5,0.4,0.3]").code == 0
    (record,) = RecordStore(Path("results")).read_all()[0]
    assert record.config["weights"] == "none"
    assert "all 1 runs are done" in dab(shlex.join(shlex.split(record.command)[1:])).out
    before = Path("results").rename("first")
    assert dab(shlex.join(shlex.split(record.command)[1:])).code == 0
    (again,) = RecordStore(Path("results")).read_all()[0]
    assert (again.run_id, again.value, again.config) == (record.run_id, record.value, record.config)
    assert again.predictions_sha256 == record.predictions_sha256
    assert before.is_dir()


def test_broken_and_changed_files_are_named(dab: Callable[..., Said], tiny_suite: Path) -> None:
    command = f"run -m dann -s {tiny_suite} -t A2B --seeds 1"
    dab(command)
    (path,) = RecordStore(Path("results")).paths()
    path.write_bytes(path.read_bytes()[:100])
    said = dab(command, COLUMNS="40")
    assert f"note: {path} cannot be read and is made again" in said.out
    assert isinstance(RecordStore(Path("results")).read(path), Record)
    record = json.loads(path.read_bytes())
    record["method_info"]["source_sha256"] = "0" * 64
    path.write_text(json.dumps(record), encoding="utf-8")
    said = dab(command)
    assert "note: the file of method dann has changed since this run" in said.out
    assert "all 1 runs are done" in said.out


def test_folders_that_cannot_be_written(dab: Callable[..., Said], tiny_suite: Path) -> None:
    Path("file").write_bytes(b"")
    for results in ("file", "file/inside"):
        said = dab(f"run -m dann -s {tiny_suite} -t A2B --seeds 1 --results {results}")
        assert said.code == 2
        assert said.err.startswith(f"error: cannot write records into {results}: ")
        assert "--results" in said.err.splitlines()[1]
        assert "step" not in said.out, "nothing runs first"


def test_a_disk_that_fills_up_on_the_way(
    dab: Callable[..., Said], tiny_suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dab(f"run -m dann -s {tiny_suite} -t A2B --seeds 1")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    said = dab(f"run -m dann -s {tiny_suite} --seeds 1")
    assert said.code == 2
    assert "error: cannot write records into results: No space left on device" in said.err
    assert "run the same command again" in said.err
    records, problems = RecordStore(Path("results")).read_all()
    assert (len(records), problems) == (1, [])


def test_an_interrupt_before_the_first_run(dab: Callable[..., Said], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("dabench.commands.execute", interrupt)
    said = dab("run -m dann -s minidigits")
    assert said.code == 130
    assert "interrupted: what was finished is kept" in said.err


def test_seeds_of_flags(tiny_suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned: list[list[int]] = []
    monkeypatch.setattr(
        "dabench.commands._print_plan",
        lambda _, runs: planned.append(sorted({run.config.seed for run in runs})),
    )
    usual: dict[str, Any] = {"methods": ["dann"], "suites": [str(tiny_suite)], "dry_run": True}
    for seeds in ({}, {"seeds": 5}, {"seed": [7]}, {"seed": [7, 3, 7]}):
        assert execute(RunRequest(data=tmp_path, results=tmp_path, **usual, **seeds)) == 0
    assert planned == [[0, 1, 2], [0, 1, 2, 3, 4], [7], [3, 7]]


def test_list_and_show_through_the_command_line(dab: Callable[..., Said]) -> None:
    for kind in ("methods", "suites", "backbones", "protocols", "rules"):
        said = dab(f"list {kind} --json --match resnet1*")
        rows = json.loads(said.out)
        assert said.code == 0
        assert rows
        assert all(row["name"] for row in rows)
    assert {row["name"] for row in json.loads(dab("list methods --json").out)} == set(METHODS)
    assert "method gsda on office31: GSDA paper" in dab("show method gsda --suite office31").out
    assert "A->D, A->W" in dab("show suite office31").out
    assert "protocol tllib for dann: TLLib" in dab("show method dann --suite office31 --protocol tllib").out
    assert "never ranked" in dab("show rule oracle").out


def test_time_order_and_leases_through_the_command_line(
    dab: Callable[..., Said], tiny_suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("order.json").write_text('[{"task": "B->A"}, {"method": "cdan"}]', encoding="utf-8")
    command = f"run -m dann -s {tiny_suite} --seeds 1 --order order.json --lease 30 --checkpoint-every 0"
    said = dab(f"{command} --max-time 5h")
    assert said.code == 0
    assert said.out.index("dann tiny B->A seed 0") < said.out.index("dann tiny A->B seed 0")
    assert "note: entry 2 of order.json fits no run of this sweep" in said.out
    for path in RecordStore(Path("results")).paths():
        record = json.loads(path.read_bytes())
        record["timing"]["total_seconds"] = 9000
        path.write_text(json.dumps(record), encoding="utf-8")
    monkeypatch.setattr("dabench.budget.NEARLY_ALL", 10)  # no run is started anyway
    said = dab(f"{command} --seeds 2 --max-time 2h".replace("--seeds 1 ", ""))
    assert said.code == 0
    assert "the time is up: 2 of 2 runs are left; go on with: dabench" in said.out
    assert "4 runs: 2 done, 0 running, 0 failed, 2 missing" in dab("status").out
    assert json.loads(dab("status --json").out)["seconds_left"] == 18000


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        ("--max-time soon", "'soon' is no time"),
        ("--max-time ''", "'' is no time"),
        ("--order none.json", "--order none.json"),
        ("--tracker wandb", "unknown tracker 'wandb'"),
        ("--executor slurm", "unknown executor 'slurm'"),
        ("--lease 0", "Invalid value for '--lease'"),
        ("--checkpoint-every -1", "Invalid value for '--checkpoint-every'"),
    ],
)
def test_flags_of_a_sweep_that_make_no_sense(
    dab: Callable[..., Said], tiny_suite: Path, flags: str, error: str
) -> None:
    said = dab(f"run -m dann -s {tiny_suite} {flags}")
    assert said.code == 2
    assert error in said.err
    assert not Path("results").exists()


def test_a_sweep_file_says_how_it_is_carried_out_and_flags_win(
    dab: Callable[..., Said], tiny_suite: Path
) -> None:
    text = f"suites: [{tiny_suite}]\nmethods: [dann]\nseeds: 1\nexecution: {{executor: nobody, jobs: 3}}\n"
    Path("sweep.yaml").write_text(text, encoding="utf-8")
    assert "unknown executor 'nobody'" in dab("run sweep.yaml").err
    said = dab("run sweep.yaml --executor inline")  # the file's jobs were for the file's executor
    assert (said.code, "2 runs done" in said.out) == (0, True)
    assert (
        "--jobs and --address are for --executor ray" in dab("run sweep.yaml --executor inline --jobs 2").err
    )


def test_several_failures_are_summed_up_in_a_table(
    dab: Callable[..., Said], tiny_suite: Path, broken: None
) -> None:
    said = dab(f"run -m broken -s {tiny_suite} --seeds 2")
    assert said.code == 1
    assert "4 failed runs" in said.out
    assert re.search(r"RuntimeError\s+│ broken\s+│ tiny\s+│\s+4", said.out)
    assert said.out.count("repeat: dabench run") == 4
    stopped = dab(f"run -m broken -s {tiny_suite} --seeds 2 --fail-fast")
    assert stopped.code == 1
    assert "--fail-fast: 3 of 4 runs are left" in stopped.out
