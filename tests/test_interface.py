"""The room that the method interface has, shown with a toy for each need, run by the real engine.

1. several optimisation steps a batch and own classifiers (MCD), 2. an own encoder and prediction (ADDA),
3. an epoch hook that reads all features and selects images (SRDC), 4. two views and an averaged teacher
(self-ensembling, FixMatch), 5. no network is trained (subspace alignment, CORAL).
"""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from dabench.config import setting
from dabench.layers import domain_loss
from dabench.method import Method, MethodConfig, Outputs, Selection


def step_changes(network, method, step):
    """Names of the parameters that a call changes."""
    owners = {"network": network, "method": method}
    before = {
        f"{o}.{k}": p.detach().clone() for o, module in owners.items() for k, p in module.named_parameters()
    }
    step()
    return {
        f"{o}.{k}"
        for o, module in owners.items()
        for k, p in module.named_parameters()
        if not torch.equal(before[f"{o}.{k}"], p)
    }


class TwoClassifiers(Method):
    """MCD: both classifiers learn the source (A), disagree on the target (B), the features agree (C)."""

    loss_names = ("classification", "disagreement", "agreement")

    def __init__(self, spec, config):
        super().__init__(spec, config)
        self.first, self.second = (nn.Linear(spec.feature_dim, spec.classes) for _ in range(2))
        self.changed = []

    def gap(self, features):
        ours, theirs = (functional.softmax(head(features), dim=1) for head in (self.first, self.second))
        return (ours - theirs).abs().mean()

    def train_step(self, network, batch, optimise):
        heads = [self.first, self.second]
        encoder = [network.backbone, network.bottleneck]

        def source_loss():
            features = network(batch.source.images).features
            return sum(functional.cross_entropy(head(features), batch.source.labels) for head in heads)

        def step(losses, only):
            self.changed.append(step_changes(network, self, lambda: optimise(losses, only=only)))

        step({"classification": source_loss()}, [*encoder, *heads])
        away = -self.gap(network(batch.target.images).features)
        step({"classification": source_loss(), "disagreement": away}, heads)
        step({"agreement": self.gap(network(batch.target.images).features)}, encoder)

    def predict(self, network, images):
        outputs = network(images)
        return Outputs(
            outputs.pooled, outputs.features, self.first(outputs.features) + self.second(outputs.features)
        )


def test_several_optimiser_steps_a_batch(tiny_run):
    run = tiny_run(TwoClassifiers, **{"optimiser.weight_decay": 0.1})
    changed = run.training.method.changed
    network, method = run.training.network, run.training.method
    heads = {f"method.{key}" for key, _ in method.named_parameters()}
    classifier = {f"network.classifier.{key}" for key, _ in network.classifier.named_parameters()}
    encoder = {f"network.{key}" for key, _ in network.named_parameters()} - classifier
    assert heads
    # The shared classifier has no part in this method: neither gradients nor weight decay nor momentum.
    assert changed == [encoder | heads, heads, encoder] * 4
    assert set(run.evaluator.evaluations[-1].losses) == set(TwoClassifiers.loss_names)
    assert run.evaluator.evaluations[-1].losses["disagreement"] < 0
    assert run.evaluator.evaluations[-1].losses["agreement"] > 0


def test_only_leaves_the_momentum_of_the_others_alone(tiny_run, monkeypatch):
    made = []
    original = torch.optim.SGD.__init__

    def spied(self, *args, **kwargs):
        made.append(self)
        original(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.SGD, "__init__", spied)

    class Probe(Method):
        """Every second step is for the classifier alone."""

        def train_step(self, network, batch, optimise):
            outputs = network(batch.source.images)
            loss = {"classification": functional.cross_entropy(outputs.logits, batch.source.labels)}
            alone = batch.step % 2 == 1
            optimise(loss, only=[network.classifier] if alone else None)
            momenta = {
                key: made[-1].state[p]["momentum_buffer"].clone() for key, p in network.named_parameters()
            }
            if alone:
                moved = {key for key, value in momenta.items() if not torch.equal(value, self.momenta[key])}
                assert moved == {key for key in momenta if key.startswith("classifier.")}
                self.compared = True
            self.momenta = momenta

    assert tiny_run(Probe).training.method.compared


