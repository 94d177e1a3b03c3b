"""Makers of files of weights that are none: pickles that run code, headers that lie."""

import io
import json
import pickle
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hostile import Case, Payload, Sound, dumped, manifest, noise, of_kind, put, run, word
from hostile_servers import watched

__all__: list[str] = []


class Large:
    """Takes memory when it is unpickled, by a name that readers of weights allow."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __reduce__(self) -> tuple[Any, ...]:
        return bytearray, (self._size,)


class Tensor:
    """As ``Large``, by another name."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __reduce__(self) -> tuple[Any, ...]:
        import torch

        return torch.Tensor, ([[0.0] * self._size] * self._size,)


def large(moments: random.Random) -> Large:
    return Large(moments.randint(700, 1000) * 2**20)


def old(moments: random.Random, content: Any = None) -> bytes:
    """As PyTorch saved it before 1.6, without storages: the content takes memory if none is given."""
    content = {word(moments): large(moments)} if content is None else content
    parts = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, content)
    return b"".join(pickle.dumps(part, 2) for part in parts)


def saved(content: Any) -> bytes:
    """As PyTorch saves it."""
    import torch

    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def archive(moments: random.Random, content: bytes, member: str = "data.pkl") -> bytes:
    """A file of PyTorch's with a pickle of our own."""
    buffer, name = io.BytesIO(), word(moments)
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(f"{name}/{member}", content)
        file.writestr(f"{name}/version", "3\n")
    return buffer.getvalue()


def tensors(header: dict[str, Any] | bytes, content: bytes = b"", size: int | None = None) -> bytes:
    """A file of safetensors."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + content


def part(shape: list[int], *offsets: int) -> dict[str, Any]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [*offsets]}


WEIGHTS: dict[str, tuple[str, Callable[[random.Random], bytes]]] = {
    "payload": ("pth", lambda m: saved({"state_dict": {word(m): Payload(m)}})),
    "pickle": ("pth", lambda m: pickle.dumps(Payload(m), protocol=m.randint(0, 5))),
    "archive": ("pt", lambda m: archive(m, pickle.dumps(Payload(m)))),
    "old": ("pth", lambda m: b"".join(map(pickle.dumps, (0x1950A86A20F9469CFC6C, 1001, {}, Payload(m))))),
    "misnamed": ("safetensors", lambda m: pickle.dumps(Payload(m))),
    "large": ("pth", lambda m: archive(m, pickle.dumps({word(m): large(m)}, 2))),
    "two in one": ("pth", lambda m: old(m) + archive(m, pickle.dumps({}, 2))),
    "late": ("pth", lambda m: old(m, {}) + pickle.dumps([large(m)], 2)),
    "case": ("pth", lambda m: archive(m, pickle.dumps({word(m): large(m)}, 2), "DATA.PKL")),
    "tensor": ("pth", lambda m: saved({word(m): Tensor(m.randint(5, 50))})),
    "noise": ("pth", lambda m: noise(m, m.randint(1, 5000))),
    "nothing": ("pth", lambda m: b"\0" * m.randint(0, 99)),
    "numbers": ("pth", lambda m: saved([m.random()])),
    "cut": ("pth", lambda m: saved({word(m): [1] * 99})[: m.randint(0, 700)]),
    "garbage": ("safetensors", lambda m: noise(m, m.randint(1, 5000))),
    "long header": ("safetensors", lambda m: tensors({}, noise(m, 9), size=m.randint(2**20, 2**63))),
    "far": ("safetensors", lambda m: tensors({word(m): part([2**40], 0, 2**42)}, noise(m, 64))),
    "overlap": ("safetensors", lambda m: tensors({word(m): part([4], 0, 16), "b": part([4], 8, 24)})),
    "deep": ("safetensors", lambda m: tensors(b"[" * m.randint(1000, 10**6))),
    "others": ("safetensors", lambda m: tensors({word(m): part([4], 0, 16)}, noise(m, 16))),
}  # fmt: skip


@of_kind("weights", *WEIGHTS, "pipe", "folder", "device", "loop", "huge")
def weights_file(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    """A local file that a command, a sweep or a manifest names."""
    ending, make = WEIGHTS.get(which, (moments.choice(["pth", "safetensors"]), lambda _: b""))
    path = folder / f"{word(moments)}.{ending}"
    if which in WEIGHTS:
        path.write_bytes(make(moments))
    else:
        put(path, which, moments)
    suite, named, how = str(sound.suite), path.name, moments.randrange(3)
    if how == 0:
        return Case(run("--suite", suite, "--method", "dann", "--weights", path.name), named)
    if how == 1:
        dumped(folder / "sweep.yaml", {"suites": [suite], "methods": ["dann"], "weights": path.name})
        return Case(run("sweep.yaml"), named)
    content = manifest(moments, sound)
    content["recipe"]["weights"] = {"value": path.name, "source": "our choice"}
    dumped(folder / "my.yaml", content)
    return Case(run("--suite", "my.yaml", "--method", "dann"), named)


@of_kind("weights", "url", "file", "hub", "checkpoint")
def weights_elsewhere(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    """Arguments of a backbone that name a server, or a file that runs code; nobody asks or reads it."""
    import os

    content, server = manifest(moments, sound), watched(os.environ["DABENCH_CANARY"])
    path = folder / f"{word(moments)}.pth"
    path.write_bytes(
        moments.choice([pickle.dumps(Payload(moments)), saved({"state_dict": Payload(moments)})])
    )
    overlay = {
        "url": {"url": f"{server}/../../{word(moments)}-12345678.pth", "hf_hub_id": None},
        "file": {"file": str(path)}, "hub": {"hf_hub_id": f"{server}/{word(moments)}"}, "checkpoint": {},
    }[which]  # fmt: skip
    key = "checkpoint_path" if which == "checkpoint" else "pretrained_cfg_overlay"
    values = {
        "backbone": moments.choice(["resnet18", "test_resnet", "dann_mnist"]),
        "weights": "none" if which == "checkpoint" else "default",
        f"backbone_args.{key}": str(path) if which == "checkpoint" else overlay,
        "image.size": 32, "image.resize": 32,
    }  # fmt: skip
    content["recipe"] |= {name: {"value": value, "source": "our choice"} for name, value in values.items()}
    dumped(folder / "my.yaml", content)
    port = server.rpartition(":")[2]
    return Case(run("--suite", "my.yaml", "--method", "dann"), "backbone_args", blank=(port,))
