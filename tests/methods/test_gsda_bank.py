"""GSDA's alignment at the size of Office-Home against a loop over single discriminators.

The loop has plain linear layers and autograd, one discriminator at a time; nothing of it is batched, nothing
is derived by hand, and every discriminator reads every image.
"""

import pytest
import torch
from torch import nn
from torch.nn import functional

from dabench.layers import mlp
from dabench.methods import gsda
from dabench.methods.gsda import relevant_images, sample_weights

CLASSES, GROUPS, SOURCE, TARGET, FEATURES = 65, 13, 32, 32, 20
REVERSAL = 0.6
LEVELS = ("global", "group", "class")


@pytest.fixture
def make_case(make_method, make_outputs):
    """A method of the given type and hidden layers, leaves for its features, and the images' weights."""

    def make(dtype, hidden, name="gsda"):
        method = make_method(
            name,
            dtype=dtype,
            classes=CLASSES,
            feature_dim=FEATURES,
            groups=GROUPS,
            local_hidden=hidden,
            discriminator_hidden=(16, 16),
            beta=0.5,
        )
        labels = torch.randint(CLASSES, (SOURCE,), generator=torch.Generator().manual_seed(5))
        _, target, features, _ = make_outputs(SOURCE, TARGET, features=FEATURES, classes=CLASSES, dtype=dtype)
        return method, features, sample_weights(labels, 3 * target.logits)

    return make


def discriminators(method):
    """Single networks with copies of the weights, by level, and the gradients found for these weights."""
    networks, found = [], []
    for bank in method.discriminators.values():
        for k in range(len(bank.weights[0])):
            widths = [bank.weights[0].shape[2], *(weight.shape[1] for weight in bank.weights)]
            network = mlp(widths).to(bank.weights[0].dtype)
            layers = [layer for layer in network if isinstance(layer, nn.Linear)]
            for layer, weight, bias in zip(layers, bank.weights, bank.biases, strict=True):
                layer.weight.data.copy_(weight[k])
                layer.bias.data.copy_(bias[k, 0])
                found += [weight.grad[k], bias.grad[k, 0]]
            networks.append(network)
    return networks, found


def loop(networks, features, weights, members, beta):
    """The four losses: features (N, D) once for the adversarial losses and once for the synchronisation."""
    against, along = features
    domains = torch.zeros(SOURCE + TARGET, dtype=against.dtype)
    domains[:SOURCE] = 1
    weighing = [
        torch.ones_like(weights[0]),
        *(weights[members[q] == 1].sum(0) for q in range(GROUPS)),
        *weights,
    ]
    losses, magnitudes = [], []
    for network, weight in zip(networks, weighing, strict=True):
        first, second = (
            functional.binary_cross_entropy_with_logits(network(way).squeeze(1), domains, weight=weight)
            for way in (against, along)
        )
        (gradient,) = torch.autograd.grad(second, [along], create_graph=True)
        losses.append(first)
        magnitudes.append(torch.linalg.vector_norm(gradient, dim=1).sum())
    domain, groups, classes = magnitudes[0], magnitudes[1 : 1 + GROUPS], magnitudes[1 + GROUPS :]
    within = sum(
        (groups[q] - sum(classes[k] for k in range(CLASSES) if members[q, k] == 1)).abs()
        for q in range(GROUPS)
    )
    return {
        "global": losses[0],
        "group": sum(losses[1 : 1 + GROUPS]),
        "class": sum(losses[1 + GROUPS :]),
        "synchronisation": beta * (within / GROUPS + (domain - sum(groups)).abs()),
    }


@pytest.mark.parametrize("hidden", [(), (24,), (16, 12)], ids=str)
@pytest.mark.parametrize("gathered", [True, False], ids=["gathered", "all"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_the_bank_equals_the_loop(dtype, tolerance, gathered, hidden, make_case, monkeypatch):
    if not gathered:
        monkeypatch.setattr(gsda, "relevant_images", lambda weights, source: None)
    method, features, weights = make_case(dtype, hidden)
    factors = {"global": 0.7, "group": 1.5, "class": 1.0, "synchronisation": 0.4}
    losses = method.alignment(features, weights, SOURCE, REVERSAL)
    torch.stack([factors[name] * loss for name, loss in losses.items()]).sum().backward()
    networks, found = discriminators(method)

    ways = [features.detach().clone().requires_grad_() for _ in range(2)]
    expected = loop(networks, ways, weights, method.members, method.config.beta)
    assert losses.keys() == expected.keys()
    parameters = [parameter for network in networks for parameter in network.parameters()]
    total = torch.stack([factors[name] * loss for name, loss in expected.items()]).sum()
    *by_parameters, against, along = torch.autograd.grad(total, [*parameters, *ways])
    # Each tensor of each discriminator by itself, so that none hides behind a larger one.
    pairs = [
        *((losses[name], expected[name]) for name in losses),
        (features.grad, REVERSAL * (along - against)),
        *zip(found, by_parameters, strict=True),
    ]
    for one, other in pairs:
        assert (one - other).norm() <= tolerance * other.norm()


def test_relevant_images_by_hand():
    weights = torch.tensor(
        [
            [0.0, 1.0, 0.0, 0.3, 0.0],
            [1.0, 0.0, 0.4, 0.1, 0.9],
            [0.0, 0.0, 0.0, 0.6, 0.1],
        ]
    )
    # Source images 0 to 2: 1 for the first, 0 and 2 for the second; then both target images.
    assert relevant_images(weights, 3).tolist() == [[1, 0, 3, 4], [0, 2, 3, 4], [0, 1, 3, 4]]
    assert relevant_images(weights[1:2, [0, 2, 3, 4]], 2) is None  # all of them
    assert relevant_images(weights[:, 3:], 0) is None  # no source image at all
    assert relevant_images(torch.zeros(2, 3), 2).tolist() == [[2], [2]]


def test_every_weight_is_seen_once(make_case):
    _, _, weights = make_case(torch.float64, ())
    rows = relevant_images(weights, SOURCE)
    assert rows.shape[1] < SOURCE + TARGET
    assert all(len(set(row)) == len(row) for row in rows.tolist())
    torch.testing.assert_close(weights.gather(1, rows).sum(1), weights.sum(1), rtol=1e-14, atol=0)


def test_an_image_of_another_class_changes_nothing_of_a_class(make_case):
    method, features, weights = make_case(torch.float64, (24,), "gsda-glb-cls")
    found = []
    for shift in (0.0, 5.0):
        moved = features.detach().clone()
        moved[0] += shift  # the first source image
        method.zero_grad()
        method.alignment(moved.requires_grad_(), weights, SOURCE, REVERSAL)["class"].backward()
        found.append([weight.grad for weight in method.discriminators["local"].weights])
    own = int(weights[:, 0].argmax())
    for before, after in zip(*found, strict=True):
        changed = (before != after).flatten(1).any(1)
        assert changed.nonzero().flatten().tolist() == [own]