class OwnEncoder(Method):
    """ADDA: the source's encoder learns, then a copy of it learns to look like it on the target."""

    loss_names = ("classification", "discriminator", "encoder")

    def __init__(self, spec, config):
        super().__init__(spec, config)
        self.discriminator = spec.discriminator(spec.backbone_dim)

    def setup(self, network):
        self.encoder = copy.deepcopy(network.backbone)

    def backbones(self):
        return [self.encoder]

    def train_step(self, network, batch, optimise):
        source = network(batch.source.images)
        loss = functional.cross_entropy(source.logits, batch.source.labels)
        optimise({"classification": loss}, only=[network.backbone, network.bottleneck, network.classifier])
        fake = self.encoder(batch.target.images)
        both = torch.cat([source.pooled.detach(), fake.detach()])
        optimise(
            {"discriminator": domain_loss(self.discriminator(both), len(source))}, only=[self.discriminator]
        )
        optimise({"encoder": domain_loss(self.discriminator(fake), len(fake))}, only=[self.encoder])

    def predict(self, network, images):
        pooled = self.encoder(images)
        features = network.bottleneck(pooled)
        return Outputs(pooled, features, network.classifier(features))


def test_an_own_encoder_learns_at_the_backbones_rate(tiny_run):
    rates = {}

    class Traced(OwnEncoder):
        def train_step(self, network, batch, optimise):
            before = [p.detach().clone() for p in self.encoder.parameters()]
            super().train_step(network, batch, optimise)
            if batch.step == 0:
                for old, new in zip(before, self.encoder.parameters(), strict=True):
                    # First Nesterov step: (1 + momentum) times the gradient, at the annealed rate.
                    gradient = new.grad + 1e-3 * old
                    rates.setdefault("rate", []).append(((old - new) / (1.9 * gradient)).median().item())

    run = tiny_run(Traced)
    assert rates["rate"] == pytest.approx([0.001] * len(rates["rate"]), rel=1e-2)
    assert set(run.evaluator.evaluations[-1].losses) == set(OwnEncoder.loss_names)
    network, method = run.training.network, run.training.method
    assert not torch.equal(network.backbone.layers[0].weight, method.encoder.layers[0].weight)
    # The prediction is the copy's, and the copy is saved.
    network.eval()
    images = run.training.augmentation.test(run.training.data.target)
    with torch.no_grad():
        own = method.predict(network, images).logits
        shared = network(images).logits
    assert not torch.equal(own, shared)
    assert np.array_equal(run.evaluator.arrays()["predictions"][-1], own.argmax(dim=1).numpy())
    assert any(key.startswith("encoder.") for key in method.state_dict())


class ClusterConfig(MethodConfig):
    """Own configuration of the toy."""

    kept: float = setting(0.5, "our choice", "part of the target that is kept", gt=0, le=1)


class Clusters(Method):
    """SRDC-like: k-means on all target features from the source's class means; keep the nearest images."""

    config_class = ClusterConfig
    loss_names = ("classification", "pseudo")

    def begin_epoch(self, features, progress):
        source, target = features.source(), features.target()
        assert target.labels is None
        assert not source.outputs.features.requires_grad
        points = functional.normalize(target.outputs.features)
        classes = range(self.spec.classes)
        centres = torch.stack([source.outputs.features[source.labels == k].mean(0) for k in classes])
        for _ in range(5):
            nearest = torch.cdist(points, functional.normalize(centres)).argmin(1)
            centres = torch.stack(
                [points[nearest == k].mean(0) if (nearest == k).any() else centres[k] for k in classes]
            )
        distances, self.pseudo = torch.cdist(points, functional.normalize(centres)).min(1)
        self.epochs = [*getattr(self, "epochs", []), (progress, len(target.outputs))]
        self.chosen = distances.argsort()[: round(self.config.kept * len(points))]
        return Selection(self.chosen)

    def losses(self, source, labels, target, batch):
        positions = batch.target.positions
        assert torch.isin(positions, self.chosen).all()
        return {
            "classification": functional.cross_entropy(source.logits, labels),
            "pseudo": 0.1 * functional.cross_entropy(target.logits, self.pseudo[positions]),
        }


def test_an_epoch_hook_reads_all_features_and_selects(tiny_run):
    run = tiny_run(Clusters, steps=13, evaluations=1, params={"kept": 0.4})
    method = run.training.method
    assert method.epochs == [(0.0, 30), (6 / 13, 30), (12 / 13, 30)]
    assert len(method.chosen) == 12
    assert set(run.evaluator.evaluations[-1].losses) == set(Clusters.loss_names)


