"""Interrupted and resumed runs end with the bits of those that were left alone."""

import copy
import importlib.util
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from dabench import checkpoint, resume
from dabench.checkpoint import Checkpoints, TimeIsUp
from dabench.methods.source_only import SourceOnly
from dabench.tree import flatten, unflatten

SCRIPT = Path(__file__).with_name("resumed.py")
spec = importlib.util.spec_from_file_location("resumed", SCRIPT)
assert spec is not None
assert spec.loader is not None
resumed = importlib.util.module_from_spec(spec)
sys.modules["resumed"] = resumed  # dataclasses look their module up
spec.loader.exec_module(resumed)
CASES, Case, EVALUATED, Killed = resumed.CASES, resumed.Case, resumed.EVALUATED, resumed.Killed
go_on, results = resumed.go_on, resumed.results
BROAD = ["gsda on images", "teacher", "selection", "memory", "stochastic depth"]


@pytest.fixture(scope="module")
def whole():
    """What the runs come to without interruption and without checkpoints."""
    found = {}

    def of(name):
        if name not in found:
            training, evaluator = resumed.build(CASES[name])
            training.run(evaluator, lambda *_: None)
            found[name] = results(training, evaluator)
        return found[name]

    return of


@pytest.mark.parametrize("name", CASES)
def test_stopped_before_every_step(whole, tmp_path, name):
    path = tmp_path / "run.json"
    for stop in range(1, 14):
        training, _, checkpoints = go_on(CASES[name], path, stop)
        assert training.resumed_from == stop - 1
        assert checkpoints.notes == []
    training, evaluator, checkpoints = go_on(CASES[name], path)
    assert training.resumed_from == 13
    assert results(training, evaluator) == whole(name)
    assert checkpoints.steps() == [12, 13]


@pytest.mark.parametrize("name", BROAD)
def test_killed_after_every_evaluation(whole, tmp_path, name):
    """Nothing is written when it happens: the run goes on from the last evaluation."""
    path = tmp_path / "run.json"
    for stop, start in ((6, 0), (8, 4), (9, 7), (13, 7)):
        assert go_on(CASES[name], path, stop, Killed)[0].resumed_from == start
    training, evaluator, checkpoints = go_on(CASES[name], path)
    assert training.resumed_from == 10
    assert results(training, evaluator) == whole(name)
    assert checkpoints.steps() == [7, 10], "none after the last evaluation: the record follows"


@pytest.mark.slow
def test_resumed_in_another_process(whole, tmp_path):
    for number, (_, case) in enumerate(CASES.items()):
        go_on(case, tmp_path / f"{number}.json", 9)
    environment = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": str(SCRIPT.parents[1])}
    subprocess.run([sys.executable, str(SCRIPT), str(tmp_path)], check=True, env=environment)
    outcome = json.loads((tmp_path / "outcome").read_text())
    assert [name for name in CASES if outcome[name] != {"from": 9, "results": whole(name)}] == []


def test_a_checkpoint_of_another_run_leaves_no_trace(whole, tmp_path):
    """Of the same identity, and yet it does not fit: only a stranger's folder holds such a thing."""
    for other in ("dann on images", "teacher", "dann on features"):
        path = tmp_path / other / "run.json"
        go_on(CASES[other], path, 9)
        training, evaluator, checkpoints = go_on(CASES["gsda on images"], path)
        assert training.resumed_from == 0
        assert any("does not fit" in note for note in checkpoints.notes)
        assert results(training, evaluator) == whole("gsda on images")


def test_a_broken_checkpoint_falls_back_to_the_one_before(whole, tmp_path):
    path = tmp_path / "run.json"
    *_, checkpoints = go_on(CASES["selection"], path, 9)
    newest = checkpoints.file(9)
    newest.write_bytes(newest.read_bytes()[:-1])
    training, evaluator, checkpoints = go_on(CASES["selection"], path)
    assert training.resumed_from == 7
    assert len(checkpoints.notes) == 1
    assert results(training, evaluator) == whole("selection")


@pytest.mark.parametrize(("every", "steps"), [(0, [4, 7]), (1e9, [])])
def test_evaluations_write_when_one_is_due(tmp_path, every, steps):
    *_, checkpoints = go_on(CASES["dann on images"], tmp_path / "run.json", 9, Killed, every)
    assert checkpoints.steps() == steps


