"""Scores of finished runs: what a rule sees, what is chosen, what is kept and when it is made again."""

import hashlib
import json
import shutil
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch

import dabench.sweep
from dabench.openings import OpenDomains
from dabench.records import RecordStore
from dabench.scores import score_all, score_run
from dabench.selection import Rule, RuleEntry, choose

PROCESSOR = torch.device("cpu")
SEEN = []


class Scripted(Rule):
    """Gives the scores that it is told and remembers what it saw."""

    told = (1.0, 2.0)

    def scores(self, trace):
        SEEN.append(trace)
        return np.array(self.told)


def entry(cls=Scripted, **attributes):
    SEEN.clear()
    return RuleEntry("scripted", type("Told", (cls,), attributes), None)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_suite):
    """A results folder with one finished run with a source holdout; not to be changed."""
    from dabench.plan import plan
    from dabench.sweepfile import SweepConfig

    root = tmp_path_factory.mktemp("finished")
    store = RecordStore(root)
    sweep = SweepConfig(suites=(str(tiny_suite),), methods=("dann",), tasks=("A2B",), seeds=(0,))
    domains = OpenDomains(None)
    (planned,) = plan(sweep, None, [("source_holdout", 0.25)], domains, store, PROCESSOR)
    dabench.sweep.run_one(planned, domains, store, PROCESSOR, lambda *_: None)
    return root


@pytest.fixture
def run(finished, tmp_path):
    """Path and record of a copy of the finished run."""
    root = tmp_path / "results"
    shutil.copytree(finished, root)
    store = RecordStore(root)
    (path,) = store.paths()
    return path, store.read(path)


def scores_file(path):
    return path.with_name(path.stem + ".scores.json")


def test_a_rule_sees_what_it_declares_and_no_more(run):
    score_run(*run, [entry()])
    (trace,) = SEEN
    assert trace.target.logits.shape == (2, 30, 3)
    assert trace.target.features.shape == (2, 30, 8)
    assert trace.target.labels is None
    assert (trace.source, trace.source_val, trace.values) == (None, None, None)
    score_run(*run, [entry(version=2, needs=("source", "source_val"))])
    (trace,) = SEEN
    assert trace.source.labels.shape == (27,)
    assert trace.source_val.labels.tolist().count(1) == 3
    assert trace.source_val.logits.shape == (2, 9, 3)
    assert trace.values is None


def test_the_metric_is_for_the_oracle_alone(run):
    score_run(*run, [entry(uses_target_labels=True)])
    assert SEEN[0].values.tolist() == [item.accuracy for item in run[1].evaluations]


@pytest.mark.parametrize(
    ("attributes", "step"),
    [
        ({"told": (1.0, 2.0)}, 4),
        ({"told": (1.0, 2.0), "higher_is_better": False}, 2),
        ({"told": (1.0, 1.0)}, 4),
        ({"told": (float("nan"), -5.0)}, 4),
    ],
)
def test_the_best_score_chooses(run, attributes, step):
    result = score_run(*run, [entry(**attributes)])["scripted"]
    assert result.step == step
    (chosen,) = [item for item in run[1].evaluations if item.step == step]
    assert result.value == chosen.accuracy


def test_scores_that_are_no_numbers(run):
    result = score_run(*run, [entry(told=(float("nan"), float("inf")))])["scripted"]
    assert result.scores == (None, None)
    assert (result.step, result.value) == (None, None)
    assert "not defined" in result.reason


def test_choosing():
    assert choose(np.array([np.nan, np.nan]), True) is None
    assert choose(np.array([1.0, 3.0, 2.0]), False) == 0


class Raising(Rule):
    def score(self, target, source, source_val):
        raise ZeroDivisionError("no images")


def test_a_rule_that_fails_stops_nothing(run):
    result = score_run(*run, [entry(told=(1.0,)), RuleEntry("raising", Raising, None)])
    assert result["scripted"].value is None
    assert "scripted failed: it gave scores of shape [1], expected [2]" in result["scripted"].reason
    assert "raising failed: ZeroDivisionError: no images" in result["raising"].reason
    assert not scores_file(run[0]).exists()  # a mended rule is asked again


def test_scores_that_are_equal_on_paper_are_equal(run):
    assert score_run(*run, [entry(told=(0.3, 0.1 + 0.2))])["scripted"].scores == (0.3, 0.3)


