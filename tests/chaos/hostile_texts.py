"""Makers of YAML and JSON that is none, holds code, or says what cannot be: sweeps, recipes, settings."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from hostile import CANARY, Case, Sound, dumped, noise, of_kind, run, shell, word

__all__ = ["YAML_TEXTS", "bad_yaml"]


def laughs(moments: random.Random) -> str:
    """A few lines that stand for billions of values."""
    fan, name = moments.randint(8, 12), word(moments, 3)
    rows = [f"{name}0: &a0 [" + ",".join("x" * fan) + "]"]
    rows += [f"{name}{k}: &a{k} [{','.join([f'*a{k - 1}'] * fan)}]" for k in range(1, moments.randint(9, 20))]
    return "\n".join(rows)


def code(moments: random.Random) -> str:
    """A text that runs a command where a loader lets it."""
    command = json.dumps(shell(moments))
    evaluated, executed = f"__import__('os').system({command})", f"import os; os.system({command})"
    tagged = moments.choice([
        f"!!python/object/apply:os.system [{command}]",
        f"!!python/object/apply:subprocess.getoutput [{command}]",
        f"!!python/object/new:os.system [{command}]",
        f"!!python/object/apply:builtins.eval [{json.dumps(evaluated)}]",
        f"!!python/object/apply:builtins.exec [{json.dumps(executed)}]",
    ])  # fmt: skip
    return moments.choice(
        [tagged, f"{word(moments)}: {tagged}", f"- {tagged}", f"methods: [dann]\nseeds: {tagged}"]
    )


def quoted(moments: random.Random, text: str) -> str:
    return f"{word(moments)}: {text}"


YAML_TEXTS: dict[str, Callable[[random.Random], str | bytes]] = {
    "laughs": laughs,
    "code": code,
    "deep": lambda m: "[" * m.randint(40, 200_000),
    "deep mapping": lambda m: "".join(f"{' ' * k}{word(m, 2)}:\n" for k in range(m.randint(40, 300))),
    "bad tag": lambda m: quoted(
        m, m.choice(["!!bool maybe", "!!timestamp soon", "!!int x", "!!float y", "!!binary z", "!x y"])
    ),
    "noise": lambda m: b"\xff" + noise(m, m.randint(1, 5000)),
    "control": lambda m: quoted(m, chr(m.randint(0, 8))),
    "open": lambda m: (
        f"# {word(m)}\n"
        + m.choice(["[a", "{a", '"a', "a: b: c", "- a\nb", "a: [1, 2\nb: 3", "*a", "? [1]\n: 2"])
    ),
    "surrogate": lambda m: f'{word(m)}: "\\ud8{m.randint(0, 99):02d}"',
    "scalar": lambda m: str(m.random()),
    "list": lambda m: f"- {word(m)}\n" * m.randint(1, 50),
    "self": lambda m: f"{word(m)}: &a [*a]",
    "long number": lambda m: quoted(m, "9" * m.randint(200, 100_000)),
    "several": lambda m: f"a: {m.random()}\n---\nb: 2",
    "large": lambda m: "#" * (2**20 + m.randint(1, 100_000)),
}


def bad_yaml(moments: random.Random, path: Path, kind: str) -> None:
    text = YAML_TEXTS[kind](moments)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


@of_kind("configurations", *YAML_TEXTS)
def sweep_file(moments: random.Random, folder: Path, sound: Sound, kind: str) -> Case:
    bad_yaml(moments, folder / "sweep.yaml", kind)
    return Case(run("sweep.yaml"), "sweep.yaml")


@of_kind("configurations", *YAML_TEXTS)
def recipe_file(moments: random.Random, folder: Path, sound: Sound, kind: str) -> Case:
    bad_yaml(moments, folder / "it.yaml", kind)
    flag = moments.choice(["--recipe", "--protocol"])
    return Case(run("--method", "dann", "--suite", str(sound.suite), flag, "it.yaml"), "it.yaml")


@of_kind("configurations", *YAML_TEXTS)
def page_settings(moments: random.Random, folder: Path, sound: Sound, kind: str) -> Case:
    bad_yaml(moments, folder / "page.yaml", kind)
    command = moments.choice([["leaderboard"], ["stats", "compare", "dann", "source_only"]])
    return Case([*command, "--results", str(sound.results), "--config", "page.yaml"], "page.yaml")


def sweep(moments: random.Random, sound: Sound) -> dict[str, Any]:
    """A sound sweep of some kind."""
    methods = moments.sample(["dann", "source_only", "cdan", "gsda"], k=moments.randint(1, 4))
    config = {"steps": moments.randint(2, 10**6), "optimiser": {"lr": moments.uniform(0.001, 0.1)}}
    seeds = moments.sample(range(1000), k=moments.randint(1, 5))
    return {"suites": [str(sound.suite)], "methods": methods, "seeds": seeds, "config": config}


Wrong = Callable[[random.Random], dict[str, Any]]
WRONG_SWEEPS: list[tuple[Wrong, str]] = [
    (lambda m: {"seeds": m.choice([10**9, -1, "x", [1.5], [-m.randint(1, 99)], [2**31], {}])}, "seeds"),
    (lambda m: {"methods": m.choice([3, {"a": 1}, "dann"])}, "methods"),
    (lambda m: {"methods": ["nobody"]}, "nobody"), (lambda m: {"suites": ["../../etc"]}, "../../etc"),
    (lambda m: {f"what{word(m)}": 1}, "what"), (lambda m: {"tasks": ["A->Z"]}, "A->Z"),
    (lambda m: {"config": {"steps": m.choice([-1, 0, 1e99, "x", [], 2.5])}}, "steps"),
    (lambda m: {"config": {"batch": {"source": m.choice(["many", -3, None, {}])}}}, "batch.source"),
    (lambda m: {"config": {"nothing": m.random()}}, "nothing"),
    (lambda m: {"config": {"optimiser": {"lr": m.choice([float("nan"), float("inf"), -1, "x"])}}}, "lr"),
    (lambda m: {"config": {"threads": m.choice([0, -1, 10**9, "x"])}}, "threads"),
    (lambda m: {"weights": "/no/such/file"}, "/no/such/file"),
    (lambda m: {"protocol": "../../etc/passwd"}, "../../etc/passwd"),
    (lambda m: {"recipes": ["/no/such"]}, "/no/such"), (lambda m: {"backbones": ["../x"]}, "../x"),
    (lambda m: {"per_method": {"nobody": {}}}, "nobody"), (lambda m: {"per_suite": {"xyz": {"a": 1}}}, "xyz"),
    (lambda m: {"config": {"a" * m.randint(1000, 9000): 1}}, "unknown key"),
    (lambda m: {"config": {"image": {"size": "\x1b[2J" * m.randint(1, 9)}}}, "image.size"),
    (lambda m: {"execution": {"executor": m.choice(["os.system", word(m), 3])}}, "executor"),
    (lambda m: {"methods": [f"/tmp/{word(m)}.py"]}, ".py"),
]  # fmt: skip


@of_kind("configurations", *range(len(WRONG_SWEEPS)))
def wrong_sweep(moments: random.Random, folder: Path, sound: Sound, which: int) -> Case:
    values, named = WRONG_SWEEPS[which]
    dumped(folder / "sweep.yaml", sweep(moments, sound) | values(moments))
    return Case(run("sweep.yaml"), named)


SETTINGS: list[tuple[Wrong, str]] = [
    (lambda m: {"ci": {"level": m.choice([0, 1, 2, -m.random(), float("nan"), "x"])}}, "ci.level"),
    (lambda m: {f"nothing{word(m)}": 1}, "nothing"), (lambda m: {"ci": {"kind": word(m)}}, "ci.kind"),
    (lambda m: {"ci": {word(m): {word(m): 1}}}, "ci."), (lambda m: {"ci": [m.random()]}, "ci"),
]  # fmt: skip


@of_kind("configurations", *range(len(SETTINGS)))
def wrong_settings(moments: random.Random, folder: Path, sound: Sound, which: int) -> Case:
    values, named = SETTINGS[which]
    dumped(folder / "page.yaml", values(moments))
    return Case(["leaderboard", "--results", str(sound.results), "--config", "page.yaml"], named)


ORDERS: dict[str, Callable[[random.Random], str]] = {
    "open": lambda m: "[" + " " * m.randint(0, 999),
    "mapping": lambda m: json.dumps({word(m): 1}),
    "key": lambda m: json.dumps([{word(m): 1}]),
    "deep": lambda m: "[" * m.randint(1000, 500_000),
    "seeds": lambda m: json.dumps([{"seeds": [word(m)]}]),
    "number": lambda m: "9" * m.randint(5000, 50_000),
    "not a number": lambda m: "NaN" + " " * m.randint(0, 999),
    "surrogate": lambda m: f'"\\ud8{m.randint(0, 99):02d}{word(m)}"',
    "large": lambda m: "[" + " " * (2**20 + m.randint(1, 10**6)) + "]",
}


@of_kind("configurations", *ORDERS)
def order_file(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    (folder / "order.json").write_text(ORDERS[which](moments), encoding="utf-8")
    command = run("--method", "dann", "--suite", str(sound.suite), "--order", "order.json")
    return Case(command, "order.json")


def _loaders(moments: random.Random, trace: str) -> tuple[str, Any]:
    """An argument that makes timm read, fetch or run something."""
    return moments.choice([
        ("checkpoint_path", f"{trace}/{word(moments)}.pth"), ("pretrained", True),
        ("pretrained_cfg", {"url": f"http://127.0.0.1:9/{word(moments)}.pth"}),
        ("pretrained_cfg", {"file": f"{trace}/{word(moments)}.pth"}),
        ("pretrained_cfg_overlay", {"state_dict": {word(moments): 1}}),
        ("pretrained_cfg_overlay", {"hf_hub_id": f"{word(moments)}/{word(moments)}", "custom_load": True}),
        ("cache_dir", f"../../{word(moments)}"), ("features_only", True), ("scriptable", True),
        ("num_classes", moments.randint(1, 10**6)), ("exportable", True),
        ("act_layer", {word(moments): [[[[moments.random()]]]]}), ("no_jit", {word(moments): 1}),
    ])  # fmt: skip


PLACES = ("sweep", "per_method", "recipe", "protocol", "manifest", "--set")


@of_kind("configurations", *PLACES)
def backbone_arguments(moments: random.Random, folder: Path, sound: Sound, place: str) -> Case:
    """Arguments of a backbone, where a stranger may put them."""
    key, value = _loaders(moments, str(folder))
    inner = {"backbone_args": {key: value}}
    if place == "--set":
        text = f"backbone_args.{key}={yaml.safe_dump(value, default_flow_style=True).splitlines()[0]}"
        words = ["--seed", str(moments.randint(0, 999)), "--weights", "none", "--set", text]
        return Case(run("--suite", str(sound.suite), "--method", "dann", *words), "backbone_args")
    if place == "manifest":
        return _of_a_manifest(moments, folder, sound, key, value)
    if place in ("recipe", "protocol"):
        about = {"name": word(moments), "title": word(moments), "about": word(moments)}
        content: dict[str, Any] = {**about, "config": inner, **inner}
        dumped(folder / "it.yaml", content)
        return Case(run("--suite", str(sound.suite), "--method", "dann", f"--{place}", "it.yaml"), "it.yaml")
    whole = sweep(moments, sound) | {"weights": "none"}
    if place == "sweep":
        whole["config"] = whole["config"] | inner
    else:
        whole["methods"], whole["per_method"] = ["dann"], {"dann": inner}
    dumped(folder / "sweep.yaml", whole)
    return Case(run("sweep.yaml"), "backbone_args")


def _of_a_manifest(moments: random.Random, folder: Path, sound: Sound, key: str, value: Any) -> Case:
    from hostile import manifest

    content = manifest(moments, sound)
    content["recipe"] |= {
        "backbone": {"value": moments.choice(["resnet18", "dann_mnist"]), "source": "our choice"},
        f"backbone_args.{key}": {"value": value, "source": "our choice"},
    }
    dumped(folder / "my.yaml", content)
    return Case(run("--suite", "my.yaml", "--method", "dann"), "backbone_args")


NAMES: dict[str, Callable[[random.Random], list[str]]] = {
    "list": lambda m: ["list"], "method": lambda m: ["show", "method"], "suite": lambda m: ["show", "suite"],
    "protocol": lambda m: ["show", "protocol"], "rule": lambda m: ["show", "rule"],
    "status": lambda m: ["data", "status"], "check": lambda m: ["data", "check"],
    "fetch": lambda m: ["data", "fetch"], "run": lambda m: run("--suite", "minidigits", "--method"),
    "backbone": lambda m: run("--suite", "minidigits", "--method", "dann", "--backbone"),
    "task": lambda m: run("--suite", "minidigits", "--method", "dann", "--task"),
    "sweep": lambda m: run(),
}  # fmt: skip


@of_kind("names", *NAMES)
def hostile_name(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    """A word that is no name: a path, markup, control characters, code."""
    told = word(moments)
    name = moments.choice([
        f"../../{told}/passwd", f"{told}[/red]", f"\x1b[2J{told}\x07", f"{told}\u202e",
        told + "x" * moments.randint(300, 9000), f"$(touch {CANARY}{told})",
        f"__import__('os').system('{told}')", f"{{{{ {told} }}}}", f"%n%s{told}",
    ])  # fmt: skip
    return Case([*NAMES[which](moments), name], told)
