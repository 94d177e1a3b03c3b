"""Nested state as JSON and tensors."""

import json
import math
from collections import OrderedDict

import numpy as np
import pytest
import torch

from dabench.tree import Unstorable, flatten, unflatten

CPU = torch.device("cpu")


def around(state):
    facts, tensors = flatten(state)
    return unflatten(json.loads(json.dumps(facts)), {k: v.clone() for k, v in tensors.items()}, CPU)


def test_there_and_back():
    state = {"a": [1, 2.5, None, True, "x"], 3: (1, {"": [], "dict": {}}), "tensor": {"tensor": 1}}
    assert around(state) == state
    assert type(around(state)[3]) is tuple
    assert around(OrderedDict(a=1)) == {"a": 1}
    assert math.isnan(around([float("nan")])[0])
    assert around(0.1 + 0.2) == 0.1 + 0.2


@pytest.mark.parametrize(
    "value",
    [
        torch.arange(24.0).reshape(2, 3, 4),
        torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1),
        torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last),
        torch.rand(4, 4).T,
        torch.rand(3, 1).expand(3, 4),
        torch.tensor(1.5),
        torch.zeros(0, 2),
    ],
    ids=["plain", "permuted", "channels last", "turned", "expanded", "scalar", "empty"],
)
def test_tensors_keep_values_and_the_order_in_which_they_lie(value):
    found = around([value])[0]
    assert torch.equal(found, value)
    assert found.dtype == value.dtype
    if 0 not in value.stride():  # not expanded
        assert found.stride() == value.stride()


def test_one_tensor_is_stored_once():
    value = torch.rand(3)
    _, tensors = flatten({"a": value, "b": [value, value.detach()], "c": value[:2]})
    assert len(tensors) == 2


@pytest.mark.parametrize(
    "state",
    [
        {"a": {1}},
        {"a": np.zeros(2)},
        {"a": np.float64(1)},
        {(1, 2): 3},
        [object()],
        {True: 1},
        torch.eye(2).to_sparse(),
    ],
    ids=["set", "array", "number of numpy", "key", "object", "truth as key", "sparse"],
)
def test_anything_else_is_named(state):
    with pytest.raises(Unstorable, match=r"^state.* (is a|has the key) "):
        flatten(state)
