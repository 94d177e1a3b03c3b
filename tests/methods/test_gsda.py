"""GSDA against loops written from the paper's equations, in float64.

The reference takes one discriminator at a time, one image at a time, and one ``autograd.grad`` each; the two
players' gradients come from equations 14 and 16 separately, without any gradient reversal.
"""

import math

import pytest
import torch

from dabench.layers import domain_labels, mlp
from dabench.methods.gsda import membership, sample_weights, synchronisation_loss, weighted_domain_losses

NAMES = ["gsda-glb", "gsda-glb-cls", "gsda-glb-cls-grp", "gsda"]


def separate(method) -> dict[str, list[tuple[torch.nn.Sequential, list[torch.Tensor]]]]:
    """By level: networks with copies of a bank's weights, and the gradients that the bank has for these."""
    networks = {}
    for name, bank in method.discriminators.items():
        queue = []
        for k in range(len(bank.weights[0])):
            widths = [bank.weights[0].shape[2], *(weight.shape[1] for weight in bank.weights)]
            network = mlp(widths).to(bank.weights[0].dtype)
            linear = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
            found = []
            with torch.no_grad():
                for layer, weight, bias in zip(linear, bank.weights, bank.biases, strict=True):
                    layer.weight.copy_(weight[k])
                    layer.bias.copy_(bias[k, 0])
                    if weight.grad is not None:
                        found += [weight.grad[k], bias.grad[k, 0]]
            queue.append((network, found))
        sizes = {"global": 1, "group": len(method.members), "class": method.members.shape[1]}
        for level in method.banks[name]:
            networks[level] = [queue.pop(0) for _ in range(sizes[level])]
        assert not queue
    return networks


def slow_weights(level, k, i, labels, probabilities, members):
    """Equation 7's p_i^k and equation 8's p_i^q; source images first."""
    if level == "global":
        return 1.0
    if level == "group":
        classes = [c for c in range(len(members[k])) if members[k, c] == 1]
        return sum(slow_weights("class", c, i, labels, probabilities, members) for c in classes)
    if i < len(labels):
        return 1.0 if labels[i] == k else 0.0
    return probabilities[i][k]


def slow_domain_loss(network, images, weights, source):
    """Mean over the images of weight times cross-entropy; an image of weight 0 is left out."""
    total = torch.zeros((), dtype=images[0].dtype)
    for i, image in enumerate(images):
        if weights[i] != 0:
            probability = 1 / (1 + torch.exp(-network(image)[0]))
            total = total - weights[i] * torch.log(probability if i < source else 1 - probability)
    return total / len(images)


def slow_magnitude(loss, images):
    """Sum over the images of the norm of the loss's gradient (equations 10 and 11); 0 where it is 0."""
    total = torch.zeros((), dtype=images[0].dtype)
    gradients = torch.autograd.grad(loss, images, create_graph=True, allow_unused=True)
    for gradient in gradients:
        if gradient is not None and gradient.any():
            total = total + torch.sqrt(sum(entry * entry for entry in gradient))
    return total


def slow_alignment(method, features, labels, logits, beta):
    """Losses by name, the images as separate leaves, and the separate networks by level."""
    images = [row.detach().clone().requires_grad_() for row in features]
    probabilities = [(torch.exp(row) / torch.exp(row).sum()).tolist() for row in logits.detach()]
    networks, losses, magnitude = separate(method), {}, {}
    for level in networks:
        losses[level] = torch.zeros((), dtype=features.dtype)
        magnitude[level] = []
        for k, (network, _) in enumerate(networks[level]):
            weights = [
                slow_weights(level, k, i, labels, probabilities, method.members) for i in range(len(images))
            ]
            loss = slow_domain_loss(network, images, weights, len(labels))
            losses[level] = losses[level] + loss
            magnitude[level].append(slow_magnitude(loss, images))
    if beta is not None:
        groups, classes = magnitude["group"], magnitude["class"]
        within = 0.0
        for q in range(len(groups)):
            parts = sum(classes[k] for k in range(len(classes)) if method.members[q, k] == 1)
            within = within + torch.abs(groups[q] - parts)
        across = torch.abs(magnitude["global"][0] - sum(groups))
        losses["synchronisation"] = beta * (within / len(groups) + across)
    return losses, images, networks


