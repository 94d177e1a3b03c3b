"""The network that all methods share."""

import pytest
import torch
from torch import nn

from dabench.backbones import build_backbone
from dabench.config import HeadConfig
from dabench.network import build_network, pooled_width
from dabench.streams import Streams


def build(name="test_resnet", size=32, seed=0, classes=5, precision=torch.float32, **head):
    streams = Streams(seed)
    with streams.seeded("init", "backbone"):
        backbone = build_backbone(name, {}, "none", size)
    width = pooled_width(backbone.module, size)
    network, feature_dim = build_network(
        backbone.module, width, HeadConfig(**head), classes, precision, streams
    )
    return network, width, feature_dim


def test_the_default_head():
    network, backbone_dim, feature_dim = build()
    assert (backbone_dim, feature_dim) == (96, 256)
    kinds = [type(layer) for layer in network.bottleneck]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.ReLU]
    outputs = network(torch.randn(4, 3, 32, 32))
    assert outputs.pooled.shape == (4, 96)
    assert outputs.features.shape == (4, 256)
    assert outputs.logits.shape == (4, 5)
    assert outputs.features.min() >= 0
    linear = network.classifier[0]
    torch.testing.assert_close(outputs.logits, outputs.features @ linear.weight.T + linear.bias)


def test_the_head_of_the_digits():
    """Figure 5a of the DANN paper: the label predictor 100-100-10 directly on the 768 features."""
    network, backbone_dim, feature_dim = build(
        "dann_mnist", 28, classes=10, bottleneck=None, classifier_hidden=(100, 100)
    )
    assert backbone_dim == feature_dim == 768
    shapes = [tuple(p.shape) for p in network.classifier.parameters()]
    assert shapes == [(100, 768), (100,), (100, 100), (100,), (10, 100), (10,)]
    outputs = network(torch.randn(2, 3, 28, 28))
    assert torch.equal(outputs.pooled, outputs.features)


def test_without_batch_norm():
    network, _, _ = build(bottleneck=7, bottleneck_batch_norm=False)
    assert [type(layer) for layer in network.bottleneck] == [nn.Linear, nn.ReLU]


def test_initial_weights_follow_the_seed_part_by_part():
    one, same, other = (build(seed=seed)[0].state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[key], same[key]) for key in one)
    for part in ("backbone", "bottleneck", "classifier"):
        assert any(not torch.equal(one[key], other[key]) for key in one if key.startswith(part)), part
    # A wider bottleneck changes neither backbone nor anything that is drawn by another stream.
    wide = build(bottleneck=99)[0].state_dict()
    assert all(torch.equal(one[key], wide[key]) for key in one if key.startswith("backbone"))


def test_measuring_the_widths_leaves_no_trace():
    backbone = build_backbone("test_resnet", {}, "none", 32)
    before = {key: value.clone() for key, value in backbone.module.state_dict().items()}
    width = pooled_width(backbone.module, 32)
    network, _ = build_network(backbone.module, width, HeadConfig(), 3, torch.float32, Streams(0))
    after = network.backbone.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert network.train().backbone.training


def test_features_must_be_pooled():
    with pytest.raises(ValueError, match=r"\(1, 3, 32, 32\)"):
        pooled_width(nn.Identity(), 32)


def test_only_the_backbone_runs_in_bfloat16():
    network, _, _ = build(precision=torch.bfloat16)
    kinds = {}

    def note(name):
        return lambda module, inputs, output: kinds.update({name: (inputs[0].dtype, output.dtype)})

    network.backbone.layer1.register_forward_hook(note("backbone"))
    network.bottleneck.register_forward_hook(note("bottleneck"))
    network.classifier.register_forward_hook(note("classifier"))
    outputs = network(torch.randn(4, 3, 32, 32))
    assert kinds["backbone"][1] == torch.bfloat16
    assert kinds["bottleneck"] == kinds["classifier"] == (torch.float32, torch.float32)
    assert {outputs.pooled.dtype, outputs.features.dtype, outputs.logits.dtype} == {torch.float32}
    outputs.logits.sum().backward()
    assert {p.grad.dtype for p in network.parameters() if p.grad is not None} == {torch.float32}


def test_split():
    network, _, _ = build()
    outputs = network(torch.randn(5, 3, 32, 32))
    source, target = outputs.split(2)
    assert (len(source), len(target)) == (2, 3)
    assert torch.equal(torch.cat([source.logits, target.logits]), outputs.logits)
    assert torch.equal(target.pooled, outputs.pooled[2:])


@pytest.mark.parametrize("other", [(1, 0), (0, 1)], ids=["another step", "another pass"])
def test_dropout_follows_step_and_pass(other):
    backbone = nn.Sequential(nn.Flatten(), nn.Dropout(0.5))
    network, _ = build_network(backbone, 192, HeadConfig(bottleneck=None), 3, torch.float32, Streams(0))
    images = torch.ones(2, 3, 8, 8)

    def draw(step, passes):
        network.begin_step(step)
        for _ in range(passes + 1):
            pooled = network(images).pooled
        return pooled

    network.train()
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = draw(0, 0)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, draw(0, 0))
    assert not torch.equal(first, draw(*other))
    network.eval()
    assert torch.equal(network(images).pooled, images.flatten(1))
