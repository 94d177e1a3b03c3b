"""No method, and no selection rule, reaches the target's labels: they are changed in the data itself."""

from dataclasses import fields

import numpy as np
import pytest
import torch

from dabench.checks.findings import compare_memory, judge_events
from dabench.checks.leaks import HANDED, IN_PROCESS, STAGES, compare_labels, run_stage
from dabench.checks.outcome import Outcome
from dabench.checks.processes import start
from dabench.checks.reach import digest_of, holds
from dabench.checks.rehearsal import planned_run, rehearse
from dabench.checks.squares import write_suite
from dabench.checks.verdict import CheckFailed
from dabench.checks.worker import RECOGNISABLE, Job, Task
from dabench.discovery import discover_methods, discover_rules
from dabench.method import METHODS, FeatureTable, TargetBatch
from dabench.openings import OpenDomains
from dabench.records import RecordStore
from dabench.scores import score_run
from dabench.selection import RULES, RuleEntry
from dabench.train import Training

discover_methods()
discover_rules()
HONEST = [name for name in sorted(METHODS) if not METHODS.get(name).cls.uses_target_labels]
BLIND = [name for name in sorted(RULES) if not RULES.get(name).cls.uses_target_labels]
SEEING = sorted(set(RULES) - set(BLIND))
HOLDOUTS = STAGES["holdouts"]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", HONEST)
def test_other_target_labels_change_nothing(tmp_path, name, stage):
    verdict = IN_PROCESS[stage].verdict(METHODS.get(name), tmp_path / "check")
    assert verdict.state == "passed", verdict.message


@pytest.mark.parametrize("stage", STAGES)
def test_other_target_labels_do_change_the_score_and_the_identity(tmp_path, stage):
    """Else the test above would show nothing."""
    entry, runs = METHODS.get("dann"), []
    for changed in (False, True):
        folder = tmp_path / str(changed)
        manifest = write_suite(folder / "data" / "squares", STAGES[stage].kind, changed)
        run = planned_run(entry, manifest, folder / "results", settings=STAGES[stage].settings)
        runs.append(rehearse(run, folder / "results"))
    plain, other = runs
    assert not np.array_equal(plain.arrays["npz labels"], other.arrays["npz labels"])
    assert plain.record.value != other.record.value
    assert plain.run.run_id != other.run.run_id  # labels are part of what is measured
    assert np.array_equal(plain.arrays["npz predictions"], other.arrays["npz predictions"])


@pytest.mark.parametrize("stage", STAGES)
def test_the_upper_bound_does_notice(tmp_path, stage):
    """What the first test would say of a method that learns from target labels."""
    entry = METHODS.get("target_only")
    outcomes = [
        run_stage(entry, tmp_path / str(changed), changed, STAGES[stage]) for changed in (False, True)
    ]
    with pytest.raises(CheckFailed, match="the weights of the network, the losses, the predictions"):
        compare_labels(*outcomes)
    assert IN_PROCESS[stage].verdict(entry, tmp_path / "check").state == "skipped"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """What a new process reports, in which every honest method runs A->B and none ever saw B's labels."""
    job = Job(methods=tuple(HONEST), tasks=(Task(key="fresh"),))
    report = start(job, tmp_path_factory.mktemp("fresh"))
    assert not report.error
    assert not report.failures
    return report


@pytest.mark.parametrize("name", HONEST)
def test_an_earlier_run_on_the_labelled_target_changes_nothing(tmp_path, fresh, name):
    entry = METHODS.get(name)
    before = run_stage(entry, tmp_path, False, RECOGNISABLE, "B2A", "plain")
    after = run_stage(entry, tmp_path, False, RECOGNISABLE, "A2B", "plain")
    compare_memory(fresh.outcomes["fresh"][name], after)
    with pytest.raises(CheckFailed):
        compare_memory(before, after)


@pytest.mark.parametrize("name", HONEST)
def test_a_method_touches_no_file_and_no_stack_frame(fresh, name):
    for verdict in judge_events(name, fresh.events[name], fresh.left):
        assert verdict.state == "passed", verdict.message
        assert not verdict.message


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_method_is_handed_no_target_labels(tmp_path, name):
    verdict = HANDED.verdict(METHODS.get(name), tmp_path / "check")
    assert verdict.state == ("passed" if name in HONEST else "skipped"), verdict.message


def test_target_batches_have_neither_labels_nor_paths():
    assert [field.name for field in fields(TargetBatch)] == ["views", "positions"]
    assert {name for name in dir(TargetBatch) if not name.startswith("_")} == {"images"}


def test_a_table_of_target_features_has_no_labels(tiny_run):
    tables = []

    class Reading(METHODS.get("source_only").cls):
        def begin_epoch(self, features, progress):
            tables.extend([features.source(), features.target()])

    tiny_run(Reading)
    source, target = tables
    assert isinstance(target, FeatureTable)
    assert len(source.labels) == 36
    assert target.labels is None


