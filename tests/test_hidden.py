"""Changes of what a method's state_dict does not hold are seen; those of what it holds are none."""

import copy
import datetime
import enum
import functools
import io
import itertools
import queue
import random
import re
import threading
from collections import defaultdict, deque
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from dabench.backbones import build_backbone
from dabench.config import HeadConfig
from dabench.hidden import hidden_state
from dabench.network import build_network, pooled_width
from dabench.streams import Streams


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


class Slots:
    __slots__ = ("__private", "n")

    def __init__(self):
        self.n = 0
        self.__private = 0

    def hide(self):
        self.__private += 1


class Named(dict):
    """A dictionary with an attribute."""


class Counting(nn.Module):
    n = 0


@dataclass
class Described:
    of: object


def sparse(value):
    value._values().add_(1)


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
    "numpy's old generator": (np.random.RandomState(0), lambda v: v.rand()),
    "slots": (Slots(), lambda v: setattr(v, "n", 1)),
    "private slots": (Slots(), Slots.hide),
    "attribute of a dictionary": (Named(a=1), lambda v: setattr(v, "n", 1)),
    "attribute of an unregistered module": ([Counting()], lambda v: setattr(v[0], "n", 1)),
    "deeper one": ([nn.Sequential(Counting())], lambda v: setattr(v[0][0], "n", 1)),
    "object in a set": ({Slots()}, lambda v: setattr(next(iter(v)), "n", 1)),
    "bound method": (Slots().hide, lambda v: v()),
    "partial": (functools.partial(max, [0]), lambda v: v.args[0].append(1)),
    "sparse tensor": (torch.eye(3).to_sparse(), sparse),
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


UNREADABLE = {
    "generator": lambda: (k for k in range(9)),
    "cycle": lambda: itertools.cycle([1]),
    "iterator of a list": lambda: iter([1, 2]),
    "its next": lambda: iter([1, 2]).__next__,
    "zip": lambda: [zip([1], [2], strict=True)],
    "a class of such": lambda: type("Own", (itertools.cycle,), {})([1]),
    "lock": threading.Lock,
    "queue": queue.SimpleQueue,
    "file": lambda: io.BytesIO(b"x"),
    "compressed sparse tensor": lambda: torch.eye(3).to_sparse_csc(),
}


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_counts_as_changed(name):
    holder = Holder(UNREADABLE[name]())
    holder.other = 1
    before, after = seen(holder), seen(holder)
    assert {key for key in before if before[key] != after[key]} == {"value"}


PLAIN = [
    *(len, np.add, torch.relu, torch.float32, torch.device("cpu"), torch.Size([2]), range(3), slice(1), ...),
    *(object(), lambda: 1, Slots().hide, Path("x"), re.compile("x"), datetime.timedelta(1), Fraction(1, 2)),
    *(np.float32(1), functools.partial(max, 1), functional.relu, np.dtype("f4"), enum.Enum("E", "a").a),
    *(Described(lambda: 1), functools.cache(len)),
    *(itertools.repeat(1), type("Empty", (), {"__slots__": ()})(), type("Empty", (), {})(), torch.strided),
    *(torch.optim.SGD([nn.Parameter(torch.ones(1))], 0.1), torch.cuda.amp, {}.get, defaultdict(list)),
]


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: type(value).__name__)
def test_what_has_no_state_or_keeps_it_is_not_changed(value):
    holder = Holder([value, {"a": value}])
    assert seen(holder) == seen(holder)


def test_an_attribute_that_is_new_or_of_a_part_is_seen():
    holder = Holder()
    before = seen(holder)
    holder.linear.calls = 1
    assert seen(holder).keys() - before.keys() == {"linear.calls"}


def test_a_change_in_the_network_is_seen():
    network = build_network(nn.BatchNorm2d(3), 3, HeadConfig(bottleneck=4), 2, torch.float32, Streams(0))[0]
    network.classifier.register_buffer("scale", torch.ones(1), persistent=False)
    before = seen(Holder(), network)
    network.begin_step(3)
    network.eval()
    assert seen(Holder(), network) == before
    network.backbone.momentum = 0.2
    network.classifier.scale += 1
    network.classifier.temperature = 1.05
    after = seen(Holder(), network)
    assert {key for key in after if after[key] != before.get(key)} == {
        "network.backbone.momentum",
        "network.classifier.scale",
        "network.classifier.temperature",
    }


def test_a_module_of_both_is_looked_at_once():
    network = nn.Linear(2, 2)
    holder = Holder()
    holder.part = network
    network.calls = 1
    assert [key for key in seen(holder, network) if "calls" in key] == ["part.calls"]


BACKBONES = {
    "dann_mnist": 28,
    "resnet18": 32,
    "mobilenetv2_100": 32,
    "efficientnet_b0": 32,
    "vit_tiny_patch16_224": 32,
}


@pytest.mark.parametrize("name", BACKBONES)
def test_backbones_have_no_hidden_state(name):
    size = BACKBONES[name]
    args = {} if name == "dann_mnist" else {"drop_rate": 0.1}
    backbone = build_backbone(name, args, "none", size).module
    network, _ = build_network(
        backbone, pooled_width(backbone, size), HeadConfig(), 2, torch.float32, Streams(0)
    )
    network.train()
    before = seen(Holder(), network)
    for step in range(2):
        network.begin_step(step)
        network(torch.randn(2, 3, size, size)).logits.sum().backward()
    with torch.no_grad():
        network.eval()(torch.randn(2, 3, size, size))
    network.train()
    assert seen(Holder(), network) == before


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
