"""The training loop: seeds and streams, the optimiser, precision, evaluations, what goes wrong."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from dabench.method import Method, Selection
from dabench.methods.source_only import SourceOnly
from dabench.train import Diverged, evaluation_steps

RANDOM = {"image.train_crop": "random_resized"}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


class DrawingLosses(SourceOnly):
    def losses(self, source, labels, target, batch):
        torch.rand(17)
        return super().losses(source, labels, target, batch)


class DrawingOnce(SourceOnly):
    def __init__(self, spec, config):
        super().__init__(spec, config)
        torch.rand(17, generator=spec.generator)
        self.extra = torch.nn.Linear(3, 3)

    def setup(self, network):
        torch.rand(5)


class DrawingElsewhere(SourceOnly):
    def train_step(self, network, batch, optimise):
        torch.rand(3)
        super().train_step(network, batch, optimise)

    def begin_epoch(self, features, progress):
        torch.rand(3)

    def predict(self, network, images):
        torch.rand(3)
        return network(images)


@pytest.mark.parametrize("name", ["source_only", "dann", "gsda"])
def test_one_seed_gives_one_result(tiny_run, name):
    runs = [tiny_run(name, steps=14, seed=seed, **RANDOM) for seed in (3, 3, 4)]
    assert same(runs[0].weights(), runs[1].weights())
    assert not same(runs[0].weights(), runs[2].weights())
    arrays = [run.evaluator.arrays() for run in runs]
    assert all(np.array_equal(arrays[0][key], arrays[1][key]) for key in arrays[0])
    assert not np.array_equal(arrays[0]["probabilities"], arrays[2]["probabilities"])


def test_what_ran_before_plays_no_part(tiny_run):
    torch.manual_seed(1)
    first = tiny_run("dann", **RANDOM)
    torch.manual_seed(2)
    torch.rand(100)
    assert same(first.weights(), tiny_run("dann", **RANDOM).weights())


@pytest.mark.parametrize("toy", [DrawingLosses, DrawingOnce, DrawingElsewhere])
@pytest.mark.parametrize(
    "backbone",
    [
        {"backbone": "dann_mnist"},
        {"backbone": "test_vit", "backbone_args": {"drop_path_rate": 0.4, "proj_drop_rate": 0.3}},
        {"backbone": "test_vit", "backbone_args": {"patch_drop_rate": 0.5}},
        {"backbone": "densenet121", "backbone_args": {"drop_rate": 0.5, "growth_rate": 4}},
    ],
    ids=["plain", "dropout", "patch dropout", "functional dropout"],
)
def test_what_a_method_draws_changes_nothing_else(tiny_run, toy, backbone):
    options = {"image.resize": 32, "image.size": 32, "steps": 7, "evaluations": 2, **RANDOM, **backbone}
    wanted = tiny_run("source_only", **options).weights("network")
    assert same(wanted, tiny_run(toy, **options).weights("network"))


def test_dropout_in_the_backbone_draws_anew_each_step_and_follows_the_seed(tiny_run):
    class Watching(SourceOnly):
        def train_step(self, network, batch, optimise):
            images = torch.ones(2, 3, 16, 16)
            self.seen = [*getattr(self, "seen", []), *(network(images).pooled.detach() for _ in range(2))]

    options = {"backbone": "test_vit", "backbone_args": {"proj_drop_rate": 0.5}, "steps": 2, "evaluations": 1}
    seen = [tiny_run(Watching, seed=seed, **options).training.method.seen for seed in (0, 0)]
    assert all(torch.equal(a, b) for a, b in zip(*seen, strict=True))
    assert all(not torch.equal(seen[0][0], other) for other in seen[0][1:])


@pytest.mark.parametrize("hook", ["begin_epoch", "predict", "losses"])
def test_a_methods_draws_in_any_hook_follow_the_seed(tiny_run, hook):
    drawn = []

    def drawing(self, *args):
        drawn.append(torch.rand(1).item())
        return getattr(SourceOnly, hook)(self, *args)

    toy = type("Drawing", (SourceOnly,), {hook: drawing})
    for seed, noise in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(noise)
        tiny_run(toy, seed=seed, steps=8)
    first, second, other = np.split(np.array(drawn), 3)
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
    assert len(set(first)) > 1


class Recording(SourceOnly):
    """Keeps what the engine gives."""

    target_views = 2

    def train_step(self, network, batch, optimise):
        self.batches = [*getattr(self, "batches", []), batch]
        super().train_step(network, batch, optimise)


def test_batches(tiny_run):
    run = tiny_run(Recording, steps=10, **{"batch.source": 6, "batch.target": 5})
    batches = run.training.method.batches
    assert [batch.step for batch in batches] == list(range(10))
    assert [batch.progress for batch in batches] == [step / 10 for step in range(10)]
    assert batches[5].reversal == pytest.approx(2 / (1 + math.exp(-5)) - 1)
    # Every image once a pass: 36 source images in 6 batches of 6, 30 target images in 6 of 5.
    assert sorted(torch.cat([batch.target.positions for batch in batches[:6]]).tolist()) == list(range(30))
    data = run.training.data
    expected = run.training.augmentation.test(data.target[batches[0].target.positions.numpy()])
    assert batches[0].target.images.shape == (5, 3, 16, 16)
    # With a centre crop and no flip a view would be the image itself; here flips may happen.
    for image, plain in zip(batches[0].target.images, expected, strict=True):
        assert torch.equal(image, plain) or torch.equal(image, plain.flip(-1))
    counts = torch.bincount(torch.cat([batch.source.labels for batch in batches[:6]]), minlength=3)
    assert counts.tolist() == [12, 12, 12]


def test_views_and_steps_are_augmented_anew(tiny_run):
    run = tiny_run(Recording, steps=13, **RANDOM)
    batches = run.training.method.batches
    first, second = batches[0].target.views
    assert not torch.equal(first, second)
    seen = {}
    for batch in batches:
        for position, image in zip(batch.target.positions.tolist(), batch.target.images, strict=True):
            if position in seen:
                assert not torch.equal(seen[position], image)
            seen[position] = image


def test_class_balanced_source_sampling(tiny_run):
    class Balanced(Recording):
        source_sampling = "class_balanced"

    run = tiny_run("source_only", run=False)
    data = run.training.data
    keep = np.flatnonzero((data.source_labels != 2) | (np.arange(36) % 4 == 0))
    small = type(data)(data.source[keep], data.source_labels[keep], data.target)
    batches = tiny_run(Balanced, data=small, steps=6, evaluations=1).training.method.batches
    counts = torch.bincount(torch.cat([batch.source.labels for batch in batches]), minlength=3)
    assert counts.tolist() == [12, 12, 12]


def test_the_optimiser_is_the_recipes_written_out_by_hand(tiny_run):
    """Nesterov momentum and weight decay as PyTorch documents them, the backbone a tenth, annealed."""

    class Traced(SourceOnly):
        def train_step(self, network, batch, optimise):
            def kept(losses, only=None):
                optimise(losses, only)
                grads = {key: p.grad.clone() for key, p in network.named_parameters()}
                values = {key: p.detach().clone() for key, p in network.named_parameters()}
                self.steps = [*getattr(self, "steps", []), (grads, values)]

            super().train_step(network, batch, kept)

    options = {"steps": 5, "evaluations": 1, "optimiser.lr": 0.05}
    run = tiny_run(Traced, run=False, **options)
    values = {key: p.detach().clone() for key, p in run.training.network.named_parameters()}
    run.training.run(run.evaluator, lambda *_: None)
    momentum: dict = {}
    for step, (grads, found) in enumerate(run.training.method.steps):
        for key, gradient in grads.items():
            rate = 0.05 / (1 + 10 * step / 5) ** 0.75 * (0.1 if key.startswith("backbone.") else 1.0)
            gradient = gradient + 1e-3 * values[key]
            momentum[key] = 0.9 * momentum[key] + gradient if step else gradient
            values[key] = values[key] - rate * (gradient + 0.9 * momentum[key])
            torch.testing.assert_close(found[key], values[key], rtol=1e-5, atol=1e-7)


def test_the_named_losses_are_weighed_and_reported(tiny_run):
    class Two(SourceOnly):
        loss_names = ("classification", "pull")

        def losses(self, source, labels, target, batch):
            found = super().losses(source, labels, target, batch)
            return {**found, "pull": 3 * target.features.mean()}

    class Scaled(Two):
        def losses(self, source, labels, target, batch):
            found = super().losses(source, labels, target, batch)
            return {**found, "pull": 0.25 * found["pull"]}

    weighed = tiny_run(Two, loss_weights={"pull": 0.25})
    scaled = tiny_run(Scaled)
    assert same(weighed.weights("network"), scaled.weights("network"))
    assert not same(weighed.weights("network"), tiny_run(Two).weights("network"))
    # The record has the loss without its weight.
    ours, theirs = (run.evaluator.evaluations[0].losses["pull"] for run in (weighed, scaled))
    assert ours == pytest.approx(4 * theirs, rel=1e-5)


def test_reported_losses_are_means_since_the_last_evaluation(tiny_run):
    class Counting(SourceOnly):
        loss_names = ("classification", "step")

        def losses(self, source, labels, target, batch):
            return {**super().losses(source, labels, target, batch), "step": torch.tensor(float(batch.step))}

    run = tiny_run(Counting, steps=6, evaluations=2)
    assert [item.losses["step"] for item in run.evaluator.evaluations] == [1.0, 4.0]
    assert [event[0] for event in run.seen] == [1, 2, 3, 4, 5, 6]
    assert [bool(event[1]) for event in run.seen] == [False, False, True, False, False, True]


def test_clipping_bounds_the_norm_of_the_whole_gradient(tiny_run):
    norms = []

    class Traced(SourceOnly):
        def train_step(self, network, batch, optimise):
            def kept(losses, only=None):
                optimise(losses, only)
                norms.append(math.sqrt(sum(float(p.grad.square().sum()) for p in network.parameters())))

            super().train_step(network, batch, kept)

    tiny_run(Traced, **{"optimiser.clip_norm": 0.01})
    assert norms == pytest.approx([0.01] * 4, rel=1e-3)


@pytest.mark.parametrize("name", ["source_only", "gsda"])
def test_a_run_that_diverges_says_so(tiny_run, name):
    with pytest.raises(Diverged, match=r"diverged; a smaller optimiser\.lr may help"):
        tiny_run(name, steps=40, **{"optimiser.lr": 1e6})


def test_bfloat16_on_the_processor(tiny_run):
    kept = []

    class Traced(SourceOnly):
        def losses(self, source, labels, target, batch):
            found = super().losses(source, labels, target, batch)
            kept.extend([source.pooled, source.features, source.logits, *found.values()])
            return found

    options = {"backbone": "test_resnet", "image.resize": 32, "image.size": 32, "steps": 3, "evaluations": 1}
    half = tiny_run(Traced, precision="bfloat16", **options)
    assert {tensor.dtype for tensor in kept} == {torch.float32}
    assert {value.dtype for value in half.weights().values()} == {torch.float32, torch.int64}
    exact = tiny_run(Traced, **options)
    assert not same(half.weights(), exact.weights())
    assert half.evaluator.evaluations[0].losses["classification"] == pytest.approx(
        exact.evaluator.evaluations[0].losses["classification"], rel=0.1
    )


@pytest.mark.parametrize(("steps", "evaluations"), [(10, 3), (10, 10), (7, 1), (20_000, 10), (5, 4)])
def test_evaluation_steps(steps, evaluations):
    found = sorted(evaluation_steps(steps, evaluations))
    assert len(found) == evaluations
    assert found[0] >= 1
    assert found[-1] == steps
    gaps = np.diff([0, *found])
    assert gaps.max() - gaps.min() <= 1


def test_a_selection_restricts_the_target_until_the_next_epoch(tiny_run):
    class Selecting(Recording):
        def begin_epoch(self, features, progress):
            return Selection(torch.tensor([4, 7, 11])) if 0.2 < progress < 0.4 else None

    batches = tiny_run(Selecting, steps=24, evaluations=1).training.method.batches
    # Epochs begin at steps 0, 6, 12 and 18: at p = 0.25 three positions are chosen, then all again.
    drawn = [set(torch.cat([b.target.positions for b in batches[k : k + 6]]).tolist()) for k in (0, 6, 12)]
    assert len(drawn[0]) == len(drawn[2]) == 30
    assert drawn[1] == {4, 7, 11}


@pytest.mark.parametrize(
    "positions",
    [
        torch.tensor([30]),
        torch.tensor([-1]),
        torch.tensor([], dtype=torch.int64),
        torch.tensor([0.0]),
        torch.ones(30, dtype=torch.bool),
        torch.tensor([[1]]),
    ],
    ids=["too large", "negative", "none", "float", "mask", "two dimensions"],
)
def test_a_selection_that_makes_no_sense_is_an_error(tiny_run, positions):
    class Wrong(SourceOnly):
        def begin_epoch(self, features, progress):
            return Selection(positions)

    with pytest.raises(ValueError, match=r"Wrong\.begin_epoch selected .* from 0 to 29"):
        tiny_run(Wrong)


def test_a_method_without_losses_is_named(tiny_run):
    with pytest.raises(NotImplementedError, match="Empty has neither losses nor train_step"):
        tiny_run(type("Empty", (Method,), {}))


def test_source_and_target_share_one_forward_pass(tiny_run):
    sizes = []

    class Counting(SourceOnly):
        def setup(self, network):
            network.backbone.register_forward_hook(lambda _, inputs, __: sizes.append(len(inputs[0])))

    tiny_run(Counting, steps=2, evaluations=1, **{"batch.source": 6, "batch.target": 4})
    assert sizes[:2] == [10, 10]


def test_the_classification_loss_is_the_cross_entropy_of_the_batch(tiny_run):
    class Traced(SourceOnly):
        def losses(self, source, labels, target, batch):
            self.wanted = functional.cross_entropy(source.logits.double(), labels).item()
            return super().losses(source, labels, target, batch)

    run = tiny_run(Traced, steps=1, evaluations=1)
    assert run.seen[0][1]["classification"] == pytest.approx(run.training.method.wanted, rel=1e-5)


@pytest.mark.parametrize("wanted", [False, True])
def test_the_backbone_is_compiled_on_request(tiny_run, monkeypatch, wanted):
    """The compiler itself takes minutes and needs a C++ compiler; that it is asked is ours to test."""
    asked = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module: asked.append(module))
    run = tiny_run("source_only", compile=wanted)
    assert asked == ([run.training.network.backbone] if wanted else [])
