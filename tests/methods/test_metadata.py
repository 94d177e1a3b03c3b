"""What every shipped method says of itself, and what each of them must do on a tiny network."""

import re

import pytest
import torch

from dabench.method import METHODS, MethodConfig

GSDA_NAMES = ["gsda", "gsda-glb", "gsda-glb-cls", "gsda-glb-cls-grp"]
NAMES = ["source_only", "target_only", "dann", "cdan", "cdan+e", *GSDA_NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_a_method_introduces_itself(name):
    entry = METHODS.get(name)
    cls = entry.cls
    assert cls.title
    assert entry.summary
    assert cls.paper
    assert cls.version >= 1
    assert cls.loss_names[0] == "classification"
    assert issubclass(cls.config_class, MethodConfig)
    for field in cls.config_class.model_fields.values():
        assert field.description
        assert field.json_schema_extra["source"]
    if name not in {"source_only", "target_only"}:
        assert re.match(r"@\w+\{\w+,", cls.bibtex)
        assert cls.bibtex.count("{") == cls.bibtex.count("}")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sizes", [(4, 3), (2, 6), (5, 5)])
def test_a_step_reaches_all_weights(name, sizes, make_method, make_batch, network):
    method = make_method(name, dtype=torch.float32)
    network.float()
    named = []

    def optimise(losses, only=None):
        named.extend(losses)
        assert all(loss.dim() == 0 and torch.isfinite(loss) for loss in losses.values())
        torch.stack(list(losses.values())).sum().backward()

    method.train_step(network, make_batch(*sizes, dtype=torch.float32), optimise)
    assert set(named) <= set(method.loss_names)
    for parameter in [*network.parameters(), *method.parameters()]:
        assert parameter.grad is not None
        assert torch.isfinite(parameter.grad).all()
        assert parameter.grad.any() or parameter.dim() == 3  # one group's or class's slice may rest


@pytest.mark.parametrize("name", NAMES)
def test_one_seed_gives_one_method(name, make_method):
    first, second = make_method(name, seed=3).state_dict(), make_method(name, seed=3).state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