def slow_classification(logits, labels, alpha):
    """Equations 3 to 5 as means over the images of each domain."""
    source = len(labels)
    probabilities = [torch.exp(row) / torch.exp(row).sum() for row in logits]
    cross_entropy = -sum(torch.log(probabilities[i][labels[i]]) for i in range(source)) / source
    target = probabilities[source:]
    entropy = -sum(p * torch.log(p) for row in target for p in row) / len(target)
    return cross_entropy, alpha * entropy


def gradients(loss, inputs):
    found = torch.autograd.grad(loss, inputs, allow_unused=True, retain_graph=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(inputs, found, strict=True)]


def check(method, outputs, labels, batch, factors):
    """Compare values and all gradients of the weighted sum of the losses with the reference."""
    source, target, features, logits = outputs
    config, reversal = method.config, batch.reversal
    losses = method.losses(source, labels, target, batch)
    sum(factors.get(name, 1.0) * loss for name, loss in losses.items()).backward()

    beta = config.beta if config.synchronise else None
    expected, images, networks = slow_alignment(method, features, labels, logits, beta)
    classification, entropy = slow_classification(logits, labels, config.alpha)
    expected |= {"classification": classification, "entropy": entropy}
    assert losses.keys() == expected.keys()
    for name in losses:
        torch.testing.assert_close(losses[name], expected[name], rtol=1e-12, atol=1e-13)

    weighted = {name: factors.get(name, 1.0) * loss for name, loss in expected.items()}
    adversarial = sum(weighted[level] for level in networks)
    together = weighted.get("synchronisation", torch.zeros((), requires_grad=True))
    # Equation 17: the classifier by L_c alone.
    (by_logits,) = gradients(weighted["classification"] + weighted["entropy"], [logits])
    torch.testing.assert_close(logits.grad, by_logits, rtol=1e-10, atol=1e-14)
    # Equation 16, with lambda on all that comes from the discriminators.
    against = torch.stack(gradients(adversarial, images))
    along = torch.stack(gradients(together, images))
    torch.testing.assert_close(features.grad, reversal * (along - against), rtol=1e-9, atol=1e-14)
    # Equation 14.
    for level in networks:
        for network, found in networks[level]:
            wanted = gradients(adversarial + together, list(network.parameters()))
            for one, other in zip(found, wanted, strict=True):
                torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-14)
    if reversal > 0:
        assert features.grad.abs().max() > 1e-5


@pytest.mark.parametrize("reversal", [0.0, 0.37, 1.0])
@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients(name, reversal, make_method, make_outputs, make_batch):
    method = make_method(name, groups=2, alpha=0.3, beta=0.7, local_hidden=(6,))
    batch = make_batch(reversal=reversal)
    check(method, make_outputs(), batch.source.labels, batch, {})


