"""Changes of what a method's state_dict does not hold are seen; those of what it holds are none."""

import copy
import itertools
import random
from collections import deque
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from dabench.hidden import hidden_state


class Holder(nn.Module):
    def __init__(self, value=None):
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.value = value


def seen(holder, network=None, generator=None):
    return hidden_state(holder, network or nn.Linear(1, 1), generator or torch.Generator())


def teacher(module):
    with torch.no_grad():
        module[0].weight += 1


CHANGES = {
    "list": ([1, 2, 1], lambda v: v.__setitem__(2, 2)),
    "tensor": (torch.zeros(2), lambda v: v.add_(1)),
    "array": (np.zeros(2), lambda v: v.__setitem__(0, 1)),
    "objects": (np.array([{}], dtype=object), lambda v: v[0].update(a=1)),
    "dict": ({"a": {"b": [1]}}, lambda v: v["a"]["b"].append(2)),
    "deque": (deque([1]), lambda v: v.append(2)),
    "set": ({1}, lambda v: v.add(2)),
    "count": (itertools.count(), next),
    "torch's generator": (torch.Generator(), lambda v: torch.rand(1, generator=v)),
    "numpy's generator": (np.random.default_rng(0), lambda v: v.random()),
    "Python's generator": (random.Random(0), lambda v: v.random()),
    "unregistered module": ([nn.Linear(2, 2)], teacher),
    "object": (SimpleNamespace(a=SimpleNamespace(b=1)), lambda v: setattr(v.a, "b", 2)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_seen(name):
    value, change = CHANGES[name]
    holder = Holder(copy.deepcopy(value) if name != "torch's generator" else value)
    before = seen(holder)
    assert before == seen(holder)
    change(holder.value)
    assert {key for key, digest in seen(holder).items() if digest != before[key]} == {"value"}


def test_an_attribute_that_is_new_or_of_a_part_is_seen():
    holder = Holder()
    before = seen(holder)
    holder.linear.calls = 1
    assert seen(holder).keys() - before.keys() == {"linear.calls"}


def test_what_is_kept_is_no_hidden_state():
    network, generator = nn.Linear(2, 2), torch.Generator()
    holder = Holder([network, generator, network.weight.data, {"w": network.weight}])
    holder.register_buffer("bank", torch.zeros(1))
    before = seen(holder, network, generator)
    teacher([network])
    teacher([holder.linear])
    torch.rand(1, generator=generator)
    holder.bank = torch.ones(2)
    holder.eval()
    assert seen(holder, network, generator) == before


def test_cycles_end_and_modules_and_classes_are_passed_by():
    value: list = [np, nn.Linear, len]
    value.append(value)
    holder = Holder(value)
    assert seen(holder) == seen(holder)


def test_a_module_that_gives_its_state_out_is_believed():
    class Giving(Holder):
        def get_extra_state(self):
            return self.value

    holder = Giving(1)
    before = seen(holder)
    holder.value = 2
    assert seen(holder) == before
