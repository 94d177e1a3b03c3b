"""source_only and target_only: classification alone, both domains in one forward pass."""

import math

import pytest
import torch

from dabench.method import METHODS, Outputs

BOUNDS = ["source_only", "target_only"]


@pytest.mark.parametrize("name", BOUNDS)
def test_cross_entropy_by_hand(name, make_method, make_batch):
    # Probabilities 3/4 and 1/2 of the true classes: -(log 3/4 + log 1/2) / 2.
    logits = torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]], dtype=torch.float64)
    outputs = Outputs(logits, logits, logits)
    losses = make_method(name).losses(outputs, torch.tensor([0, 1]), outputs, make_batch())
    assert list(losses) == ["classification"]
    assert losses["classification"].item() == pytest.approx(-(math.log(0.75) + math.log(0.5)) / 2, abs=1e-12)


@pytest.mark.parametrize("name", BOUNDS)
def test_the_target_is_in_the_same_forward_pass_but_in_no_loss(name, make_method, make_batch, network):
    images = []
    batch = make_batch()
    batch.target.images.requires_grad_()

    def optimise(losses, only=None):
        torch.stack(list(losses.values())).sum().backward()
        images.append(batch.target.images.grad)

    make_method(name).train_step(network, batch, optimise)
    assert network.passes == [4 + 3]
    assert not images[0].any()


def test_only_the_upper_bound_uses_target_labels():
    assert METHODS.get("target_only").cls.uses_target_labels
    others = ["source_only", "dann", "cdan", "cdan+e", "gsda"]
    assert not any(METHODS.get(name).cls.uses_target_labels for name in others)
