"""``dabench check-method`` on methods that cheat: each is caught by a check that says what it did, or not."""

from pathlib import Path

import pytest

from dabench.checks import command
from dabench.checks.processes import Crashed, check_in_processes
from dabench.checks.worker import Report

pytestmark = pytest.mark.slow  # five processes that import torch
CHEATS = Path(__file__).parent / "cheats"
NAMES = {
    "folder": "reads-folder",
    "walker": "walks",
    "memory": "remembers",
    "memory_on_disk": "remembers-on-disk",
    "metrics": "reads-metrics",
    "table": "ships-table",
}
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
    "metrics": (LABELS, "with other target labels the weights of the network"),
}


@pytest.fixture(scope="module")
def reports():
    """All cheats in the five processes, once: a process each would take minutes."""
    return check_in_processes([str(CHEATS / f"{stem}.py") for stem in NAMES])


@pytest.fixture
def check(reports, monkeypatch, capsys):
    """Run the command on one cheat; return exit code and output."""

    def run(stem, verbose=False):
        def only(methods):
            assert [*methods] == [str(CHEATS / f"{stem}.py")]
            return {
                key: report
                if isinstance(report, Crashed)
                else report.model_copy(update={"methods": [NAMES[stem]]})
                for key, report in reports.items()
            }

        monkeypatch.setattr(command, "check_in_processes", only)
        code = command.execute(str(CHEATS / f"{stem}.py"), verbose)
        return code, capsys.readouterr().out

    return run


@pytest.mark.parametrize("stem", WORDS)
def test_a_cheat_is_caught_in_words(check, stem):
    code, said = check(stem)
    assert code == 1
    assert said.startswith(f"{NAMES[stem]}\n")
    for words in WORDS[stem]:
        assert words in said, said
    assert f"{NAMES[stem]}: do not trust results until the leak checks pass" in said
    # What it does with labels is its only fault: it keeps the contract.
    for title in ("trains a small convolutional network", "takes batches of any size", "repeats itself"):
        assert f"pass  {title}" in said or stem.startswith("memory"), said


def test_a_table_of_known_images_is_not_caught(check):
    """No generated image is in the table. docs/leaks.md says so, and what to do."""
    code, said = check("table")
    assert code == 0, said
    assert "docs/leaks.md says what they cannot see" in said


def test_verbose_says_what_each_check_does(check):
    _, said = check("table", verbose=True)
    assert "runs B->A, where B's images are labelled source" in said


def test_each_cheat_has_its_own_findings(reports):
    for report in reports.values():
        assert isinstance(report, Report)
        assert not report.error
        assert set(report.methods) == set(NAMES.values())
        assert not report.left
