"""Makers of manifests of suites that say what cannot be."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hostile import Case, Sound, dumped, manifest, of_kind, run, word
from hostile_texts import YAML_TEXTS, bad_yaml

__all__ = ["paths"]


LATE = ("A->Q", "steps", "no.such")  # tasks and recipes are looked at by who runs them


def _command(moments: random.Random, named: str = "") -> list[str]:
    """A command that reads a manifest."""
    if named in LATE:
        return run("--suite", "my.yaml", "--method", "dann")
    return moments.choice([
        run("--suite", "my.yaml", "--method", "dann"), ["data", "check", "my.yaml"],
        ["data", "status", "my.yaml"],
    ])  # fmt: skip


@of_kind("manifests", *YAML_TEXTS)
def manifest_text(moments: random.Random, folder: Path, sound: Sound, kind: str) -> Case:
    bad_yaml(moments, folder / "my.yaml", kind)
    return Case(_command(moments), "my.yaml")


def paths(place: str) -> dict[str, Any]:
    return {key: {"short": key, "paths": {"all": place}} for key in ("a", "b")}


def task(name: str) -> dict[str, Any]:
    return {"tasks": [name]}


Wrong = Callable[[random.Random], dict[str, Any]]
WRONG_MANIFESTS: list[tuple[Wrong, str]] = [
    (lambda m: {"name": f"../{word(m)}"}, "name"), (lambda m: {"name": "x" * m.randint(300, 9000)}, "name"),
    (lambda m: {"name": f"\x1b[2J{word(m)}"}, "name"),
    (lambda m: {"loader": "os.system"}, "os.system"),
    (lambda m: {"loader": "digits", "options": {"seed": -m.randint(1, 99)}}, "seed"),
    (lambda m: {"domains": m.choice([{}, [], word(m), 3])}, "domains"),
    (lambda m: {"domains": {"a": {"short": "../.."}}}, "short"),
    (lambda m: {"tasks": ["A->Q"]}, "A->Q"), (lambda m: {"tasks": m.randint(1, 99)}, "tasks"),
    (lambda m: {"classes": ["red", "red", word(m)]}, "class"),
    (lambda m: {"metric": f"best{word(m)}"}, "metric"),
    (lambda m: {"recipe": {"steps": m.randint(1, 99)}}, "recipe.steps"),
    (lambda m: {"recipe": {"steps": {"value": word(m), "source": "none"}}}, "steps"),
    (lambda m: {"recipe": {"no.such": {"value": m.random(), "source": "none"}}}, "no.such"),
    (lambda m: {"unknown": {}}, "unknown"), (lambda m: {"sources": [{"archive": word(m)}]}, "sources"),
    (lambda m: {"class_aliases": {word(m): "nobody"}}, "nobody"),
    (lambda m: {"domains": {"a": {"short": "A", "images": -m.randint(1, 99)}, "b": {"short": "B"}}},
     "images"),
    (lambda m: {"title": m.choice([None, [], {}, m.random()])}, "title"),
    (lambda m: {"licence": {word(m): 1}}, "licence"), (lambda m: {"has_test_part": word(m)}, "has_test_part"),
]  # fmt: skip


@of_kind("manifests", *range(len(WRONG_MANIFESTS)))
def wrong_manifest(moments: random.Random, folder: Path, sound: Sound, which: int) -> Case:
    values, named = WRONG_MANIFESTS[which]
    dumped(folder / "my.yaml", manifest(moments, sound) | values(moments))
    return Case(_command(moments, named), named)


WRONG_PLACES: dict[str, tuple[Callable[[random.Random], str], str]] = {
    "device": (lambda m: "/" * m.randint(1, 50) + "dev/zero", "dev/zero"),
    "home": (lambda m: f"~nobody-here/{word(m)}", "nobody-here"),
    "above": (lambda m: "../" * m.randint(3, 60) + "nowhere", "nowhere"),
    "nul": (lambda m: f"{word(m)}\0", "tiny"),
    "long": (lambda m: "x" * m.randint(300, 9000), "tiny"),
    "markup": (lambda m: f"nowhere[/red]{word(m)}", "nowhere"),
    "escape": (lambda m: f"nowhere\x1b[2J{word(m)}\x07", "nowhere"),
}


@of_kind("manifests", *WRONG_PLACES)
def images_elsewhere(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    """Images where there are none, or nobody should look."""
    make, named = WRONG_PLACES[which]
    dumped(folder / "my.yaml", manifest(moments, sound) | {"domains": paths(make(moments))})
    words = moments.choice([run("--suite", "my.yaml", "--method", "dann"), ["data", "check", "my.yaml"]])
    return Case(words, named, (1, 2))
