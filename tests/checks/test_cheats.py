"""``dabench check-method`` on methods that cheat: each is caught by a check that says what it did, or not."""

import sys
from pathlib import Path

import pytest

from dabench.checks import command, findings, processes
from dabench.checks.contracts import CONTRACTS
from dabench.checks.findings import judge_events
from dabench.checks.loading import load
from dabench.checks.processes import Crashed, check_in_processes, start
from dabench.checks.worker import Job, Report, Task

CHEATS = Path(__file__).parent / "cheats"
NAMES = {
    "folder": "reads-folder",
    "walker": "walks",
    "memory": "remembers",
    "memory_on_disk": "remembers-on-disk",
    "mapped": "remembers-mapped",
    "metrics": "reads-metrics",
    "table": "ships-table",
}
STAGES = ("folders", "arrays")  # test_leaks.py has them all
LABELS = "FAIL  ignores target labels: arrays"
WORDS = {
    "folder": (
        "FAIL  ignores target labels: class folders",
        "FAIL  leaves files alone",
        "reads data/folders/beta/red/",
    ),
    "walker": (
        LABELS,
        "FAIL  does not look behind the interface",
        "asks for gc.get_objects (walker.py, line",
    ),
    "memory": (
        "FAIL  remembers nothing in the process",
        "the target's images were labelled source, the losses",
    ),
    "memory_on_disk": (
        "FAIL  remembers nothing on disk",
        "FAIL  leaves files alone",
        "writes ~/.cache/remembered.json",
    ),
    "mapped": ("FAIL  remembers nothing in the process", "FAIL  remembers nothing on disk"),
    "metrics": (LABELS, "with other target labels the weights of the network"),
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """All cheats in the same processes, once: processes for each would take minutes.

    Their contract is tested below, as far as it is of interest.
    """
    with pytest.MonkeyPatch.context() as patch:
        tasks = (processes.FRESH, *(Task(key=stage, stage=stage) for stage in STAGES))
        runs = {
            key: ((key, Job(methods=(), tasks=tasks, changed=key == "changed")),)
            for key in ("plain", "changed")
        }
        patch.setattr(processes, "JOBS", {**runs, "again": processes.JOBS["again"]})
        patch.setenv("BANK", str(tmp_path_factory.mktemp("elsewhere") / "bank"))
        return check_in_processes([str(CHEATS / f"{stem}.py") for stem in NAMES])


@pytest.fixture
def check(reports, monkeypatch, capsys):
    """Run the command on one cheat; return exit code and output."""

    def run(stem, verbose=False):
        def only(methods, finished):
            assert [*methods] == [str(CHEATS / f"{stem}.py")]
            return {
                key: report
                if isinstance(report, Crashed)
                else report.model_copy(update={"methods": [NAMES[stem]]})
                for key, report in reports.items()
            }

        monkeypatch.setattr(command, "check_in_processes", only)
        monkeypatch.setattr(findings, "LABELS", {stage: findings.LABELS[stage] for stage in STAGES})
        code = command.execute(str(CHEATS / f"{stem}.py"), verbose)
        return code, capsys.readouterr().out

    return run


@pytest.mark.slow  # processes that import torch
@pytest.mark.parametrize("stem", WORDS)
def test_a_cheat_is_caught_in_words(check, stem):
    code, said = check(stem)
    assert code == 1
    assert said.startswith(f"{NAMES[stem]}\n")
    for words in WORDS[stem]:
        assert words in said, said
    assert f"{NAMES[stem]}: do not trust results until the leak checks pass" in said


@pytest.mark.parametrize("title", ["trains a small convolutional network", "repeats itself"])
@pytest.mark.parametrize("stem", NAMES)
def test_a_cheat_keeps_the_contract(tmp_path, monkeypatch, own_methods, stem, title):
    """What it does with labels is its only fault. A memory knows its own runs, which is no chance."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BANK", str(tmp_path / "bank"))
    monkeypatch.setattr("sys.path", [*sys.path])
    (entry,) = load(str(CHEATS / f"{stem}.py"))
    (check,) = (check for check in CONTRACTS if check.claim.title == title)
    verdict = check.verdict(entry, tmp_path / "check")
    remembers = title == "repeats itself" and stem in ("memory", "memory_on_disk", "mapped")
    assert verdict.state == ("failed" if remembers else "passed"), verdict.message
    assert not verdict.unsteady


@pytest.mark.slow
def test_a_table_of_known_images_is_not_caught(check):
    """No generated image is in the table. docs/leaks.md says so, and what to do."""
    code, said = check("table")
    assert code == 0, said
    assert "docs/leaks.md says what they cannot see" in said


@pytest.mark.slow
def test_verbose_says_what_each_check_does(check):
    _, said = check("table", verbose=True)
    assert "runs B->A, where B's images are labelled source" in said


@pytest.mark.slow
def test_each_cheat_has_its_own_findings(reports):
    for report in reports.values():
        assert isinstance(report, Report)
        assert not report.error
        assert set(report.methods) == set(NAMES.values())
        assert set(report.left) <= {"~/.cache/remembered.json"}


def test_a_replaced_part_of_the_engine_is_named(tmp_path):
    """In a process of its own: the others share theirs."""
    report = start(Job(methods=(str(CHEATS / "patch.py"),)), tmp_path)
    found = {verdict.title: verdict for verdict in judge_events("patches", report.events["patches"])}
    changed = found.pop("leaves the code of dabench as it is")
    assert changed.state == "failed"
    assert changed.message == "changes dabench.evaluation.measure (while it is imported)"
    assert {verdict.state for verdict in found.values()} == {"passed"}
