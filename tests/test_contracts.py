"""What every registered method must do; a new file in ``methods/`` is tested here without any edit.

The checks are those of ``dabench check-method``; here follow those that only methods of this repository owe.
"""

import pytest
import torch

from dabench.checks.contracts import CONTRACTS
from dabench.discovery import discover_methods
from dabench.layers import mlp
from dabench.method import METHODS, Method, Selection

discover_methods()
NAMES = sorted(METHODS)
HOOKED = [name for name in NAMES if METHODS.get(name).cls.begin_epoch is not Method.begin_epoch]
# Methods whose losses are one on the source's labels, and others beside it.
ADDING = [
    name
    for name in NAMES
    if METHODS.get(name).cls.trains_network
    and not METHODS.get(name).cls.uses_target_labels
    and {"classification"} < set(METHODS.get(name).cls.loss_names)
]


def test_the_baselines_and_both_papers_are_registered():
    wanted = {"source_only", "target_only", "dann", "cdan", "cdan+e"}
    assert wanted | {"gsda", "gsda-glb", "gsda-glb-cls", "gsda-glb-cls-grp"} <= set(NAMES)


@pytest.mark.parametrize("check", CONTRACTS, ids=lambda check: check.claim.title)
@pytest.mark.parametrize("name", NAMES)
def test_the_contract(tmp_path, name, check):
    verdict = check.verdict(METHODS.get(name), tmp_path / "check")
    assert verdict.state == "passed", verdict.message


@pytest.mark.parametrize("name", HOOKED)
def test_an_epoch_hook_returns_nothing_or_valid_positions(tiny_run, name, monkeypatch):
    cls = METHODS.get(name).cls
    results = []
    original = cls.begin_epoch

    def spied(self, features, progress):
        assert features.target().labels is None
        assert len(features.source().labels) == 36
        results.append((progress, original(self, features, progress)))
        return results[-1][1]

    monkeypatch.setattr(cls, "begin_epoch", spied)
    tiny_run(name, steps=18, evaluations=1)
    assert [progress for progress, _ in results] == [0.0, 6 / 18, 12 / 18]
    for _, selection in results:
        if selection is not None:
            assert isinstance(selection, Selection)
            positions = selection.target
            assert positions.dtype == torch.int64
            assert len(positions) >= 1
            assert positions.min() >= 0
            assert positions.max() < 30


@pytest.mark.parametrize("name", ADDING)
def test_a_zero_weight_for_every_further_loss_gives_source_only_bit_for_bit(tiny_run, name):
    cls = METHODS.get(name).cls
    # Which images are drawn is no loss: sampling is made that of source_only where a method says otherwise.
    fields = cls.config_class.model_fields
    plain = {"source_sampling": "uniform", "target_selection": False}
    zero = {loss: 0.0 for loss in cls.loss_names if loss != "classification"}
    wanted = tiny_run("source_only", steps=8)
    params = {key: value for key, value in plain.items() if key in fields}
    run = tiny_run(name, steps=8, loss_weights=zero, params=params)
    a, b = wanted.weights("network"), run.weights("network")
    assert all(torch.equal(a[key], b[key]) for key in a)
    full = tiny_run(name, steps=8, params=params).weights("network")
    assert any(not torch.equal(a[key], full[key]) for key in a)


def test_the_shared_discriminator_has_the_configured_layers(tiny_run):
    method = tiny_run("dann", run=False, **{"head.discriminator_hidden": [5, 4]}).training.method
    assert str(method.discriminator) == str(mlp((8, 5, 4, 1)))
