"""Makers of malformed inputs, by kind: each writes files and says which command has to refuse them."""

import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

__all__ = ["ARRAYS", "KINDS", "Case", "Sound", "copied", "noise", "of_kind", "run"]


@dataclass(frozen=True)
class Sound:
    """What malformed inputs are made from: a manifest, and a results folder."""

    suite: Path
    results: Path


@dataclass(frozen=True)
class Case:
    """The command that gets the input, the exit codes of an error, and what the error has to name."""

    arguments: list[str]
    named: str
    codes: tuple[int, ...] = (2,)


Maker = Callable[[random.Random, Path, Sound], Case]
KINDS: dict[str, list[Maker]] = {}


def of_kind(kind: str, *choices: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a maker, once for each of the choices."""

    def decorate(make: Callable[..., Case]) -> Callable[..., Case]:
        for choice in choices or (None,):

            def maker(moments: random.Random, folder: Path, sound: Sound, choice: Any = choice) -> Case:
                return (
                    make(moments, folder, sound) if choice is None else make(moments, folder, sound, choice)
                )

            maker.__name__ = f"{make.__name__} {choice!r:.60}" if choice is not None else make.__name__
            KINDS.setdefault(kind, []).append(maker)
        return make

    return decorate


def noise(moments: random.Random, size: int) -> bytes:
    return moments.randbytes(size)


def laughs(moments: random.Random) -> str:
    """A few lines that stand for billions of values."""
    fan = moments.randint(8, 12)
    rows = ["a0: &a0 [" + ",".join("x" * fan) + "]"]
    rows += [f"a{k}: &a{k} [{','.join([f'*a{k - 1}'] * fan)}]" for k in range(1, moments.randint(9, 20))]
    return "\n".join(rows)


YAML_TEXTS: dict[str, Callable[[random.Random], str | bytes]] = {
    "laughs": laughs,
    "deep": lambda m: "[" * m.randint(40, 200_000),
    "deep mapping": lambda m: "".join(f"{' ' * k}a:\n" for k in range(m.randint(40, 300))),
    "code": lambda m: m.choice(
        ["!!python/object/apply:os.system ['touch evil']", "!!python/name:os.system x"]
    ),
    "bad tag": lambda m: m.choice(
        ["!!bool maybe", "!!timestamp soon", "!!int x", "!!float y", "!!binary z", "!x y"]
    ),
    "noise": lambda m: b"\xff" + noise(m, m.randint(1, 5000)),
    "control": lambda m: f"a: {chr(m.randint(0, 8))}",
    "open": lambda m: m.choice(["[a", "{a", '"a', "a: b: c", "- a\nb", "a: [1, 2\nb: 3", "*a", "? [1]\n: 2"]),
    "surrogate": lambda m: f'"\\ud8{m.randint(0, 99):02d}"',
    "scalar": lambda m: str(m.random()),
    "list": lambda m: "- a\n" * m.randint(1, 50),
    "self": lambda m: "a: &a [*a]",
    "long number": lambda m: "a: " + "9" * m.randint(200, 100_000),
    "several": lambda m: "a: 1\n---\nb: 2",
    "large": lambda m: "#" * (2**20 + m.randint(1, 1000)),
}


def bad_yaml(moments: random.Random, path: Path, kind: str) -> None:
    text = YAML_TEXTS[kind](moments)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def run(*words: str) -> list[str]:
    return ["run", "--dry-run", *words]


@of_kind("configurations", *YAML_TEXTS)
def sweep_file(moments: random.Random, folder: Path, sound: Sound, kind: str) -> Case:
    bad_yaml(moments, folder / "sweep.yaml", kind)
    return Case(run("sweep.yaml"), "sweep.yaml")


@of_kind("configurations", *YAML_TEXTS)
def recipe_file(moments: random.Random, folder: Path, sound: Sound, kind: str) -> Case:
    bad_yaml(moments, folder / "it.yaml", kind)
    flag = moments.choice(["--recipe", "--protocol"])
    return Case(run("--method", "dann", "--suite", str(sound.suite), flag, "it.yaml"), "it.yaml")


WRONG_SWEEPS: list[tuple[dict[str, Any], str]] = [
    ({"seeds": 10**9}, "seeds"), ({"seeds": -1}, "seeds"), ({"seeds": "x"}, "seeds"), 
    ({"methods": 3}, "methods"),
    ({"methods": ["nobody"]}, "nobody"), ({"suites": ["../../etc"]}, "../../etc"), ({"what": 1}, "what"),
    ({"tasks": ["A->Z"]}, "A->Z"), ({"config": {"steps": -1}}, "steps"), 
    ({"config": {"steps": 1e99}}, "steps"),
    ({"config": {"batch": {"source": "many"}}}, "batch.source"), ({"config": {"nothing": 1}}, "nothing"),
    ({"config": {"optimiser": {"lr": float("nan")}}}, "lr"), ({"config": {"threads": 0}}, "threads"),
    ({"weights": "/no/such/file"}, "/no/such/file"), ({"protocol": "../../etc/passwd"}, "../../etc/passwd"),
    ({"recipes": ["/no/such"]}, "/no/such"), ({"backbones": ["../x"]}, "../x"),
    ({"per_method": {"nobody": {}}}, "nobody"), ({"per_suite": {"x": {"a": 1}}}, "x"),
    ({"config": {"a" * 5000: 1}}, "unknown key"), ({"config": {"image": {"size": "\x1b[2J"}}}, "image.size"),
]  # fmt: skip


@of_kind("configurations", *range(len(WRONG_SWEEPS)))
def wrong_sweep(moments: random.Random, folder: Path, sound: Sound, which: int) -> Case:
    values, named = WRONG_SWEEPS[which]
    base = {"suites": [str(sound.suite)], "methods": ["dann"], "seeds": moments.randint(1, 3)}
    (folder / "sweep.yaml").write_text(yaml.safe_dump(base | values), encoding="utf-8")
    return Case(run("sweep.yaml"), named)


ORDERS = [
    "[",
    "{}",
    '[{"who": 1}]',
    "[" * 100_000,
    '[{"seeds": ["x"]}]',
    "9" * 9999,
    "NaN",
    '"\\ud800"',
]


@of_kind("configurations", *ORDERS)
def order_file(moments: random.Random, folder: Path, sound: Sound, text: str) -> Case:
    (folder / "order.json").write_text(text, encoding="utf-8")
    command = run("--method", "dann", "--suite", str(sound.suite), "--order", "order.json")
    return Case(command, "order.json")


@of_kind("manifests", *YAML_TEXTS)
def manifest_text(moments: random.Random, folder: Path, sound: Sound, kind: str) -> Case:
    bad_yaml(moments, folder / "my.yaml", kind)
    return Case(run("--suite", "my.yaml", "--method", "dann"), "my.yaml")


def manifest(sound: Sound) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(sound.suite.read_text(encoding="utf-8"))
    for domain in content["domains"].values():
        domain["paths"] = {"all": str(sound.suite.parent / domain["paths"]["all"])}
    return content


def paths(place: str) -> dict[str, Any]:
    return {key: {"short": key, "paths": {"all": place}} for key in ("a", "b")}


WRONG_MANIFESTS: list[tuple[dict[str, Any], str]] = [
    ({"name": "../evil"}, "name"), ({"name": "x" * 5000}, "name"), ({"name": "office31"}, "office31"),
    ({"loader": "os.system"}, "os.system"), ({"loader": "digits", "options": {"seed": -1}}, "seed"),
    ({"domains": {}}, "domains"), ({"domains": {"a": {"short": "../.."}}}, "short"),
    ({"domains": paths("/dev/zero")}, "/dev/zero"), ({"domains": paths("~nobody-here/x")}, "nobody-here"),
    ({"domains": paths("../../../nowhere")}, "nowhere"), ({"domains": paths("\0")}, "tiny"),
    ({"domains": paths("x" * 5000)}, "tiny"), ({"tasks": ["A->Q"]}, "A->Q"), ({"tasks": 5}, "tasks"),
    ({"classes": ["red", "red"]}, "class"), ({"classes": ["one"]}, "label"), ({"metric": "best"}, "metric"),
    ({"recipe": {"steps": 3}}, "recipe.steps"), 
    ({"recipe": {"steps": {"value": "x", "source": "none"}}}, "steps"),
    ({"recipe": {"no.such": {"value": 1, "source": "none"}}}, "no.such"), ({"unknown": {}}, "unknown"),
    ({"sources": [{"archive": "x"}]}, "sources"), ({"class_aliases": {"x": "nobody"}}, "nobody"),
    ({"domains": {"a": {"short": "A", "images": -5}, "b": {"short": "B"}}}, "images"),
    ({"title": None}, "title"), ({"licence": {"a": 1}}, "licence"), 
    ({"has_test_part": "perhaps"}, "has_test_part"),
]  # fmt: skip


@of_kind("manifests", *range(len(WRONG_MANIFESTS)))
def wrong_manifest(moments: random.Random, folder: Path, sound: Sound, which: int) -> Case:
    values, named = WRONG_MANIFESTS[which]
    (folder / "my.yaml").write_text(yaml.safe_dump(manifest(sound) | values), encoding="utf-8")
    return Case(run("--suite", "my.yaml", "--method", "dann"), named, (2,))


ARRAYS: dict[str, Callable[[random.Random], bytes]] = {}


def arrays(make: Callable[[random.Random], bytes]) -> Callable[[random.Random], bytes]:
    """Register a file of arrays that is none."""
    ARRAYS[make.__name__] = make
    return make


def npz(**members: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **members)
    return buffer.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode("latin1")


NAMES = ("steps", "predictions", "labels", "images", "target_logits", "target_features", "probabilities")


@arrays
def any_bytes(moments: random.Random) -> bytes:
    return noise(moments, moments.randint(0, 5000))


@arrays
def truncated(moments: random.Random) -> bytes:
    whole = npz(**{name: np.arange(500) * moments.randint(1, 9) for name in NAMES})
    return whole[: moments.randrange(len(whole) - 1)]


@arrays
def pickled(moments: random.Random) -> bytes:
    return npz(**{name: np.array([{"a": moments.random()}], dtype=object) for name in NAMES})


@arrays
def bomb(moments: random.Random) -> bytes:
    size = moments.randint(300, 400) * 2**20
    block = bytes(2**20)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for name in ("target_logits", "images"):
            with file.open(f"{name}.npy", "w") as member:
                member.write(header(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({size},), }}\n"))
                for _ in range(size // 2**20):
                    member.write(block)
    return buffer.getvalue()


@arrays
def lying_header(moments: random.Random) -> bytes:
    shape = moments.choice(["(999999999999,)", "(-1,)", "(2**63,)", "(1, 2, 3, 4, 5, 6, 7, 8, 9)", "'x'"])
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n"
    return zipped({f"{name}.npy": header(text) + bytes(16) for name in NAMES})


@arrays
def strange_header(moments: random.Random) -> bytes:
    text = moments.choice(["__import__('os').system('touch evil')", "(" * 800, "{'shape': (1,)}", "\0" * 50])
    return zipped({f"{name}.npy": header(text) for name in NAMES})


@arrays
def strange_names(moments: random.Random) -> bytes:
    return zipped({moments.choice(["../evil.npy", "/evil.npy", "a\\b.npy", "x"]): noise(moments, 100)})


@arrays
def wrong_types(moments: random.Random) -> bytes:
    value = moments.choice(
        [np.array(["a"]), np.array([1j]), np.zeros((2, 2, 2, 2)), np.float64(1), np.empty(0)]
    )
    return npz(**dict.fromkeys(NAMES, value))


@of_kind("predictions", *ARRAYS)
def suite_of_arrays(moments: random.Random, folder: Path, sound: Sound, kind: str) -> Case:
    """The images of a suite in such a file."""
    (folder / "bad.npz").write_bytes(ARRAYS[kind](moments))
    content = manifest(sound) | {"domains": paths("bad.npz")}
    (folder / "my.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return Case(run("--suite", "my.yaml", "--method", "dann"), "bad.npz")


def copied(sound: Sound, folder: Path) -> tuple[Path, dict[str, Any]]:
    """One sound record with its arrays, in a results folder of its own."""
    record = sorted(sound.results.glob("*/*/source_only/seed*.json"))[0]
    place = folder / "results" / record.relative_to(sound.results)
    place.parent.mkdir(parents=True)
    for path in record.parent.glob(f"{record.stem}.*"):
        (place.parent / path.name).write_bytes(path.read_bytes())
    return place, json.loads(place.read_text(encoding="utf-8"))