def test_time_that_is_up_writes_one_though_none_is_due(tmp_path):
    *_, checkpoints = go_on(CASES["dann on images"], tmp_path / "run.json", 9, TimeIsUp, 1e9)
    assert checkpoints.steps() == [9]


def test_whoever_lost_the_run_writes_nothing_not_even_at_an_evaluation(tmp_path):
    *_, checkpoints = go_on(CASES["dann on images"], tmp_path / "run.json", 4, Killed)
    assert checkpoints.steps() == []


def test_a_run_without_steps_needs_no_checkpoint(tmp_path):
    class Fixed(SourceOnly):
        trains_network = False

    training, evaluator, checkpoints = go_on(Case(Fixed), tmp_path / "run.json", 0)
    assert [item.step for item in evaluator.evaluations] == [0]
    assert (training.resumed_from, checkpoints.steps()) == (0, [])


def test_seconds_add_up_over_the_parts(tmp_path, monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr(resume.time, "perf_counter", lambda: float(next(ticks)))
    path = tmp_path / "run.json"
    training, first, _ = go_on(CASES["dann on images"], path, 9)
    training, second, _ = go_on(CASES["dann on images"], path)
    seconds = [item.seconds for item in second.evaluations]
    assert seconds[:2] == [item.seconds for item in first.evaluations]
    assert seconds == sorted(set(seconds))
    assert training.training_seconds == seconds[-1]
    assert training.earlier_seconds > seconds[1], "evaluations count there"


class Counting(SourceOnly):
    def losses(self, source, labels, target, batch):
        self.count = getattr(self, "count", 0) + 1
        return super().losses(source, labels, target, batch)


class HiddenTeacher(SourceOnly):
    def setup(self, network):
        self.aside = [copy.deepcopy(network.classifier)]

    def losses(self, source, labels, target, batch):
        with torch.no_grad():
            self.aside[0][0].weight += 1
        return super().losses(source, labels, target, batch)


class Bank(SourceOnly):
    def __init__(self, spec, config):
        super().__init__(spec, config)
        self.register_buffer("bank", torch.zeros(3), persistent=False)

    def losses(self, source, labels, target, batch):
        self.bank += 1
        return super().losses(source, labels, target, batch)


class Strange(SourceOnly):
    def get_extra_state(self):
        return {"seen": {1, 2}}

    def set_extra_state(self, state):
        pass


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (Counting, ["Counting keeps state", ": count ", "register_buffer"]),
        (HiddenTeacher, ["HiddenTeacher keeps state", ": aside "]),
        (Bank, ["Bank keeps state", ": bank "]),
        (Strange, ["method.values._extra_state.seen is a set", "expected tensors"]),
    ],
)
def test_a_method_whose_state_cannot_be_kept_is_told_and_runs(tmp_path, method, words):
    _, evaluator, checkpoints = go_on(Case(method), tmp_path / "run.json")
    assert len(evaluator.evaluations) == 4
    assert checkpoints.steps() == []
    (note,) = checkpoints.notes
    assert all(word in note for word in ["the run would begin anew", *words])


def test_norms_of_torch_that_recompute_a_weight_are_no_hidden_state(whole, tmp_path):
    class Normed(SourceOnly):
        def __init__(self, spec, config):
            super().__init__(spec, config)
            self.linear = nn.utils.spectral_norm(nn.Linear(spec.feature_dim, 2))

        def losses(self, source, labels, target, batch):
            found = super().losses(source, labels, target, batch)
            return {"classification": found["classification"] + self.linear(target.features).square().mean()}

    training, evaluator = resumed.build(Case(Normed))
    training.run(evaluator, lambda *_: None)
    *_, checkpoints = go_on(Case(Normed), tmp_path / "run.json", 9)
    assert checkpoints.notes == []
    again, second, _ = go_on(Case(Normed), tmp_path / "run.json")
    assert again.resumed_from == 9
    assert results(again, second) == results(training, evaluator)


def test_the_evaluations_are_where_these_tests_expect_them(tmp_path):
    _, evaluator, _ = go_on(CASES["dann on images"], tmp_path / "run.json")
    assert [item.step for item in evaluator.evaluations] == EVALUATED


class Failing(SourceOnly):
    """Its state cannot be given out."""

    def get_extra_state(self):
        raise OSError("no state today")


class FailsToTake(SourceOnly):
    def get_extra_state(self):
        return {"a": 1}

    def set_extra_state(self, state):
        raise KeyError("a")


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError


