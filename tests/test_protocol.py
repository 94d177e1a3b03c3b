"""Protocols: the shipped ones hold what their sources say, files of one's own are read with care."""

import math
from pathlib import Path
from typing import Any

import pytest

from dabench.discovery import discover_methods, discover_rules, discover_suites
from dabench.errors import UserError
from dabench.method import METHODS
from dabench.protocol import FOLDER, PROTOCOLS, discover_protocols, find_protocol, read_recipes
from dabench.resolve import Layer, Resolved, resolve
from dabench.schedule import learning_rate_factor, reversal_weight
from dabench.selection import RULES
from dabench.settle import check_combination
from dabench.suite import SUITES

SHIPPED = sorted(path.stem for path in FOLDER.glob("*.yaml"))
TEXT = """
name: mine
title: Mine
reports: the last step
recipe:
  steps: {value: 6, source: our choice}
methods:
  dann:
    recipe:
      optimiser.lr: {value: 0.5, source: "a paper"}
    suites:
      tiny:
        optimiser.lr: {value: 0.25, source: "a paper, table 1"}
"""


@pytest.fixture(scope="module", autouse=True)
def _found() -> None:
    discover_methods()
    discover_suites()
    discover_rules()
    discover_protocols()


def under(protocol: str, method: str, suite: str, **values: Any) -> Resolved:
    found = SUITES.get(suite)
    layers = [Layer.of_values("--set", {"protocol": protocol, **values})]
    return resolve(found, found.tasks()[0], METHODS.get(method), 0, layers)


def write(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_protocols() -> None:
    assert list(PROTOCOLS) == SHIPPED == ["gsda-paper", "holdout", "tllib", "train-test", "transductive"]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_protocol_fits_every_method_and_suite_that_it_has(name: str) -> None:
    protocol = find_protocol(name)
    listed = set(protocol.suites).union(*(own.suites for own in protocol.methods.values()))
    suites = sorted(listed) or [suite for suite in SUITES if SUITES.get(suite).manifest.has_test_part]
    assert set(suites) <= set(SUITES)
    for suite in suites:
        for method in sorted(protocol.methods) if protocol.methods_only else METHODS:
            found = under(name, method, suite)
            assert found.config.protocol == name
            assert found.changed == ()
            assert found.config.selection in RULES
            check_combination(found.config, SUITES.get(suite), None, METHODS.get(method).cls)
            for path, item in protocol.recipe.items():
                assert found.provenance[path].startswith(f"protocol {name}"), path
                assert len(item.source) > 3
    assert protocol.title
    assert protocol.about


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("transductive", ("same", 0.0)),
        ("train-test", ("part", 0.0)),
        ("holdout", ("holdout", 0.2)),
        ("gsda-paper", ("same", 0.0)),
    ],
)
def test_what_a_protocol_tests_on(name: str, expected: tuple[str, float]) -> None:
    config = under(name, "source_only", "digits").config
    assert (config.target_test, config.target_holdout, config.selection) == (*expected, "last")


def test_the_default_and_the_suites_own() -> None:
    assert (
        under("transductive", "dann", "office31").config
        == resolve(
            SUITES.get("office31"), SUITES.get("office31").tasks()[0], METHODS.get("dann"), 0, []
        ).config
    )
    digits = SUITES.get("digits")
    found = resolve(digits, digits.tasks()[0], METHODS.get("dann"), 0, [])
    assert (found.config.protocol, found.config.target_test) == ("train-test", "part")
    assert found.provenance["target_test"].startswith("protocol train-test: Ganin")


# TLLib's own formulas and the arguments of its shell files: method, suite, lr, lr-gamma, epochs, iterations.
SCRIPTS = [
    ("source_only", "office31", 0.001, 0.0003, 5, 500),
    ("source_only", "officehome", 0.001, 0.0003, 5, 500),
    ("source_only", "visda2017", 0.001, 0.0003, 20, 1000),
    ("target_only", "office31", 0.001, 0.0003, 5, 500),
    ("dann", "office31", 0.01, 0.001, 20, 1000),
    ("dann", "officehome", 0.01, 0.001, 30, 1000),
    ("dann", "visda2017", 0.01, 0.001, 30, 1000),
    ("dann", "minidigits", 0.01, 0.001, 20, 1000),
    ("cdan", "office31", 0.01, 0.001, 20, 1000),
    ("cdan", "officehome", 0.01, 0.001, 30, 1000),
    ("cdan", "visda2017", 0.01, 0.001, 30, 1000),
]


