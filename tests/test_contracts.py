"""What every registered method must do; a new file in ``methods/`` is tested here without any edit."""

import math

import pytest
import torch

from dabench.discovery import discover_methods
from dabench.layers import mlp
from dabench.method import METHODS, Method, Selection
from dabench.recipe import Sourced

discover_methods()
NAMES = sorted(METHODS)
BACKBONES = {
    "dann_mnist": {"head.bottleneck": None, "head.classifier_hidden": [10]},
    "test_resnet": {"image.resize": 32, "image.size": 32},
    "test_vit": {"image.resize": 32, "image.size": 32},
}
both = pytest.mark.parametrize("backbone", BACKBONES)
every = pytest.mark.parametrize("name", NAMES)
HOOKED = [name for name in NAMES if METHODS.get(name).cls.begin_epoch is not Method.begin_epoch]
# Methods whose losses are one on the source's labels, and others beside it.
ADDING = [
    name
    for name in NAMES
    if METHODS.get(name).cls.trains_network
    and not METHODS.get(name).cls.uses_target_labels
    and {"classification"} < set(METHODS.get(name).cls.loss_names)
]


def settings(backbone, **changes):
    # Eight steps of six: the second epoch begins at p = 0.75, where the target may be restricted.
    return {"backbone": backbone, "steps": 8, **BACKBONES[backbone], **changes}


def test_the_baselines_and_both_papers_are_registered():
    wanted = {"source_only", "target_only", "dann", "cdan", "cdan+e"}
    assert wanted | {"gsda", "gsda-glb", "gsda-glb-cls", "gsda-glb-cls-grp"} <= set(NAMES)


@both
@every
def test_some_steps_run_and_every_trained_parameter_receives_a_gradient(tiny_run, name, backbone):
    run = tiny_run(name, run=False, **settings(backbone))
    reached = set()
    modules = {"network": run.training.network, "method": run.training.method}
    trained = {
        f"{owner}.{key}": parameter
        for owner, module in modules.items()
        for key, parameter in module.named_parameters()
        if parameter.requires_grad
    }
    for key, parameter in trained.items():

        def note(changed, key=key):
            assert torch.isfinite(changed.grad).all(), key
            if changed.grad.abs().sum() > 0:
                reached.add(key)

        parameter.register_post_accumulate_grad_hook(note)
    before = run.weights()
    run.training.run(run.evaluator, lambda *event: run.seen.append(event))

    if run.training.method.trains_network:
        for part in ("backbone", "bottleneck", "classifier"):
            assert list(getattr(run.training.network, part).parameters()) == [] or any(
                key.startswith(f"network.{part}.") for key in reached
            ), part
        assert reached == set(trained)
        after = run.weights()
        assert all(not torch.equal(before[key], after[key]) for key in trained)
    losses = {name: value for _, means, _ in run.seen for name, value in means.items()}
    assert set(losses) <= set(METHODS.get(name).cls.loss_names)
    assert all(math.isfinite(value) for value in losses.values())
    assert [event[0] for event in run.seen if event[2] is not None] == [4, 8]


@both
@every
def test_saved_weights_give_the_same_predictions(tiny_run, name, backbone):
    trained = tiny_run(name, **settings(backbone))
    other = tiny_run(name, run=False, **settings(backbone, seed=1))
    other.training.network.load_state_dict(trained.training.network.state_dict())
    other.training.method.load_state_dict(trained.training.method.state_dict())
    logits = []
    for run in (trained, other):
        run.training.network.eval()
        run.training.method.eval()
        images = run.training.augmentation.test(run.training.data.target)
        with torch.inference_mode():
            logits.append(run.training.method.predict(run.training.network, images).logits)
    assert torch.equal(*logits)


@pytest.mark.parametrize(("source", "target"), [(6, 4), (3, 7), (2, 2)])
@every
def test_batches_of_different_size(tiny_run, name, source, target):
    run = tiny_run(name, **{"batch.source": source, "batch.target": target, "steps": 13, "evaluations": 1})
    assert run.evaluator.last is not None


@both
@every
def test_predict_in_evaluation_gives_logits_and_leaves_everything_as_it_was(tiny_run, name, backbone):
    run = tiny_run(name, run=False, **settings(backbone))
    training = run.training
    training.network.train()
    training.method.train()
    frozen = [*training.network.backbone.modules()][-1].eval()
    modules = [*training.network.modules(), *training.method.modules()]
    modes = [module.training for module in modules]
    before = run.weights()
    run.evaluator.evaluate(1, training.network, training.method, {}, 0.0)
    assert [module.training for module in modules] == modes
    assert not frozen.training
    after = run.weights()
    assert all(torch.equal(before[key], after[key]) for key in before)
    training.network.eval()
    with torch.inference_mode():
        outputs = training.method.predict(
            training.network, training.augmentation.test(training.data.target[:5])
        )
    assert outputs.logits.shape == (5, 3)
    assert outputs.logits.dtype == torch.float32
    assert len(outputs.features) == len(outputs.pooled) == 5


@every
def test_what_is_registered_is_complete(name):
    entry = METHODS.get(name)
    cls = entry.cls
    assert cls.title
    assert entry.summary
    assert not entry.summary.endswith(".")
    assert cls.paper
    assert cls.version >= 1
    if not cls.paper.startswith("no paper"):
        assert cls.bibtex.lstrip().startswith("@")
        assert cls.bibtex.count("{") == cls.bibtex.count("}")
    assert len(set(cls.loss_names)) == len(cls.loss_names)
    assert entry.config({}) is not None
    assert entry.file is not None
    assert entry.source_sha256
    for recipe in cls.recipes.values():
        assert all(isinstance(value, Sourced) for value in recipe.values())
        own = {
            path.removeprefix("params."): v.value for path, v in recipe.items() if path.startswith("params.")
        }
        entry.config(own)


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