@pytest.mark.parametrize("name", ["gsda-glb-cls-grp", "gsda"])
@pytest.mark.parametrize("factor", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("loss", ["global", "group", "class", "synchronisation"])
def test_the_route_respects_factors_of_the_engine(loss, factor, name, make_method, make_outputs, make_batch):
    method = make_method(name, groups=2, local_hidden=(4,), loss_weights={loss: factor})
    batch = make_batch()
    check(method, make_outputs(), batch.source.labels, batch, {loss: factor})


@pytest.mark.parametrize(
    ("sizes", "params"),
    [
        ((4, 3), {"local_hidden": ()}),  # linear discriminators
        ((4, 3), {"local_hidden": (6, 5), "groups": 3}),
        ((2, 5), {"groups": 1}),
        ((6, 2), {"groups": 4}),  # a group a class
        ((4, 3), {"seed": 11, "beta": 10.0}),
        ((4, 3), {"levels": ("class", "group", "global")}),
    ],
)
def test_other_shapes(sizes, params, make_method, make_outputs, make_batch):
    method = make_method("gsda", **{"local_hidden": (6,), **params})
    batch = make_batch(*sizes)
    check(method, make_outputs(*sizes, seed=7), batch.source.labels, batch, {"global": 0.5, "class": 2.0})


@pytest.mark.parametrize("levels", [("class",), ("group",), ("group", "class")])
def test_levels_without_the_global_one(levels, make_method, make_outputs, make_batch):
    method = make_method("gsda", levels=levels, synchronise=False)
    batch = make_batch()
    check(method, make_outputs(), batch.source.labels, batch, {})


def linear_bank(make_method):
    """Discriminators without hidden layers and with zero biases: gradients that a hand can compute."""
    method = make_method(
        "gsda", classes=2, groups=1, feature_dim=2, discriminator_hidden=(), local_hidden=(), alpha=0.0
    )
    rows = {
        "global": [[3.0, 4.0]],
        "local": [[0.0, 2.0], [1.0, 0.0], [0.0, 3.0]],
    }  # the group's, the classes'
    with torch.no_grad():
        for bank, values in rows.items():
            method.discriminators[bank].weights[0].copy_(torch.tensor(values)[:, None])
            method.discriminators[bank].biases[0].zero_()
    return method


def test_by_hand(make_method):
    # One source image of class 0, one target image with p = (1/4, 3/4), features 0: all probabilities 1/2.
    method = linear_bank(make_method)
    features = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)
    weights = torch.tensor([[1.0, 0.25], [0.0, 0.75]], dtype=torch.float64)
    losses = method.alignment(features, weights, source=1, reversal=0.5)
    log2 = math.log(2)
    assert losses["global"].item() == pytest.approx(log2)
    assert losses["group"].item() == pytest.approx(log2)
    assert losses["class"].item() == pytest.approx(log2 * (1.25 + 0.75) / 2)
    # m = sum of w * 1/2 / 2 * |a|: 2.5 for the domain, 1 for the group, 0.3125 and 0.5625 for the classes.
    assert losses["synchronisation"].item() == pytest.approx(abs(1 - 0.875) + abs(2.5 - 1))
    total = torch.stack(list(losses.values())).sum()
    total.backward()
    # dL_g/da is 0 at features 0, and m_dom = |a| / 2 grows along a / 2 |a|.
    expected = torch.tensor([[0.3, 0.4]], dtype=torch.float64)
    torch.testing.assert_close(method.discriminators["global"].weights[0].grad[0], expected)
    # The source image. Adversarial: -lambda * w * (s - 1) / 2 * a over the discriminators that weigh it, and
    # those are the domain's, the group's and class 0's.
    rows = torch.tensor([[3.0, 4.0], [0.0, 2.0], [1.0, 0.0]], dtype=torch.float64)
    against = -0.5 * (0.5 - 1) / 2 * rows.sum(0)
    # Synchronising: m grows with |s - 1|, so dm/df = -w s (1 - s) / 2 * |a| * a; L_syn counts the domain's m
    # with +1, the group's with +1 - 1 = 0, the classes' with -1.
    along = 0.5 * -0.25 / 2 * (5 * rows[0] - 1 * rows[2])
    torch.testing.assert_close(features.grad[0], against + along)


def test_synchronisation_by_hand():
    members = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    loss = synchronisation_loss(
        torch.tensor(10.0), torch.tensor([3.0, 4.0]), torch.tensor([1.0, 6.0, 4.0]), members
    )
    assert loss.item() == pytest.approx((abs(3 - 5) + abs(4 - 6)) / 2 + abs(10 - 7))


def test_numerical_derivatives(make_method, make_batch):
    method = make_method("gsda", groups=2, local_hidden=(6,))
    labels = make_batch().source.labels
    weights = sample_weights(labels, torch.randn(3, 4, dtype=torch.float64)).contiguous()
    features = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)

    def synchronisation(features, *parameters):
        # With lambda 1 the synchronisation's path to the features is the plain derivative.
        return method.alignment(features, weights, 4, 1.0)["synchronisation"]

    parameters = [parameter for parameter in method.parameters() if parameter.dim() > 1]
    assert torch.autograd.gradcheck(synchronisation, (features, *parameters), fast_mode=True)
    logits = torch.randn(4, 7, dtype=torch.float64, requires_grad=True)
    domains = domain_labels(4, 3).double().expand_as(logits)
    assert torch.autograd.gradcheck(
        lambda logits: weighted_domain_losses(logits, weights, domains), (logits,)
    )


def test_the_whole_network_in_one_backward_pass(make_method, make_batch, network):
    method = make_method("gsda", groups=2)
    batch = make_batch()

    def optimise(losses, only=None):
        torch.stack(list(losses.values())).sum().backward()

    method.train_step(network, batch, optimise)
    assert network.passes == [7]
    outputs = network(torch.cat([batch.source.images, batch.target.images]))
    labels = batch.source.labels
    losses, images, _ = slow_alignment(method, outputs.features, labels, outputs.logits, 1.0)
    adversarial = losses["global"] + losses["group"] + losses["class"]
    by_features = [
        batch.reversal * (along - against)
        for along, against in zip(
            gradients(losses["synchronisation"], images), gradients(adversarial, images), strict=True
        )
    ]
    classification = sum(slow_classification(outputs.logits, labels, 0.02))
    surrogate = classification + (outputs.features * torch.stack(by_features)).sum()
    wanted = torch.autograd.grad(surrogate, list(network.parameters()))
    for parameter, gradient in zip(network.parameters(), wanted, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-9, atol=1e-14)