@pytest.mark.parametrize("stage", ["arrays", "holdouts"])
@pytest.mark.parametrize("name", sorted(METHODS))
def test_training_holds_target_labels_nowhere(tmp_path, name, stage):
    manifest = write_suite(tmp_path / "data" / "squares", "arrays", changed=True)
    run = planned_run(METHODS.get(name), manifest, tmp_path / "results", settings=STAGES[stage].settings)
    cheats = run.entry.cls.uses_target_labels
    opened = OpenDomains(None).images(run.suite, run.task, run.config, cheats)
    training = Training(run.config, run.entry, "none", 3, opened.training, torch.device("cpu"))
    whole = OpenDomains(None).domain(run.suite, run.task.target, "train").labels
    known = opened.training.source_labels
    assert holds(training, len(known), digest_of(known))
    assert holds(training, len(whole), digest_of(whole)) == (cheats and stage == "arrays")
    if stage == "holdouts":
        assert not holds(training, len(opened.test_labels), digest_of(opened.test_labels))


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Record path and record of one run with holdouts, with the target's labels and with other ones."""
    found = []
    for changed in (False, True):
        folder = tmp_path_factory.mktemp(f"scored {changed}")
        manifest = write_suite(folder / "data" / "squares", "arrays", changed)
        run = planned_run(METHODS.get("dann"), manifest, folder / "results", settings=HOLDOUTS.settings)
        rehearsal = rehearse(run, folder / "results")
        found.append((RecordStore(folder / "results").path(rehearsal.record), rehearsal))
    return found


@pytest.mark.parametrize("name", sorted(RULES))
def test_only_the_oracle_is_given_what_target_labels_say(scored, name):
    traces = []

    class Seen(RULES.get(name).cls):
        def scores(self, trace):
            traces.append(trace)
            return super().scores(trace)

    path, rehearsal = scored[0]
    score_run(path, rehearsal.record, [RuleEntry(f"seen {name}", Seen, None)])
    (trace,) = traces
    assert (trace.values is None) == (name in BLIND)
    assert trace.target.labels is None
    labels = [np.asarray(rehearsal.arrays["npz labels"], np.int64)]
    manifest = rehearsal.run
    labels.append(OpenDomains(None).domain(manifest.suite, manifest.task.target, "train").labels)
    assert not any(holds(trace, len(item), digest_of(item)) for item in labels)


@pytest.mark.parametrize("name", sorted(RULES))
def test_scores_follow_no_target_label(scored, name):
    plain, changed = (score_run(path, run.record, [RULES.get(name)])[name] for path, run in scored)
    assert plain.reason == changed.reason == ""
    assert plain.scores
    assert ((plain.scores, plain.step) == (changed.scores, changed.step)) == (name in BLIND)


def test_the_oracle_is_the_only_rule_that_sees():
    assert SEEING == ["oracle"]


def test_what_is_stored_for_rules_holds_no_target_label(scored):
    for _, rehearsal in scored:
        stored = {k: v for k, v in rehearsal.arrays.items() if k.startswith("validation.")}
        assert {k for k in stored if "labels" in k} == {
            "validation.npz source_labels",
            "validation.npz source_val_labels",
        }
        run = rehearsal.run
        whole = OpenDomains(None).domain(run.suite, run.task.target, "train").labels
        watched, tested = whole[stored["validation.npz target_rows"]], rehearsal.arrays["npz labels"]
        # Rows are of the whole domain, though the run adapts to a part of it and is tested on the rest.
        assert np.array_equal(np.sort(np.concatenate([watched, tested])), np.sort(whole))
        for labels in (whole, watched, tested):
            assert not holds(stored, len(labels), digest_of(labels))


def test_a_label_that_can_be_reached_is_found():
    labels = np.arange(7) % 3
    for held in (
        labels,
        labels[None][0],
        torch.from_numpy(labels).int(),
        labels.tolist(),
        tuple(labels.tolist()),
    ):
        assert holds({"deep": [lambda held=held: held]}, 7, digest_of(labels))
    assert holds({"by position": dict(enumerate(labels.tolist()))}, 7, digest_of(labels))
    assert not holds({"other": labels[::-1].copy()}, 7, digest_of(labels))
    assert not holds([labels + 0.5, "text", None], 7, digest_of(labels))


def test_an_outcome_leaves_out_nothing_but_the_labels(tmp_path):
    folder = tmp_path
    manifest = write_suite(folder / "data" / "squares", "arrays")
    rehearsal = rehearse(planned_run(METHODS.get("dann"), manifest, folder / "results"), folder / "results")
    outcome = Outcome.of(rehearsal)
    assert set(rehearsal.arrays) - set(outcome.arrays) == {"npz labels"}
    assert set(outcome.weights) == set(rehearsal.spy.state())
    assert {"npz predictions", "npz probabilities", "validation.npz target_features"} <= set(outcome.arrays)
    assert len(outcome.losses) == len(outcome.accuracies) == 4
