"""A method whose state is not all kept fails the check with a sentence that says how to mend it."""

import pytest

from dabench.checks.contracts import CONTRACTS
from dabench.checks.loading import load

(RESUMPTION,) = (check for check in CONTRACTS if check.claim.title == "can be interrupted and resumed")
METHOD = """
import torch
from torch.nn.functional import cross_entropy
from dabench.method import Method, register

@register("mine")
class Mine(Method):
    title, summary, paper = "T", "s", "no paper: a test"
    factor = 1.0
{more}
    def losses(self, source, labels, target, batch):
        return {{"classification": self.factor * cross_entropy(source.logits, labels)}}
"""
IN_AN_ATTRIBUTE = """
    def __init__(self, spec, config):
        super().__init__(spec, config)
        self.seen = [torch.zeros(2)]
    def train_step(self, network, batch, optimise):
        self.seen.append(batch.target.images.mean())
        super().train_step(network, batch, optimise)
"""
IN_THE_CLASS = """
    def setup(self, network):
        type(self).factor = 1.0
    def train_step(self, network, batch, optimise):
        type(self).factor *= 1.1
        super().train_step(network, batch, optimise)
"""
IN_A_BUFFER = """
    def __init__(self, spec, config):
        super().__init__(spec, config)
        self.register_buffer("count", torch.zeros(()))
    def train_step(self, network, batch, optimise):
        self.count += 1
        super().train_step(network, batch, optimise)
"""
IN_EXTRA_STATE = """
    def __init__(self, spec, config):
        super().__init__(spec, config)
        self.count = 0
    def train_step(self, network, batch, optimise):
        self.count += 1
        super().train_step(network, batch, optimise)
    def get_extra_state(self):
        return {state}
    def set_extra_state(self, state):
        self.count = state
"""
NO_STEPS = """
    trains_network = False
"""


def verdict(tmp_path, more):
    file = tmp_path / "mine.py"
    file.write_text(METHOD.format(more=more))
    (entry,) = load(str(file))
    return RESUMPTION.verdict(entry, tmp_path / "check")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (IN_AN_ATTRIBUTE, "Mine keeps state where state_dict does not see it: seen (use register_buffer"),
        (IN_EXTRA_STATE.replace("{state}", "set([self.count])"), "_extra_state is a set: expected tensors"),
    ],
    ids=["attribute", "set"],
)
def test_state_that_is_seen_is_named(tmp_path, own_methods, more, message):
    found = verdict(tmp_path, more)
    assert found.state == "failed"
    assert message in found.message
    assert "register_buffer" in found.advice
    assert "get_extra_state" in found.advice


def test_state_that_is_not_seen_shows_in_the_figures(tmp_path, own_methods):
    found = verdict(tmp_path, IN_THE_CLASS)
    assert found.state == "failed"
    assert "resumed, the weights of the network, the losses, the predictions" in found.message


@pytest.mark.parametrize(
    "more", [IN_A_BUFFER, IN_EXTRA_STATE.replace("{state}", "self.count")], ids=["buffer", "extra state"]
)
def test_state_that_is_kept_passes(tmp_path, own_methods, more):
    found = verdict(tmp_path, more)
    assert found.state == "passed", found.message


def test_a_method_without_steps_is_skipped(tmp_path, own_methods):
    assert verdict(tmp_path, NO_STEPS).state == "skipped"
