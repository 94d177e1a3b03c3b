"""``dabench list`` and ``dabench show``: whole, and each value with its origin, in narrow terminals too."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dabench.discovery import discover_methods, discover_suites
from dabench.errors import UserError
from dabench.listing import print_list, print_one
from dabench.method import METHODS
from dabench.protocol import PROTOCOLS
from dabench.resolve import paths_of
from dabench.selection import RULES
from dabench.suite import SUITES


def listed(kind: str, as_json: bool = True, match: str = "*", width: int = 200) -> str:
    console = Console(file=StringIO(), width=width)
    print_list(console, kind, as_json, match)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def shown(kind: str, name: str, suite: str | None = None, width: int = 200, **options: Any) -> str:
    console = Console(file=StringIO(), width=width)
    print_one(console, kind, name, suite, **options)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_json_is_a_list_of_objects_with_names() -> None:
    discover_methods()
    discover_suites()
    for kind, names in (("methods", list(METHODS)), ("suites", list(SUITES))):
        rows = json.loads(listed(kind))
        assert [row["name"] for row in rows] == names
    by_name: dict[str, Any] = {row["name"]: row for row in json.loads(listed("methods"))}
    assert by_name["target_only"]["ranked"] is False
    assert by_name["gsda"]["ranked"] is True
    assert {row["name"]: row["tasks"] for row in json.loads(listed("suites"))}["officehome"] == 12


def test_backbones_are_timms_and_our_own() -> None:
    rows = {row["name"]: row["pretrained"] for row in json.loads(listed("backbones", match="*res*50*"))}
    assert rows["resnet50.tv_in1k"] is True
    assert json.loads(listed("backbones", match="dann*")) == [{"name": "dann_mnist", "pretrained": False}]
    with pytest.raises(UserError, match="no backbones match 'qq'"):
        listed("backbones", as_json=False, match="qq")
    assert json.loads(listed("backbones", match="qq")) == []


@pytest.mark.parametrize("width", [300, 80, 40])
def test_lists_hold_every_name_at_any_width(width: int) -> None:
    text = listed("methods", as_json=False, width=width)
    assert "…" not in text
    for name in METHODS:
        assert name in text.replace("│", " ").split()
        assert METHODS.get(name).summary in text or width == 80, "cells are folded there"


def test_what_there_is_no_list_of() -> None:
    with pytest.raises(UserError, match="unknown list 'method'") as caught:
        listed("method")
    assert "did you mean 'methods'?" in caught.value.hint
    with pytest.raises(UserError, match="cannot show 'backbone'"):
        shown("backbone", "resnet50")
    with pytest.raises(UserError, match="unknown method 'gdsa'"):
        shown("method", "gdsa")
    with pytest.raises(UserError, match="unknown suite 'office32'"):
        shown("method", "gsda", "office32")


@pytest.mark.parametrize("width", [200, 80])
@pytest.mark.parametrize("suite", [None, "office31", "minidigits"])
def test_a_method_with_every_key_its_meaning_and_origin(suite: str | None, width: int) -> None:
    text = shown("method", "gsda", suite, width)
    assert "CVPR 2020" in text
    assert "@inproceedings{hu2020unsupervised" in text
    assert "factor of the synchronisation loss, equation 13" in text
    assert "GSDA paper, section 3.1" in text
    assert "loss_weights.synchronisation" in text
    keys = [path for path in paths_of(METHODS.get("gsda")) if suite or path.startswith(("params.", "loss_"))]
    for key in keys:
        assert key in text, "keys are never folded"
    assert "…" not in text


def test_origins_of_a_methods_values_on_a_suite() -> None:
    rows = [line.split("│")[1:-1] for line in shown("method", "gsda", "office31").splitlines() if "│" in line]
    table = {cells[0].strip(): (cells[1].strip(), cells[-1].strip()) for cells in rows if cells[0].strip()}
    assert table["params.groups"] == ("6", "method gsda on office31: GSDA paper, section 3.1")
    assert table["steps"][0] == "20000"
    assert table["steps"][1].startswith("suite office31: ")
    assert table["optimiser.lr"] == ("0.01", "default: Ganin & Lempitsky, ICML 2015 (DANN), appendix C: mu0")
    assert table["head.bottleneck"][0] == "256"
    assert table["image.mean"] == ("null", "default: timm's data configuration of the backbone")
    assert table["backbone_args"][0] == "{}"
    assert table["loss_weights.group"] == ("1.0", "1 where none is given")


def test_protocols_and_rules_are_listed() -> None:
    protocols = {row["name"]: row for row in json.loads(listed("protocols"))}
    assert list(protocols) == list(PROTOCOLS)
    assert protocols["transductive"]["methods"] == "all"
    assert protocols["tllib"]["methods"] == "cdan, dann, source_only, target_only"
    rules = {row["name"]: row for row in json.loads(listed("rules"))}
    assert list(rules) == list(RULES)
    assert {name for name, row in rules.items() if not row["ranked"]} == {"oracle"}
    assert rules["dev"]["reads"] == "target, source, source_val"
    assert (rules["last"]["reads"], rules["oracle"]["reads"]) == ("the steps", "target test labels")


@pytest.mark.parametrize("width", [200, 80])
def test_a_protocol_with_every_value_and_its_source(width: int) -> None:
    text = " ".join(shown("protocol", "tllib", width=width).split())
    for part in (
        "VisDA-2017's best epoch",
        "its authors report: The best epoch",
        "method cdan on suite visda2017",
    ):
        assert part in text
    for path in ("schedule.alpha", "params.randomised", "image.train_crop", "head.discriminator_batch_norm"):
        assert path in text
    assert "methods: all" in shown("protocol", "holdout", width=width)


def test_a_method_under_a_protocol() -> None:
    text = shown("method", "dann", "visda2017", protocol="tllib", width=400)
    (line,) = (line for line in text.splitlines() if "reversal.gamma" in line)
    assert "30.0" in line
    assert "protocol tllib for dann on visda2017: TLLib" in line
    with pytest.raises(UserError, match="--protocol shows a method on a suite"):
        shown("method", "dann", protocol="tllib")
    with pytest.raises(UserError, match="--protocol: unknown protocol 'tlib'"):
        shown("method", "dann", "visda2017", protocol="tlib")


def test_a_rule_says_what_it_needs() -> None:
    text = shown("rule", "dev")
    assert "source_holdout" in text
    assert "ICML 2019" in text
    assert "never ranked" in shown("rule", "oracle")
    assert "never ranked" not in text
    assert "compares the steps of one run" in shown("rule", "last")
    with pytest.raises(UserError, match="unknown selection rule 'orakle'"):
        shown("rule", "orakle")


def test_narrow_terminals_get_lines_instead_of_slivers() -> None:
    lines = shown("method", "gsda", "office31", width=60).splitlines()
    at = lines.index("  params.groups = 6")
    assert lines[at + 1].startswith("    number b of groups")
    assert lines[at + 2] == "    method gsda on office31: GSDA paper, section 3.1"


def test_the_upper_bound_says_that_it_is_one() -> None:
    assert "never ranked" in shown("method", "target_only")
    assert "never ranked" not in shown("method", "dann")


@pytest.mark.parametrize("width", [200, 50])
def test_a_suite_with_its_sources(width: int) -> None:
    discover_suites()
    text = shown("suite", "office31", width=width)
    manifest = SUITES.get("office31").manifest
    for part in ("A->D, A->W, D->A, D->W, W->A, W->D", "31: back_pack, bike", "2817", manifest.licence):
        assert part in text
    for source in manifest.sources:
        assert source.address in text
        assert source.seen_in in text
    assert manifest.citation.strip() in text
    assert "mean_class_accuracy" in shown("suite", "visda2017", width=width)


def test_a_users_suite(tiny_suite: Path) -> None:
    text = shown("suite", str(tiny_suite))
    assert "Coloured squares" in text
    assert "our choice: fast" in text
    rows = shown("method", "dann", str(tiny_suite))
    assert "suite tiny: our choice: fast" in rows
