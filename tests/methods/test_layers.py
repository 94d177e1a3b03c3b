"""The stacked networks equal separate ones; the gradient routes do what they say."""

import pytest
import torch
from torch import nn

from dabench.layers import StackedMLP, add_gradient, domain_loss, mlp, reverse_gradient, scale_gradient

WIDTHS = [(5, 1), (5, 8, 1), (5, 8, 6, 2)]


def separate(count, widths, seed):
    torch.manual_seed(seed)
    return [mlp(widths) for _ in range(count)]


def linear(network):
    return [layer for layer in network if isinstance(layer, nn.Linear)]


@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_stacked_equals_a_loop_over_separate_networks(widths, dtype, tolerance):
    count = 7
    networks = [network.to(dtype) for network in separate(count, widths, seed=4)]
    torch.manual_seed(4)
    stacked = StackedMLP(count, widths).to(dtype)
    inputs = torch.randn(9, widths[0], dtype=dtype)
    found, wanted = [], []
    expanded = inputs.expand(count, *inputs.shape).requires_grad_()
    outputs = stacked(expanded)
    (gradient,) = torch.autograd.grad(outputs.square().sum(), [expanded], create_graph=True)
    (outputs.sin().sum() + torch.linalg.vector_norm(gradient, dim=2).sum()).backward()
    for k, network in enumerate(networks):
        own = inputs.clone().requires_grad_()
        output = network(own)
        (own_gradient,) = torch.autograd.grad(output.square().sum(), [own], create_graph=True)
        (output.sin().sum() + torch.linalg.vector_norm(own_gradient, dim=1).sum()).backward()
        wanted += [output, own_gradient, own.grad]
        found += [outputs[k], gradient[k], expanded.grad[k]]
        for layer, weight, bias in zip(linear(network), stacked.weights, stacked.biases, strict=True):
            wanted += [layer.weight.grad, layer.bias.grad, layer.weight]
            found += [weight.grad[k].T, bias.grad[k, 0], weight[k].T]
    for one, other in zip(found, wanted, strict=True):
        assert (one - other).norm() <= tolerance * other.norm()


def test_gradient_routes():
    values = torch.tensor([1.0, -2.0], requires_grad=True)
    scaled = scale_gradient(values, 0.5)
    assert torch.equal(scaled, values)
    scaled.square().sum().backward()
    assert values.grad.tolist() == [1.0, -2.0]  # half of 2 x
    values.grad = None
    reverse_gradient(values, 0.5).square().sum().backward()
    assert values.grad.tolist() == [-1.0, 2.0]


def test_an_added_gradient_scales_with_its_loss():
    values = torch.tensor([1.0, -2.0], requires_grad=True)
    loss = values.square().sum()
    routed = add_gradient(loss, values, torch.tensor([10.0, 20.0]))
    assert routed.item() == loss.item()
    (3 * routed).backward()
    assert values.grad.tolist() == [3 * (2 + 10), 3 * (-4 + 20)]


def test_weights_of_the_domain_loss_receive_gradients():
    logits = torch.zeros(2, dtype=torch.float64)
    weights = torch.tensor([1.0, 3.0], dtype=torch.float64, requires_grad=True)
    loss = domain_loss(logits, 1, weights)
    loss.backward()
    log2 = torch.log(torch.tensor(2.0)).item()
    assert loss.item() == pytest.approx(2 * log2, abs=1e-6)
    assert weights.grad.tolist() == pytest.approx([log2 / 2, log2 / 2], abs=1e-6)