def test_known_scores_are_not_computed_again(run):
    rule = entry()
    first = score_run(*run, [rule])
    again = score_run(*run, [rule])
    assert first == again
    assert len(SEEN) == 1
    assert json.loads(scores_file(run[0]).read_text())["run_id"] == run[1].run_id
    # The file is no record.
    assert list(RecordStore(run[0].parents[3]).paths()) == [run[0]]


def test_another_version_or_other_arrays_are_scored_again(run):
    score_run(*run, [entry()])
    score_run(*run, [entry(version=2)])
    assert len(SEEN) == 1
    path, record = run
    SEEN.clear()
    content = json.loads(scores_file(path).read_text())
    scores_file(path).write_text(json.dumps({**content, "validation_sha256": "0" * 64}))
    score_run(path, record, [RuleEntry("scripted", type("Told", (Scripted,), {"version": 2}), None)])
    assert len(SEEN) == 1
    scores_file(path).write_text("{")
    assert score_run(path, record, [entry()])["scripted"].step == 4


def test_rules_of_other_calls_stay(run):
    score_run(*run, [entry()])
    other = RuleEntry("other", type("Told", (Scripted,), {}), None)
    score_run(*run, [other])
    assert set(json.loads(scores_file(run[0]).read_text())["rules"]) == {"scripted", "other"}


def test_what_is_kept_is_scores_alone(run):
    """So that another way to choose, or a record made again, is never answered by an old choice."""
    path, record = run
    score_run(path, record, [entry()])
    kept = json.loads(scores_file(path).read_text())["rules"]["scripted"]
    assert set(kept) == {"version", "source_sha256", "scores", "reason"}
    better = [item.model_copy(update={"accuracy": 0.125}) for item in record.evaluations]
    again = record.model_copy(update={"evaluations": better})
    assert score_run(path, again, [entry()])["scripted"].value == 0.125
    oracle = entry(uses_target_labels=True, reads_outputs=False)
    score_run(path, record, [oracle])
    assert "values" not in kept
    assert len(SEEN) == 1
    score_run(path, again, [oracle])
    assert len(SEEN) == 2  # it reads the record, so it is asked each time


@pytest.mark.parametrize("scores", [[7.0], [1.0, 2.0, 3.0], ["a", "b"], "none"])
def test_a_file_of_scores_that_does_not_fit_is_made_again(run, scores):
    path, record = run
    score_run(path, record, [entry()])
    content = json.loads(scores_file(path).read_text())
    content["rules"]["scripted"] |= {"scores": scores, "reason": "x"}
    scores_file(path).write_text(json.dumps(content))
    assert score_run(path, record, [entry()])["scripted"].scores == (1.0, 2.0)