class Odd:
    def __repr__(self):
        return str(self.__dict__["x"])

    @property
    def __dict__(self):
        raise Unprintable


class HoldsOdd(SourceOnly):
    def setup(self, network):
        self.odd = Odd()


class Sparse(SourceOnly):
    def setup(self, network):
        self.adjacency = torch.eye(3).to_sparse()


class SparseBuffer(SourceOnly):
    def setup(self, network):
        self.register_buffer("adjacency", torch.eye(3).to_sparse())


class Cycling(SourceOnly):
    def setup(self, network):
        self.factors = itertools.cycle([0.1, 0.9, 2.0])


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (Failing, "OSError: no state today"),
        (HoldsOdd, "Unprintable: "),
        (SparseBuffer, "another layout"),
        (Cycling, "Cycling keeps state where state_dict does not see it: factors"),
    ],
)
def test_whatever_a_method_holds_the_run_goes_on_without_checkpoints(tmp_path, method, words):
    path = tmp_path / "run.json"
    go_on(Case(SourceOnly), path, 9)  # something to go on from
    _, evaluator, checkpoints = go_on(Case(method), path)
    assert [item.step for item in evaluator.evaluations] == EVALUATED
    assert any(words in note for note in checkpoints.notes)
    assert len(checkpoints.notes) == len(set(checkpoints.notes))


def test_a_method_that_cannot_take_its_state_back_begins_anew(tmp_path):
    path = tmp_path / "run.json"
    go_on(Case(FailsToTake), path, 9)
    training, evaluator, checkpoints = go_on(Case(FailsToTake), path)
    assert training.resumed_from == 0
    assert [item.step for item in evaluator.evaluations] == EVALUATED
    assert any("KeyError" in note for note in checkpoints.notes)


def test_a_sparse_tensor_that_stays_as_it_is_hinders_nothing(tmp_path):
    *_, checkpoints = go_on(Case(Sparse), tmp_path / "run.json", 9)
    assert (checkpoints.notes, checkpoints.steps()) == ([], [7, 9])


def none_evaluated(facts):
    evaluator = facts["holders"]["evaluator"]
    for values in (evaluator, *evaluator["stored"].values()):
        for name in values.keys() & {"evaluations", "predictions", "probabilities", "logits", "features"}:
            values[name] = []


SENSELESS = {
    "of the last step": (14, lambda facts: None),
    "of a later step": (15, lambda facts: None),
    "without its evaluations": (9, none_evaluated),
    "with evaluations of later steps": (5, lambda facts: None),
    "negative seconds": (9, lambda facts: facts.update(training_seconds=-1e6)),
    "endless seconds": (9, lambda facts: facts.update(total_seconds=float("inf"))),
    "seconds that are none": (9, lambda facts: facts.update(training_seconds=float("nan"))),
    "losses never counted": (9, lambda facts: facts["holders"]["stepper"]["counts"].update(classification=0)),
    "a loss of text": (9, lambda facts: facts["holders"]["stepper"]["sums"].update(classification="1")),
    "no position": (9, lambda facts: facts.update(positions=[["a", 0]])),
}


@pytest.mark.parametrize("name", SENSELESS)
def test_a_whole_one_that_makes_no_sense_is_passed_over(whole, tmp_path, name):
    step, change = SENSELESS[name]
    path, case = tmp_path / "run.json", CASES["holdout"]
    *_, checkpoints = go_on(case, path, 9)
    newest, _ = checkpoints.newest_first()
    state = unflatten(newest.facts, newest.tensors, torch.device("cpu"))
    change(state)
    facts, tensors = flatten(state)
    checkpoints.file(9).unlink()
    if step < 7:
        checkpoints.drop()
    assert checkpoints.write(step, tensors, facts)
    training, evaluator, checkpoints = go_on(case, path)
    assert training.resumed_from == (0 if step < 7 else 7)
    assert len(checkpoints.notes) == 1
    assert results(training, evaluator) == whole("holdout")


def test_one_that_is_larger_than_any_run_is_not_read(whole, tmp_path):
    path, case = tmp_path / "run.json", CASES["holdout"]
    *_, checkpoints = go_on(case, path, 9)
    os.truncate(checkpoints.file(9), 16 * 2**30 + 1)
    training, evaluator, checkpoints = go_on(case, path)
    assert training.resumed_from == 7
    assert "is larger than" in checkpoints.notes[0]
    assert results(training, evaluator) == whole("holdout")