@pytest.mark.parametrize(("method", "suite", "lr", "gamma", "epochs", "iterations"), SCRIPTS)
def test_tllibs_schedules_at_any_iteration(
    method: str, suite: str, lr: float, gamma: float, epochs: int, iterations: int
) -> None:
    config = under("tllib", method, suite).config
    assert (config.steps, config.evaluations) == (epochs * iterations, epochs)
    for i in (0, 1, 700, 1000, 2499, epochs * iterations - 1):
        wanted = lr * (1.0 + gamma * i) ** -0.75
        found = config.optimiser.lr * learning_rate_factor(i / config.steps, config.schedule)
        assert found == pytest.approx(wanted, rel=1e-12)
        if method in ("dann", "cdan"):
            wanted = 2.0 / (1.0 + math.exp(-i / 1000)) - 1.0
            assert reversal_weight(i / config.steps, config.reversal) == pytest.approx(wanted, abs=1e-12)


def test_tllibs_schedules_by_hand() -> None:
    config = under("tllib", "dann", "officehome").config
    rate = config.optimiser.lr * learning_rate_factor(15_000 / 30_000, config.schedule)
    assert rate == pytest.approx(0.01 / 8)  # (1 + 0.001 * 15000)^0.75 = 16^0.75 = 8
    assert reversal_weight(1000 / 30_000, config.reversal) == pytest.approx(0.46211715726)  # tanh(1/2)
    assert reversal_weight(4000 / 30_000, config.reversal) == pytest.approx(0.96402758008)  # tanh(2)


@pytest.mark.parametrize("suite", ["office31", "officehome", "visda2017"])
def test_tllibs_networks_and_images(suite: str) -> None:
    for method in ("source_only", "target_only", "dann", "cdan"):
        config = under("tllib", method, suite).config
        visda = suite == "visda2017"
        assert config.backbone == ("resnet101.tv_in1k" if visda else "resnet50.tv_in1k")
        assert config.image.train_crop == ("center" if visda else "random_resized")
        assert (config.image.resize, config.image.size, config.image.flip) == (256, 224, True)
        assert (config.batch.source, config.batch.target, config.precision) == (32, 32, "float32")
        assert (config.target_test, config.selection, config.source_holdout) == ("same", "oracle", 0.0)
        adversarial = method in ("dann", "cdan")
        assert config.head.bottleneck == (256 if adversarial else None)
        assert config.optimiser.weight_decay == (1e-3 if adversarial else 5e-4)
        assert config.head.discriminator_batch_norm == adversarial
    assert under("tllib", "cdan", suite).config.params["randomised"] == "never"


@pytest.mark.parametrize(
    ("suite", "alpha", "beta", "groups"),
    [("office31", 0.02, 1.0, 6), ("officehome", 0.02, 1.0, 13), ("visda2017", 0.2, 10.0, 4)],
)
def test_what_the_gsda_paper_says(suite: str, alpha: float, beta: float, groups: int) -> None:
    for method in ("gsda", "gsda-glb", "gsda-glb-cls", "gsda-glb-cls-grp"):
        found = under("gsda-paper", method, suite)
        params = found.config.params
        assert (params["alpha"], params["beta"], params["groups"]) == (alpha, beta, groups)
        assert (params["source_sampling"], params["target_selection"]) == ("class_balanced", True)
        assert found.config.backbone == "resnet50.tv_in1k"
        for path in ("params.alpha", "params.beta", "params.groups", "params.target_selection"):
            assert "GSDA paper, section 3.1" in found.provenance[path]
        for path in ("optimiser.lr", "batch.source", "steps", "params.confidence", "reversal.gamma"):
            assert "our choice: the paper does not say" in found.provenance[path]