def test_features_are_those_of_the_network_as_it_is(tiny_run):
    class Reading(Clusters):
        def begin_epoch(self, features, progress):
            self.table = features.target()
            self.pseudo, self.chosen = torch.zeros(30, dtype=torch.int64), torch.arange(30)

        def train_step(self, network, batch, optimise):
            assert network.training
            assert self.training
            if batch.step == 6:
                network.eval()
                with torch.no_grad():
                    logits = network(self.plain(batch)).logits
                network.train()
                torch.testing.assert_close(logits, self.table.outputs.logits[batch.target.positions])
                self.compared = True
            super().train_step(network, batch, optimise)

        def plain(self, batch):
            return batch.target.images

    run = tiny_run(Reading, steps=8, **{"image.flip": False})
    assert run.training.method.compared
    # What was read may take part in gradients: it is no tensor of inference mode.
    assert not run.training.method.table.outputs.logits.is_inference()


class Teacher(Method):
    """Self-ensembling: an averaged teacher labels one view of a target image, the student learns another."""

    loss_names = ("classification", "consistency")
    target_views = 2

    def setup(self, network):
        self.teacher = copy.deepcopy(network).requires_grad_(False)

    def train_step(self, network, batch, optimise):
        first, second = batch.target.views
        self.differ = not torch.equal(first, second)
        source, student = network(torch.cat([batch.source.images, first])).split(len(batch.source.labels))
        with torch.no_grad():
            wanted = functional.softmax(self.teacher(second).logits, dim=1)
        optimise(
            {
                "classification": functional.cross_entropy(source.logits, batch.source.labels),
                "consistency": functional.mse_loss(functional.softmax(student.logits, dim=1), wanted),
            }
        )
        with torch.no_grad():
            for old, new in zip(self.teacher.parameters(), network.parameters(), strict=True):
                old.lerp_(new, 0.1)

    def predict(self, network, images):
        return self.teacher(images)


@pytest.mark.parametrize("backbone", ["dann_mnist", "test_vit"])
def test_two_views_and_an_averaged_teacher(tiny_run, backbone):
    options = {"image.resize": 32, "image.size": 32, "image.train_crop": "random_resized"}
    runs = [
        tiny_run(Teacher, backbone=backbone, backbone_args=args, **options)
        for args in [{"drop_path_rate": 0.5} if backbone == "test_vit" else {}] * 2
    ]
    method, network = runs[0].training.method, runs[0].training.network
    assert method.differ
    # The teacher moved, and lags behind the student; the optimiser has not touched it.
    start = tiny_run(Teacher, run=False, backbone=backbone, **options).training.network
    key = next(name for name, _ in network.backbone.named_parameters())
    old, average, new = (module.backbone.get_parameter(key) for module in (start, method.teacher, network))
    assert 0 < (average - old).norm() < (new - old).norm()
    ours, theirs = (run.weights() for run in runs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    network.eval()
    with torch.no_grad():
        images = runs[0].training.augmentation.test(runs[0].training.data.target)
        expected = method.teacher.eval()(images).logits.argmax(dim=1)
    assert np.array_equal(runs[0].evaluator.arrays()["predictions"][-1], expected.numpy())


class Coral(Method):
    """CORAL: give the source features the target's covariance; then the nearest neighbour."""

    loss_names = ()
    trains_network = False

    def begin_epoch(self, features, progress):
        source, target = features.source(), features.target()
        points = source.outputs.pooled.double()
        goal = target.outputs.pooled.double()
        self.points = (points - points.mean(0)) @ self.root(points, -0.5) @ self.root(goal, 0.5)
        self.centre = goal.mean(0)
        self.labels = source.labels

    def root(self, points, power):
        values, vectors = torch.linalg.eigh(torch.cov(points.T) + torch.eye(points.shape[1]))
        return vectors @ torch.diag(values**power) @ vectors.T

    def predict(self, network, images):
        outputs = network(images)
        if not hasattr(self, "points"):
            return outputs
        nearest = torch.cdist(outputs.pooled.double() - self.centre, self.points).argmin(dim=1)
        logits = functional.one_hot(self.labels[nearest], self.spec.classes).float()
        return Outputs(outputs.pooled, outputs.features, logits)


def test_a_method_that_trains_no_network(tiny_run):
    built = tiny_run(Coral, run=False)
    before = built.weights("network")
    run = tiny_run(Coral)
    after = run.weights("network")
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert [(step, losses) for step, losses, _ in run.seen] == [(4, {})]
    assert [item.step for item in run.evaluator.evaluations] == [0]
    # Coloured squares are easy for a nearest neighbour, even on random features.
    assert run.evaluator.last.accuracy > 0.5
    arrays = run.evaluator.arrays()
    assert arrays["predictions"].shape == (1, 30)
