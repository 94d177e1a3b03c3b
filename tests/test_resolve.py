"""Layers of configuration: precedence, provenance, and errors with origin, key path and suggestion."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dabench.config import RunConfig, setting
from dabench.discovery import discover_methods
from dabench.errors import UserError
from dabench.method import METHODS, Method, MethodConfig, MethodEntry
from dabench.recipe import Recipe, Sourced
from dabench.resolve import Layer, flatten, parse_assignment, paths_of, resolve, settings_of
from dabench.suite import Manifest, Suite

SUITE_RECIPE: Recipe = {
    "steps": Sourced(value=10, source="the suite's paper"),
    "evaluations": Sourced(value=2, source="the suite's paper"),
    "optimiser.lr": Sourced(value=0.2, source="the suite's paper"),
    "batch.source": Sourced(value=8, source="the suite's paper"),
    "backbone_args": Sourced(value={"drop_rate": 0.1}, source="the suite's paper"),
}


class ToyConfig(MethodConfig):
    strength: float = setting(1.0, "a toy", "strength", ge=0)
    levels: tuple[int, ...] = setting((1,), "a toy", "levels")
    table: dict[str, float] = setting({}, "a toy", "free keys")


class Toy(Method):
    config_class = ToyConfig
    loss_names = ("classification", "toy")
    recipes: Mapping[str, Recipe] = {  # type: ignore[misc]
        "squares": {
            "optimiser.lr": Sourced(value=0.3, source="the method's paper"),
            "params.strength": Sourced(value=5.0, source="the method's paper"),
        },
        "others": {"steps": Sourced(value=77, source="another suite's")},
    }


ENTRY = MethodEntry("toy", Toy, {"levels": [1, 2]}, "", None)


@pytest.fixture(scope="module", autouse=True)
def _methods() -> None:
    discover_methods()


def suite(recipe: Recipe = SUITE_RECIPE, name: str = "squares") -> Suite:
    domains = {"a": {"short": "A"}, "b": {"short": "B"}}
    return Suite(
        Manifest.model_validate(
            {"name": name, "title": "", "loader": "files", "domains": domains, "recipe": recipe}
        ),
        Path(),
        "squares.yaml",
    )


def resolved(
    *layers: tuple[str, dict[str, Any]], backbone: str | None = None, entry: MethodEntry = ENTRY
) -> Any:
    of = [Layer.of_values(where, values) for where, values in layers]
    return resolve(suite(), suite().tasks()[0], entry, 3, of, backbone)


def failure(*layers: tuple[str, dict[str, Any]], entry: MethodEntry = ENTRY) -> str:
    with pytest.raises(UserError) as caught:
        resolved(*layers, entry=entry)
    assert caught.value.hint
    return f"{caught.value} | {caught.value.hint}"


def test_precedence_from_defaults_to_flags() -> None:
    alone = resolved()
    assert alone.config.image.size == 224  # default
    assert alone.config.steps == 10  # the suite's recipe
    assert alone.config.optimiser.lr == 0.3  # the method's recipe for the suite, over the suite's 0.2
    assert alone.config.params["strength"] == 5.0
    assert alone.config.params["levels"] == [1, 2]  # what this name of the method sets
    file = ("file s.yaml", {"steps": 20, "optimiser": {"lr": 0.4}, "params": {"strength": 6}})
    over = resolved(file)
    assert (over.config.steps, over.config.optimiser.lr, over.config.params["strength"]) == (20, 0.4, 6)
    flag = resolved(file, ("--set", {"optimiser.lr": 0.5}))
    assert (flag.config.steps, flag.config.optimiser.lr) == (20, 0.5)
    assert resolved(
        file, ("--set", {"backbone": "vit_tiny_patch16_224"}), backbone="resnet18"
    ).config.backbone == ("resnet18")


def test_provenance_of_every_value() -> None:
    found = resolved(("file s.yaml, config", {"steps": 20}), ("--set", {"loss_weights.toy": 0.5})).provenance
    assert found["image.size"].startswith("default: the field's")
    assert found["evaluations"] == "suite squares: the suite's paper"
    assert found["optimiser.lr"] == "method toy on squares: the method's paper"
    assert found["params.levels"] == "method toy"
    assert found["params.table"] == "default: a toy"
    assert found["backbone_args.drop_rate"] == "suite squares: the suite's paper"
    assert found["steps"] == "file s.yaml, config"
    assert found["loss_weights.toy"] == "--set"
    assert resolved(backbone="resnet18").provenance["backbone"] == "backbone of the sweep"
    settings = {path for path in settings_of(RunConfig) if path not in {"params", "loss_weights"}}
    settings -= {"suite", "task", "method", "seed"}
    assert settings | {"params.strength", "params.levels", "params.table"} <= set(found)


def test_recipes_are_never_changed_by_what_lies_over_them() -> None:
    recipe = {"backbone_args": Sourced(value={"drop_rate": 0.1}, source="the suite's paper")}
    for _ in range(2):
        other = resolve(
            suite(recipe),
            suite().tasks()[0],
            ENTRY,
            0,
            [Layer.of_values("--set", {"backbone_args.extra": 1})],
        )
        assert other.config.backbone_args == {"drop_rate": 0.1, "extra": 1}
    assert recipe["backbone_args"].value == {"drop_rate": 0.1}


def test_free_keys_of_a_method() -> None:
    assert resolved(("--set", {"params.table.red": 2})).config.params["table"] == {"red": 2.0}
    assert "params.table.red (--set)" in failure(("--set", {"params.table.red": "much"}))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"optimiser.lrr": 1}, ("--set: unknown key 'optimiser.lrr'", "did you mean 'optimiser.lr'?")),
        ({"lr": 1}, ("unknown key 'lr'", "did you mean 'optimiser.lr'?", "show method toy")),
        ({"optimiser": 5}, ("unknown key 'optimiser'",)),
        ({"params.strenght": 1}, ("unknown key 'params.strenght'", "did you mean 'params.strength'?")),
        ({"loss_weights.domain": 1}, ("unknown key 'loss_weights.domain'", "show method toy")),
        ({"seed": 1}, ("'seed' is not set here", "--seed")),
        ({"task": "A->B"}, ("'task' is not set here", "--task")),
        ({"optimiser.lr": "fast"}, ("optimiser.lr (--set)", "valid number", "given: 'fast'")),
        ({"optimiser.lr": {"high": 1}}, ("unknown key 'optimiser.lr.high'",)),
        ({"params.strength": -1}, ("params.strength (--set)", "greater than or equal to 0", "given: -1")),
        ({"params.levels": "all"}, ("params.levels (--set)", "given: 'all'")),
        ({"image.resize": 10}, ("image.size 224 is larger than image.resize 10",)),
        ({"steps": 1}, ("evaluations 2 exceed steps 1", "steps: --set", "evaluations: suite squares")),
        ({"backbone_args": 5, "backbone_args.x": 1, "steps": "x"}, ("steps (--set)",)),
    ],
)
def test_errors_name_origin_key_and_remedy(values: dict[str, Any], expected: tuple[str, ...]) -> None:
    text = failure(("--set", values))
    for part in expected:
        assert part in text


def test_errors_in_recipes_name_the_suite() -> None:
    recipe = {"stepz": Sourced(value=1, source="the suite's paper")}
    with pytest.raises(UserError, match="suite squares: unknown key 'stepz'"):
        resolve(suite(recipe), suite().tasks()[0], ENTRY, 0, [])


def test_paths_of_every_method_are_settable() -> None:
    for name in METHODS:
        paths = paths_of(METHODS.get(name))
        assert {"optimiser.lr", "backbone_args", "loss_weights.classification"} <= set(paths)
        assert not {"params", "loss_weights", "seed", "suite", "task", "method"} & set(paths)
        assert all(paths.values())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("steps=5", 5),
        ("optimiser.lr=0.02", 0.02),
        ("optimiser.lr=1e-3", 1e-3),
        ("optimiser.lr=2.5E+4", 2.5e4),
        ("optimiser.lr=.5e-1", 0.05),
        ("optimiser.lr=-1e3", -1000.0),
        ("image.scale=[1e-1, 1]", [0.1, 1]),
        ("head.classifier_hidden=[100, 100]", [100, 100]),
        ("head.classifier_hidden=[]", []),
        ("head.bottleneck=null", None),
        ("head.bottleneck=", None),
        ("image.flip=false", False),
        ("image.flip=true", True),
        ("protocol=train-test", "train-test"),
        (" steps = 5 ", 5),
        ("params.text=a=b", "a=b"),
        ("optimiser={lr: 1e-3}", {"lr": "1e-3"}),
    ],
)
def test_assignments_are_typed(text: str, value: object) -> None:
    key, found = parse_assignment(text)
    assert key == text.partition("=")[0].strip()
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["steps", "=5", "", " =5"])
def test_assignments_without_key_or_value(text: str) -> None:
    with pytest.raises(UserError, match="expected key=value"):
        parse_assignment(text)


def test_assignment_that_is_no_yaml_is_one_line() -> None:
    with pytest.raises(UserError) as caught:
        parse_assignment("steps=[1, 2")
    assert "\n" not in str(caught.value)


keys = st.text("abcdefgh_", min_size=1, max_size=6)
leaves = st.integers() | st.booleans() | st.none() | st.lists(st.integers(), max_size=3)
groups = st.dictionaries(keys, leaves, min_size=1, max_size=3)
trees = st.dictionaries(
    keys, leaves | groups | st.dictionaries(keys, groups, min_size=1, max_size=2), max_size=4
)


@given(trees)
def test_flattening_keeps_every_leaf(tree: dict[str, Any]) -> None:
    flat = flatten(tree)
    assert flatten(flat) == flat
    for path, value in flat.items():
        place: Any = tree
        for part in path.split("."):
            place = place[part]
        assert place == value

    def count(node: Any) -> int:
        return sum(map(count, node.values())) if isinstance(node, dict) else 1

    assert len(flat) == count(tree)