class LateBank(SourceOnly):
    """Far larger than all the rest of the run, and not there before the first step."""

    def __init__(self, spec, config):
        super().__init__(spec, config)
        self.register_buffer("bank", None)

    def begin_epoch(self, features, progress):
        if self.bank is None:
            self.bank = torch.ones(20_000_000)


def test_what_a_run_has_written_it_can_read_however_its_state_has_grown(tmp_path):
    path = tmp_path / "run.json"
    go_on(Case(LateBank), path, 3, every=1e9)
    training, _, checkpoints = go_on(Case(LateBank), path, 3, every=1e9)
    assert training.resumed_from == 3
    assert checkpoints.notes == []


def write_others(path, *steps):
    """Checkpoints of the same run, from before a change of the method's file."""
    others = Checkpoints(path, {"run_id": "some", "method": "before"}, 0)
    for step in steps:
        assert others.write(step, {}, {})


def test_those_of_code_before_do_not_cost_the_new_ones(whole, tmp_path):
    path, case = tmp_path / "run.json", CASES["holdout"]
    write_others(path, 12, 13)
    training, _, checkpoints = go_on(case, path, 9, Killed)
    assert training.resumed_from == 0
    assert checkpoints.steps() == [4, 7]
    training, evaluator, checkpoints = go_on(case, path)
    assert (training.resumed_from, checkpoints.notes) == (7, [])
    assert results(training, evaluator) == whole("holdout")


@pytest.mark.parametrize("method", [HoldsOdd, FailsToTake])
def test_a_run_that_cannot_be_resumed_drops_what_is_there(tmp_path, method):
    path = tmp_path / "run.json"
    write_others(path, 12)
    *_, checkpoints = go_on(Case(method), path, 2, Killed)
    assert checkpoints.steps() == []


def test_one_that_does_not_fit_goes_and_the_one_before_stays(tmp_path):
    path, case = tmp_path / "run.json", CASES["holdout"]
    *_, checkpoints = go_on(case, path, 9)
    assert checkpoints.write(12, {}, {"modules": {}})
    training, _, checkpoints = go_on(case, path, 9, Killed)
    assert training.resumed_from == 9
    assert checkpoints.steps() == [9]


def test_a_folder_that_cannot_be_read_for_a_while_costs_no_checkpoint(whole, tmp_path, monkeypatch):
    def stale(*args):
        raise OSError(116, "Stale file handle")

    path, case = tmp_path / "run.json", CASES["holdout"]
    go_on(case, path, 9)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "safe_open", stale)
        training, _, checkpoints = go_on(case, path, 5, Killed)
    assert training.resumed_from == 0
    assert checkpoints.steps() == [4, 7, 9]
    training, evaluator, _ = go_on(case, path)
    assert training.resumed_from == 9
    assert results(training, evaluator) == whole("holdout")


@pytest.mark.parametrize("first", [0, 2], ids=["own state", "checkpoints"])
def test_a_card_that_is_full_costs_no_checkpoint(tmp_path, monkeypatch, first):
    """Network and method take their own state back, then that of a checkpoint, then their own again."""

    def full(module, state, device):
        calls.append(0)
        if (len(calls) - 1) % 3 == first:
            raise torch.OutOfMemoryError("full")
        put(module, state, device)

    path, case = tmp_path / "run.json", CASES["holdout"]
    go_on(case, path, 9)
    calls, put = [], resume._put
    with monkeypatch.context() as patch:
        patch.setattr(resume, "_put", full)
        training, *_ = go_on(case, path, 2, Killed)
    assert training.resumed_from == 0
    assert go_on(case, path)[0].resumed_from == 9


class Ramping(SourceOnly):
    """Its state is an attribute of a layer of the network."""

    def losses(self, source, labels, target, batch):
        self.layers[0].momentum = 0.1 * (1 - batch.progress)
        return super().losses(source, labels, target, batch)

    def setup(self, network):
        network.bottleneck.append(nn.BatchNorm1d(network.classifier[0].in_features))
        self.layers = [network.bottleneck[-1]]


def test_state_in_the_networks_layers_is_seen(tmp_path):
    *_, checkpoints = go_on(Case(Ramping), tmp_path / "run.json", 9)
    assert checkpoints.steps() == []
    (note,) = checkpoints.notes
    assert "Ramping keeps state where state_dict does not see it: network.bottleneck.3.momentum (" in note
