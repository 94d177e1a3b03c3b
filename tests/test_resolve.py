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
from dabench.protocol import Protocol
from dabench.recipe import Recipe, RecipeBook, Sourced
from dabench.resolve import Layer, Resolved, flatten, parse_assignment, paths_of, resolve, settings_of
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
    recipes: Mapping[str, Recipe] = {
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


def book(name: str, **values: Any) -> Protocol:
    """A protocol whose recipe has the values, those of ``methods`` and ``suites`` aside."""
    content = {key: values.pop(key) for key in ("methods", "suites", "methods_only") if key in values}
    recipe = {path: {"value": value, "source": f"{name}'s"} for path, value in values.items()}
    return Protocol.model_validate({"name": name, "recipe": recipe, **content})


def under(protocols: list[Protocol], *layers: tuple[str, dict[str, Any]], **options: Any) -> Resolved:
    named = {protocol.name: protocol for protocol in protocols}
    of = [Layer.of_values(where, values) for where, values in layers]
    return resolve(suite(), suite().tasks()[0], ENTRY, 3, of, find=named.__getitem__, **options)


def test_a_protocol_stands_between_recipes_and_the_users_values() -> None:
    def says(**values: Any) -> dict[str, Any]:
        return {path.replace("_", "."): {"value": value, "source": "p's"} for path, value in values.items()}

    protocol = book(
        "p",
        **{"optimiser.lr": 0.7, "evaluations": 1, "optimiser.momentum": 0.4, "batch.source": 4},
        suites={"squares": says(steps=12, batch_source=6)},
        methods={
            "toy": {"recipe": says(optimiser_momentum=0.5), "suites": {"squares": says(batch_source=5)}}
        },
    )
    found = under([protocol], ("file s.yaml", {"protocol": "p", "evaluations": 3}))
    assert found.config.protocol == "p"
    assert found.config.optimiser.lr == 0.7, "over the method's recipe for the suite"
    assert found.config.steps == 12, "over the suite's recipe"
    assert (found.config.optimiser.momentum, found.config.batch.source) == (0.5, 5)
    assert found.config.evaluations == 3, "below the user's values"
    assert found.provenance["optimiser.lr"] == "protocol p: p's"
    assert found.provenance["steps"] == "protocol p for squares: p's"
    assert found.provenance["optimiser.momentum"] == "protocol p for toy: p's"
    assert found.provenance["batch.source"] == "protocol p for toy on squares: p's"
    assert found.changed == ("evaluations",)


def test_the_strongest_layer_names_the_protocol() -> None:
    named = [book(name, steps=steps) for steps, name in enumerate(("transductive", "p", "q", "r"), 50)]
    asks: Recipe = {"protocol": Sourced(value="p", source="the suite's paper")}
    file, flag = ({"protocol": name} for name in "qr")
    find = {protocol.name: protocol for protocol in named}.__getitem__
    for recipe, layers, wanted in (
        ({}, [], "transductive"),
        (asks, [], "p"),
        (asks, [Layer.of_values("file", file)], "q"),
        (asks, [Layer.of_values("file", file), Layer.of_values("--set", flag)], "r"),
    ):
        found = resolve(suite(recipe), suite().tasks()[0], ENTRY, 0, layers, find=find)
        assert (found.config.protocol, found.protocol) == (wanted, wanted)
        assert found.config.steps == find(wanted).recipe["steps"].value


def test_unknown_protocols_say_where_they_were_named() -> None:
    assert "file s.yaml: unknown protocol 'holdouts'" in failure(("file s.yaml", {"protocol": "holdouts"}))
    assert "did you mean 'holdout'?" in failure(("file s.yaml", {"protocol": "holdouts"}))


def test_only_listed_methods() -> None:
    with pytest.raises(UserError, match="protocol p says nothing of method toy") as caught:
        under([book("p", methods_only=True, methods={"dann": {}})], ("--set", {"protocol": "p"}))
    assert "it lists dann" in caught.value.hint
    under([book("p", methods_only=True, methods={"toy": {}})], ("--set", {"protocol": "p"}))


@pytest.mark.parametrize(
    ("values", "changed"),
    [
        ({}, ()),
        ({"optimiser.lr": 0.7, "steps": 12.0, "image.scale": [0.5, 1]}, ()),
        ({"optimiser.lr": 0.71}, ("optimiser.lr",)),
        ({"optimiser": {"lr": "7e-1"}}, ()),
        ({"steps": 13, "image": {"scale": [0.4, 1]}}, ("image.scale", "steps")),
        ({"head.bottleneck": 256}, ("head.bottleneck",)),
        ({"params.strength": 3}, ("params.strength",)),
        ({"loss_weights.toy": 2}, ("loss_weights.toy",)),
        ({"batch.target": 9, "source_holdout": 0.2}, ()),
        ({"weights": "none"}, ("weights",)),
        ({"weights": "sha256:" + "ab" * 32}, ()),
        ({"target_test": "holdout", "target_holdout": 0.5}, ("target_test",)),
        ({"frozen_backbone": True}, ("steps",)),
        ({"backbone": "resnet18"}, ("backbone",)),
    ],
)
def test_what_departs_from_the_protocol(values: dict[str, Any], changed: tuple[str, ...]) -> None:
    own = {
        "optimiser.lr": 0.7, "steps": 12, "image.scale": [0.5, 1.0], "head.bottleneck": None,
        "params.strength": 2, "loss_weights.toy": 1, "weights": "default", "target_test": "same",
        "backbone": "resnet50.tv_in1k",
    }  # fmt: skip
    protocol = book("p", **own)
    assert under([protocol], ("--set", {"protocol": "p", **values})).changed == changed


def test_recipe_files_stand_between_protocol_and_sweep_file() -> None:
    protocol = book("p", steps=12, **{"optimiser.lr": 0.7, "batch.test": 3})
    first = RecipeBook.model_validate(book("one", steps=20, evaluations=4, **{"batch.test": 3}).model_dump(
        exclude={"methods_only", "reports"}
    ))  # fmt: skip
    second = book(
        "two", evaluations=5, methods={"toy": {"recipe": {"params.strength": {"value": 9, "source": "s's"}}}}
    )
    found = under([protocol], ("file", {"protocol": "p", "steps": 30}), books=[first, second])
    assert (found.config.steps, found.config.evaluations, found.config.optimiser.lr) == (30, 5, 0.7)
    assert found.config.params["strength"] == 9
    assert found.provenance["evaluations"] == "recipe two: two's"
    assert found.provenance["params.strength"] == "recipe two for toy: s's"
    assert found.changed == ("steps",), "batch.test has the protocol's value again"


def test_a_recipe_file_over_the_recipe_for_frozen_features() -> None:
    found = under([book("transductive")], ("--set", {"frozen_backbone": True}), books=[book("one", steps=21)])
    assert (found.config.steps, found.config.evaluations) == (21, 5)


def test_a_protocol_may_freeze_the_backbone() -> None:
    protocol = book("p", frozen_backbone=True)
    found = under([protocol], ("--set", {"protocol": "p"}))
    assert (found.config.steps, found.config.frozen_backbone) == (500, True)


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


def test_a_mapping_that_holds_nothing_is_an_error() -> None:
    with pytest.raises(UserError, match=r"sweep: batch\.source is empty"):
        Layer.of_values("sweep", {"batch": {"source": {}, "target": 3}})