def test_one_evaluation_of_each_bank_and_no_graph_of_a_gradient(
    make_method, make_outputs, make_batch, monkeypatch
):
    calls = []
    source, target, *_ = make_outputs()
    batch = make_batch()
    monkeypatch.setattr(torch.autograd, "grad", None)
    for name in NAMES:
        method = make_method(name)
        for bank, discriminators in method.discriminators.items():
            discriminators.register_forward_hook(lambda *_, key=(name, bank): calls.append(key))
        losses = method.losses(source, batch.source.labels, target, batch)
        torch.stack(list(losses.values())).sum().backward()
    assert len(calls) == len(set(calls)) == 1 + 2 + 2 + 2


@pytest.mark.parametrize("seed", [0, 1])
def test_global_level_alone_is_dann(seed, make_method, make_outputs, make_batch):
    dann = make_method("dann", seed=seed, dtype=torch.float32)
    ours = make_method("gsda-glb", seed=seed, dtype=torch.float32, alpha=0.0, target_selection=False)
    batch, found = make_batch(), []
    for method in (dann, ours):
        source, target, features, _ = make_outputs(dtype=torch.float32)
        losses = method.losses(source, batch.source.labels, target, batch)
        torch.stack(list(losses.values())).sum().backward()
        layers = method.discriminator[::2] if method is dann else None
        weights = [w for layer in layers for w in (layer.weight, layer.bias)] if layers else []
        if method is ours:
            bank = method.discriminators["global"]
            weights = [w for pair in zip(bank.weights, bank.biases, strict=True) for w in pair]
        assert len(weights) == len(list(method.parameters()))
        found.append([*losses.values(), features.grad, *weights, *(weight.grad for weight in weights)])
    assert len(found[0]) == len(found[1])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one.squeeze(), other.squeeze(), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zero_weights_give_no_nan(dtype, make_method, make_outputs, make_batch):
    # All source images of one class and target predictions of exactly 0 and 1: most gradients are exactly 0.
    source, target, features, logits = make_outputs(dtype=dtype)
    with torch.no_grad():
        logits.copy_(torch.tensor([1e4, -1e4, -1e4, -1e4], dtype=dtype).expand(7, 4))
    method = make_method("gsda", dtype=dtype)
    losses = method.losses(source, torch.zeros(4, dtype=torch.long), target, make_batch())
    torch.stack(list(losses.values())).sum().backward()
    found = [features.grad, logits.grad, *(parameter.grad for parameter in method.parameters())]
    assert all(torch.isfinite(gradient).all() for gradient in found)
    assert all(torch.isfinite(loss) for loss in losses.values())
    groups = len(method.members)
    for weight in method.discriminators["local"].weights:
        assert weight.grad[groups].any()
        assert not weight.grad[groups + 1 :].any()


def test_weights_sum_to_one_at_each_level():
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([2, 0, 2])
    weights = sample_weights(labels, torch.randn(4, 5, generator=generator).requires_grad_())
    groups = membership(5, 2, generator) @ weights
    assert weights.shape == (5, 7)
    assert groups.shape == (2, 7)
    assert not weights.requires_grad
    torch.testing.assert_close(weights.sum(0), torch.ones(7))
    torch.testing.assert_close(groups.sum(0), torch.ones(7))
    assert weights[:, 0].tolist() == [0, 0, 1, 0, 0]


def test_losses_do_not_depend_on_the_batch_size(make_method, make_outputs, make_batch):
    # Every image twice: means stay, and so does the synchronisation, up to the magnitudes' own mean.
    method = make_method("gsda", groups=2)
    _, _, features, logits = make_outputs()
    weights = sample_weights(make_batch().source.labels, logits[4:])
    once = method.alignment(features, weights, 4, 1.0)
    order = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6])
    twice = method.alignment(features[order], weights[:, order], 8, 1.0)
    for name in once:
        torch.testing.assert_close(once[name], twice[name], rtol=1e-12, atol=0)