def test_methods_that_a_protocol_does_not_list() -> None:
    with pytest.raises(UserError, match="protocol tllib says nothing of method gsda") as caught:
        under("tllib", "gsda", "office31")
    assert "cdan, dann, source_only, target_only" in caught.value.hint


def test_a_protocol_of_ones_own(tmp_path: Path) -> None:
    path = write(tmp_path, TEXT)
    protocol = find_protocol(str(path))
    assert (protocol.name, protocol.reports, protocol.methods_only) == ("mine", "the last step", False)
    found = under(str(path), "dann", "minidigits")
    assert (found.config.protocol, found.protocol) == ("mine", str(path))
    assert (found.config.steps, found.config.optimiser.lr) == (6, 0.5)
    assert found.provenance["optimiser.lr"] == "protocol mine for dann: a paper"
    assert read_recipes(write(tmp_path, TEXT.replace("reports: the last step\n", ""))).name == "mine"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- name", ("a protocol is a mapping", "docs/protocols.md")),
        ("name: [a", ("cannot be read as a protocol",)),
        ("title: mine", ("name: Field required",)),
        ("name: My Own", ("name: ", "pattern")),
        ("name: tllib", ("the name 'tllib' is taken by a shipped protocol", "another name")),
        ("name: a\nmethod: {}", ("method: Extra inputs", "did you mean 'methods'?", "every key")),
        ("name: a\nrecipe: {steps: 5}", ("recipe.steps: expected {value: ..., source: ...}, given 5",)),
        ("name: a\nrecipe: {steps: {value: 5}}", ("recipe.steps.source: Field required",)),
        (
            "name: a\nrecipe: {steps: {valeu: 5, source: none}}",
            ("recipe.steps.valeu: Extra inputs", "did you mean 'value'?"),
        ),
        ("name: a\nmethods: {dan: {}}", ("methods.dan: no such method", "did you mean 'dann'?")),
        (
            "name: a\nmethods: {dann: {suite: {}}}",
            ("methods.dann.suite: Extra inputs", "did you mean 'suites'?"),
        ),
        (
            "name: a\nsuites: {tiny: {protocol: {value: tllib, source: a book}}}",
            ("file: a recipe sets 'protocol': a protocol names no other one",),
        ),
    ],
)
def test_mistakes_name_file_key_and_remedy(tmp_path: Path, text: str, expected: tuple[str, ...]) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UserError) as caught:
        find_protocol(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    for part in expected:
        assert part in f"{caught.value} | {caught.value.hint}"


def test_a_wrong_path_is_found_when_it_is_resolved(tmp_path: Path) -> None:
    path = write(tmp_path, "name: mine\nsuites: {minidigits: {stepz: {value: 5, source: a book}}}")
    assert find_protocol(str(path)).name == "mine"
    with pytest.raises(UserError, match="protocol mine for minidigits: unknown key 'stepz'") as caught:
        under(str(path), "dann", "minidigits")
    assert "did you mean 'steps'?" in caught.value.hint


def test_files_and_names_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown protocol 'tlib'") as caught:
        find_protocol("tlib")
    assert "did you mean 'tllib'?" in caught.value.hint
    with pytest.raises(UserError, match="does not exist") as caught:
        find_protocol(str(tmp_path / "mine.yaml"))
    assert "transductive" in caught.value.hint
    with pytest.raises(UserError, match=r"recipe file .* does not exist"):
        read_recipes(tmp_path / "mine.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(UserError, match="cannot be read as a recipe file"):
        read_recipes(tmp_path / "bytes.yaml")


def test_the_example_in_the_documentation(tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "docs" / "protocols.md").read_text(encoding="utf-8")
    example = text.partition("```yaml\n")[2].partition("```")[0]
    found = under(str(write(tmp_path, example)), "dann", "office31")
    assert found.config.protocol == "mine"
    assert (found.config.target_holdout, found.config.steps) == (0.5, 5000)
    assert (found.config.optimiser.lr, found.config.reversal.maximum) == (0.005, 0.5)
