"""The stacked networks equal separate ones; the gradient routes do what they say."""

import pytest
import torch
from torch import nn

from dabench.layers import StackedMLP, domain_loss, mlp, reverse_gradient, scale_gradient

WIDTHS = [(5,), (5, 8), (5, 8, 6), (5, 8, 6, 7)]
ROWS = torch.randint(9, (7, 4), generator=torch.Generator().manual_seed(0))  # with repetitions


def linear(network):
    return [layer for layer in network if isinstance(layer, nn.Linear)]


def one_by_one(networks, inputs, again, rows):
    """Outputs by both ways and norms of their gradients, one network and one input at a time: (K, R) each."""
    found = []
    for k, network in enumerate(networks):
        for row in range(len(inputs)) if rows is None else rows[k].tolist():
            own = inputs[row].detach().requires_grad_()
            (slope,) = torch.autograd.grad(network(own).squeeze(), [own], create_graph=True)
            ways = [network(way[row]).squeeze() for way in (inputs, again)]
            found.append(torch.stack([*ways, torch.linalg.vector_norm(slope)]))
    return torch.stack(found).T.unflatten(1, (len(networks), -1))


@pytest.mark.parametrize("rows", [None, ROWS], ids=["all", "chosen"])
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_stacked_equals_a_loop_over_separate_networks(widths, dtype, tolerance, rows):
    torch.manual_seed(4)
    networks = [mlp((*widths, 1)).to(dtype) for _ in range(7)]
    torch.manual_seed(4)
    stacked = StackedMLP(7, widths).to(dtype)
    inputs = torch.randn(9, widths[0], dtype=dtype)
    found, wanted = [], []
    for run, into in ((stacked, found), (lambda *args: one_by_one(networks, *args), wanted)):
        first, second = inputs.clone().requires_grad_(), inputs.clone().requires_grad_()
        outputs, again, norms = run(first, second, rows)
        # All second derivatives occur: the three values are mixed and bent.
        loss = (outputs.sin() + again.square() * norms + norms.square() * again.cos()).sum()
        loss.backward()
        into += [outputs, again, norms, first.grad, second.grad]
    for k, network in enumerate(networks):
        for layer, weight, bias in zip(linear(network), stacked.weights, stacked.biases, strict=True):
            wanted += [layer.weight, layer.bias, layer.weight.grad, layer.bias.grad]
            found += [weight[k], bias[k, 0], weight.grad[k], bias.grad[k, 0]]
    for one, other in zip(found, wanted, strict=True):
        assert one.shape == other.shape
        assert (one - other).norm() <= tolerance * other.norm()


def test_numerical_derivatives_of_a_stack():
    torch.manual_seed(0)
    stacked = StackedMLP(3, (4, 6, 5)).double()
    inputs = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    parameters = list(stacked.parameters())

    def run(inputs, *parameters):
        outputs, _, norms = stacked(inputs, inputs.detach())
        return outputs, norms

    assert torch.autograd.gradcheck(run, (inputs, *parameters))


def test_a_flat_network_gives_zeros_and_no_nan():
    stacked = StackedMLP(2, (3, 4))
    with torch.no_grad():
        stacked.biases[0].fill_(-100)  # all units off
    inputs = torch.randn(5, 3, requires_grad=True)
    outputs, again, norms = stacked(inputs, inputs)
    assert torch.equal(norms, torch.zeros(2, 5))
    (outputs + again + norms).sum().backward()
    assert not inputs.grad.any()
    assert not stacked.weights[0].grad.any()
    assert stacked.biases[1].grad.flatten().tolist() == [10.0, 10.0]


def test_a_third_derivative_is_refused():
    stacked = StackedMLP(2, (3, 4))
    inputs = torch.randn(5, 3, requires_grad=True)
    outputs, _, norms = stacked(inputs, inputs)
    (gradient,) = torch.autograd.grad((outputs * norms).sum(), [inputs], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_gradient_routes():
    values = torch.tensor([1.0, -2.0], requires_grad=True)
    scaled = scale_gradient(values, 0.5)
    assert torch.equal(scaled, values)
    scaled.square().sum().backward()
    assert values.grad.tolist() == [1.0, -2.0]  # half of 2 x
    values.grad = None
    reverse_gradient(values, 0.5).square().sum().backward()
    assert values.grad.tolist() == [-1.0, 2.0]


def test_weights_of_the_domain_loss_receive_gradients():
    logits = torch.zeros(2, dtype=torch.float64)
    weights = torch.tensor([1.0, 3.0], dtype=torch.float64, requires_grad=True)
    loss = domain_loss(logits, 1, weights)
    loss.backward()
    log2 = torch.log(torch.tensor(2.0)).item()
    assert loss.item() == pytest.approx(2 * log2, abs=1e-6)
    assert weights.grad.tolist() == pytest.approx([log2 / 2, log2 / 2], abs=1e-6)


def test_batch_normalisation_stands_before_each_relu_on_request():
    kinds = [type(layer).__name__ for layer in mlp((5, 8, 6, 1), batch_norm=True)]
    assert kinds == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d", "ReLU", "Linear"]
    assert [type(layer).__name__ for layer in mlp((5, 1), batch_norm=True)] == ["Linear"]
    torch.manual_seed(0)
    plain = linear(mlp((5, 8, 6, 1)))
    torch.manual_seed(0)
    for one, other in zip(plain, linear(mlp((5, 8, 6, 1), batch_norm=True)), strict=True):
        assert torch.equal(one.weight, other.weight), "the same draws with and without"


@pytest.mark.parametrize("method", ["dann", "cdan", "cdan+e"])
def test_the_configured_discriminator_is_normalised(tiny_run, method):
    built = tiny_run(method, **{"head.discriminator_batch_norm": True}).training.method
    kinds = [type(layer).__name__ for layer in built.discriminator]
    assert kinds == ["Linear", "BatchNorm1d", "ReLU", "Linear"]
    assert int(built.discriminator[1].num_batches_tracked) == 4, "one pass of both domains a step"
