"""DANN against loops written from the equations, in float64."""

import math

import pytest
import torch

from dabench.layers import mlp
from dabench.methods.dann import adversarial_loss

LAMBDAS = [0.0, 0.37, 1.0]


def slow_domain_loss(features, network, source):
    """Equation 9's domain term: one image at a time, from the definition of the cross-entropy."""
    total = torch.zeros((), dtype=features.dtype)
    for i in range(len(features)):
        probability = 1 / (1 + torch.exp(-network(features[i])[0]))
        total = total - torch.log(probability if i < source else 1 - probability)
    return total / len(features)


@pytest.mark.parametrize("reversal", LAMBDAS)
@pytest.mark.parametrize("sizes", [(4, 3), (1, 6)])
def test_value_and_gradients(reversal, sizes, make_method, make_outputs, make_batch):
    source, target, features, logits = make_outputs(*sizes)
    method = make_method("dann")
    batch = make_batch(*sizes, reversal=reversal)
    losses = method.losses(source, batch.source.labels, target, batch)
    assert set(losses) == {"classification", "domain"}
    torch.stack(list(losses.values())).sum().backward()

    expected = slow_domain_loss(features, method.discriminator, sizes[0])
    parameters = list(method.discriminator.parameters())
    by_features, *by_weights = torch.autograd.grad(expected, [features, *parameters])
    torch.testing.assert_close(losses["domain"], expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(features.grad, -reversal * by_features, rtol=1e-10, atol=1e-14)
    for parameter, gradient in zip(parameters, by_weights, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-10, atol=1e-14)  # never reversed
    assert not logits.grad[sizes[0] :].any()  # the domain loss leaves the classifier alone


def test_by_hand():
    # Linear discriminator (3, 4) at features 0: probability 1/2, loss log 2, by the logit -+1/2 / 2 images.
    network = mlp((2, 1)).double()
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[3.0, 4.0]]))
        network[0].bias.zero_()
    features = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)
    loss = adversarial_loss(features, network, 1, 0.5)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2), abs=1e-12)
    expected = torch.tensor([[0.375, 0.5], [-0.375, -0.5]], dtype=torch.float64)  # -0.5 * (-+1/4) * (3, 4)
    torch.testing.assert_close(features.grad, expected, rtol=0, atol=1e-14)


def test_the_discriminator_descends_and_the_features_ascend():
    torch.manual_seed(0)
    network = mlp((3, 8, 1)).double()
    features = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    before = adversarial_loss(features, network, 3, 1.0)
    before.backward()
    with torch.no_grad():
        moved = adversarial_loss(features - 1e-3 * features.grad, network, 3, 1.0)
        for parameter in network.parameters():
            parameter -= 1e-3 * parameter.grad
        after = adversarial_loss(features, network, 3, 1.0)
    assert moved > before > after


def test_no_dropout_and_no_batch_norm(make_method):
    kinds = {type(module).__name__ for module in make_method("dann").discriminator}
    assert kinds == {"Linear", "ReLU"}
