"""Sound methods that do unusual things are accused of nothing; one that follows chance, of that alone."""

from pathlib import Path

import pytest

from dabench.checks.contracts import CONTRACTS
from dabench.checks.findings import UNSTEADY, compare_memory, judge_events, verdicts
from dabench.checks.leaks import IN_PROCESS, LABELS, MEMORY
from dabench.checks.loading import load
from dabench.checks.processes import start
from dabench.checks.worker import Job, Report, Task

FILE = Path(__file__).parent / "honest" / "unusual.py"
NAMES = ("clusters", "scratch", "teacher")
(STEADY,) = (check for check in CONTRACTS if check.claim.title == "repeats itself")
# The whole of each is checked by hand: dabench check-method tests/checks/honest/unusual.py


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    tasks = (Task(key="fresh"), Task(key="before", task="B2A"), Task(key="process"))
    return start(Job(methods=(str(FILE),), tasks=tasks), tmp_path_factory.mktemp("unusual"))


@pytest.fixture
def entries(own_methods):
    return {entry.name: entry for entry in load(str(FILE))}


@pytest.mark.parametrize("name", NAMES)
def test_what_it_does_is_no_leak(report, name):
    assert not report.failures
    assert not report.left
    files, *others = judge_events(name, report.events[name])
    assert {verdict.state for verdict in (files, *others)} == {"passed"}
    if name == "scratch":
        assert files.message.startswith("but it writes, and removes again, $TMPDIR/")
        assert files.message.count("writes") == files.message.count("writes, and removes again, $TMPDIR/")
    else:
        assert not files.message
    compare_memory(report.outcomes["fresh"][name], report.outcomes["process"][name])


@pytest.mark.parametrize("check", [STEADY, IN_PROCESS["arrays"]], ids=["repeats itself", "labels"])
@pytest.mark.parametrize("name", NAMES)
def test_its_runs_are_the_same(tmp_path, entries, name, check):
    verdict = check.verdict(entries[name], tmp_path / "check")
    assert verdict.state == "passed", verdict.message


def test_chance_is_no_leak(tmp_path, entries, report):
    verdict = STEADY.verdict(entries["chance"], tmp_path / "check")
    assert verdict.state == "failed"
    assert verdict.unsteady
    assert "two runs with one seed differ in the weights of the network" in verdict.message
    assert judge_events("chance", report.events["chance"])[0].state == "passed"
    seen = Report(methods=["chance"], verdicts=[verdict])
    found = {item.title: item for item in verdicts(dict.fromkeys(("plain", "changed"), seen))}
    for claim in (*LABELS.values(), *MEMORY.values()):
        assert (found[claim.title].state, found[claim.title].message) == ("skipped", UNSTEADY)
    assert not any(item.leak for item in found.values() if item.state == "failed")


def test_a_memory_is_not_taken_for_chance(tmp_path, own_methods):
    file = tmp_path / "mine.py"
    file.write_text(
        """
from torch.nn.functional import cross_entropy
from dabench.method import Method, register

@register("mine")
class Mine(Method):
    title, summary, paper = "T", "s", "no paper: a test"
    known = []
    def losses(self, source, labels, target, batch):
        self.known[:] = [1.0]
        return {"classification": (1.0 + sum(self.before)) * cross_entropy(source.logits, labels)}
    def setup(self, network):
        self.before = list(self.known)
"""
    )
    (entry,) = load(str(file))
    verdict = STEADY.verdict(entry, tmp_path / "check")
    assert verdict.state == "failed"
    assert not verdict.unsteady