def test_changed_arrays_are_refused(run):
    path, record = run
    file = path.with_name(record.validation_file)
    content = file.read_bytes()
    changed = bytearray(content)
    changed[len(content) // 2] ^= 1
    file.write_bytes(changed)
    result = score_run(path, record, [entry()])["scripted"]
    assert result.step is None
    assert "not the file that the run wrote" in result.reason
    file.unlink()
    assert "cannot be read" in score_run(path, record, [entry()])["scripted"].reason
    assert not SEEN
    file.write_bytes(content)  # it came back
    assert score_run(path, record, [entry()])["scripted"].step == 4


def without(name):
    return lambda arrays: {key: value for key, value in arrays.items() if key != name}


def with_(name, change):
    return lambda arrays: {**arrays, name: change(arrays[name])}


BROKEN = {
    "no features": without("target_features"),
    "no target": without("target_logits"),
    "no labels": without("source_labels"),
    "no steps": without("steps"),
    "other steps": with_("steps", lambda steps: steps + 1),
    "flat": with_("target_logits", lambda logits: logits[0]),
    "an evaluation less": with_("source_features", lambda features: features[:1]),
    "text": with_("target_features", lambda features: features.astype(str)),
    "labels too large": with_("source_labels", lambda labels: labels + 3),
    "labels too few": with_("source_val_labels", lambda labels: labels[1:]),
    "another width": with_("source_features", lambda features: features[:, :, :3]),
    "fewer classes": with_("source_val_logits", lambda logits: logits[:, :, :2]),
}


@pytest.mark.parametrize("how", BROKEN)
def test_stored_arrays_that_do_not_fit_are_a_reason(run, how):
    path, record = run
    file = path.with_name(record.validation_file)
    with np.load(file) as arrays:
        np.savez(file, **BROKEN[how](dict(arrays)))
    record = record.model_copy(update={"validation_sha256": hashlib.sha256(file.read_bytes()).hexdigest()})
    result = score_run(path, record, [entry(needs=("source", "source_val"))])["scripted"]
    assert "does not fit its record" in result.reason
    assert not SEEN


def store(run, arrays, **bombs):
    """The record, with other stored arrays: members of so many zeros besides, packed a thousand times."""
    path, record = run
    file = path.with_name(record.validation_file)
    np.savez_compressed(file, **arrays)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, size in bombs.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array_header_1_0(
                    member, {"descr": "<f2", "fortran_order": False, "shape": (2, 30, size // 120)}
                )
                for _ in range(size // 2**20):
                    member.write(bytes(2**20))
    return record.model_copy(update={"validation_sha256": hashlib.sha256(file.read_bytes()).hexdigest()})


def peak_of(action):
    tracemalloc.start()
    try:
        return action(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_what_no_rule_asks_for_is_not_unpacked(run):
    arrays = dict(np.load(run[0].with_name(run[1].validation_file)))
    record = store(run, arrays, extra=120 * 2**20)
    found, peak = peak_of(lambda: score_run(run[0], record, [entry()])["scripted"])
    assert found.step == 4
    assert peak < 20 * 2**20
    assert SEEN[0].source is None


def test_no_more_is_unpacked_than_the_record_accounts_for(run):
    arrays = dict(np.load(run[0].with_name(run[1].validation_file)))
    del arrays["target_features"]
    record = store(run, arrays, target_features=120 * 2**20)
    found, peak = peak_of(lambda: score_run(run[0], record, [entry()])["scripted"])
    assert "array 'target_features' of shape [2, 30, 1048576] is larger than the limit" in found.reason
    assert peak < 20 * 2**20
    assert not SEEN


@pytest.mark.parametrize("name", ["../x.npz", "/dev/zero", "..", ".", "a/b.npz", "\x1b[2J"])
def test_a_record_names_a_file_beside_it(run, name):
    path, record = run
    record = record.model_copy(update={"validation_file": name})
    assert "outside of its folder" in score_run(path, record, [entry()])["scripted"].reason


@pytest.mark.parametrize("content", [b"", b"PK", b"\x93NUMPY\x01\x00", b"{}"])
def test_files_that_hold_no_arrays_are_a_reason(run, content):
    path, record = run
    path.with_name(record.validation_file).write_bytes(content)
    record = record.model_copy(update={"validation_sha256": hashlib.sha256(content).hexdigest()})
    assert "does not fit its record" in score_run(path, record, [entry()])["scripted"].reason


def test_what_is_not_stored_is_missing_with_a_reason(run):
    path, record = run
    bare = record.model_copy(update={"validation_file": None, "validation_sha256": None})
    assert "stored nothing" in score_run(path, bare, [entry()])["scripted"].reason
    steps = entry(version=2, reads_outputs=False)
    assert score_run(path, bare, [steps])["scripted"].step == 4
    bound = record.model_copy(update={"uses_target_labels": True})
    assert "target labels" in score_run(path, bound, [entry(version=3)])["scripted"].reason


def test_a_folder_that_cannot_be_written(run, monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr("dabench.scores.write_atomically", refuse)
    assert score_run(*run, [entry()])["scripted"].step == 4


def test_many_runs(run):
    from dabench.discovery import discover_rules
    from dabench.selection import RULES

    discover_rules()
    path, record = run
    copies = []
    for number in range(8):  # enough for several processes
        copy = path.with_name(f"copy{number}.json")
        shutil.copy(path, copy)
        copies.append((copy, record))
    failed = record.model_copy(update={"status": "failed"})
    rules = [RULES.get(name) for name in ("last", "oracle", "entropy")]
    seen = []
    found = score_all([*copies, (path, failed)], rules, 2, lambda *event: seen.append(event))
    assert list(found) == [copy for copy, _ in copies]
    assert seen[-1] == (8, 8)
    alone = score_run(path, record, rules)
    assert all(scores == alone for scores in found.values())
    assert alone["last"].step == 4
    assert alone["oracle"].value == record.oracle
    assert score_all(copies, rules, 2) == found
