"""What configuration may say of a backbone: its shape, and nothing that loads, fetches or names a file."""

from typing import Any

import pytest
import timm
import torch
from pydantic import ValidationError

from dabench.backbone_args import MOST_ITEMS, check_arguments
from dabench.backbones import _own_arguments, build_backbone
from dabench.config import RunConfig
from dabench.discovery import discover_methods, discover_suites
from dabench.errors import UserError
from dabench.method import METHODS
from dabench.resolve import Layer, resolve
from dabench.suite import SUITES

IDENTITY: dict[str, Any] = {"suite": "tiny", "task": "A->B", "method": "dann", "seed": 0}

HONEST: list[dict[str, Any]] = [
    {},
    {"img_size": 64},
    {"img_size": [64, 64], "drop_path_rate": 0.1, "class_token": False, "global_pool": "avg"},
    {"norm_layer": "layernorm", "act_layer": "gelu", "init_values": 1e-5, "qk_norm": True, "depth": 2},
    {"layers": [1, 1, 1, 1], "drop_rate": None},
]

HOSTILE: list[tuple[str, Any]] = [
    ("checkpoint_path", "/tmp/evil.pth"),
    ("checkpoint_path", None),
    ("pretrained", True),
    ("pretrained_cfg", "a.tag"),
    ("pretrained_cfg_overlay", {"url": "http://127.0.0.1:9/x.pth", "hf_hub_id": None}),
    ("pretrained_cfg_overlay", None),
    ("cache_dir", "/tmp/elsewhere"),
    ("features_only", True),
    ("scriptable", True),
    ("exportable", True),
    ("num_classes", 5),
    ("block_args", {"a": 1}),
    ("layers", [[1, 2], [3, 4]]),
    ("layers", [1] * (MOST_ITEMS + 1)),
    ("drop_rate", float("nan")),
    ("norm_layer", "x" * 300),
    ("not a name", 1),
]


@pytest.mark.parametrize("args", HONEST)
def test_what_a_network_is_like(args: dict[str, Any]) -> None:
    check_arguments(args)
    assert RunConfig.model_validate({**IDENTITY, "backbone_args": args}).backbone_args == args


@pytest.mark.parametrize(("name", "value"), HOSTILE)
def test_what_is_refused_when_configured_and_when_built(name: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=name) as caught:
        RunConfig.model_validate({**IDENTITY, "backbone_args": {"drop_rate": 0.1, name: value}})
    assert caught.value.errors()[0]["loc"] == ("backbone_args",)
    with pytest.raises(UserError, match=f"backbone test_resnet: backbone_args: .*{name}"):
        build_backbone("test_resnet", {name: value}, "none", 32)


def test_all_that_timm_takes_ahead_of_a_network_is_refused() -> None:
    assert {"checkpoint_path", "cache_dir", "pretrained_cfg_overlay", "pretrained_strict"} <= _own_arguments()
    with pytest.raises(ValueError, match="new_loader is not taken"):
        check_arguments({"new_loader": "x"}, frozenset({"new_loader"}))


@pytest.mark.parametrize("below", ["checkpoint_path", "pretrained_cfg_overlay.url"])
def test_the_error_says_where_it_was_given(below: str) -> None:
    discover_suites()
    discover_methods()
    suite, layer = SUITES.get("minidigits"), Layer.of_values("file s.yaml", {f"backbone_args.{below}": "x"})
    with pytest.raises(UserError) as caught:
        resolve(suite, suite.tasks()[0], METHODS.get("dann"), 0, [layer])
    assert f"backbone_args (backbone_args.{below}: file s.yaml): {below.partition('.')[0]}" in str(
        caught.value
    )


@pytest.mark.parametrize(
    "error", [AssertionError, ZeroDivisionError, RuntimeError, AttributeError, MemoryError]
)
def test_whatever_timm_raises_is_one_line(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise error("depth\nmust be even" + "!" * 5000)

    monkeypatch.setattr(timm, "create_model", fails)
    with pytest.raises(UserError, match=r"does not take backbone_args .*: depth must be even") as caught:
        build_backbone("resnet18", {"depth": 3}, "none", 32)
    assert len(str(caught.value)) < 1500


def test_timm_gets_tensors_alone_from_any_file(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older timm reads checkpoints with weights_only=False; PyTorch's own switch is stronger."""
    trace = tmp_path / "ran"

    class Hostile:
        def __reduce__(self) -> Any:
            return (type(trace).touch, (trace,))

    torch.save({"x": Hostile()}, tmp_path / "evil.pth")
    build = timm.create_model

    def careless(*args: Any, **options: Any) -> Any:
        torch.load(tmp_path / "evil.pth", weights_only=False)
        return build(*args, **options)

    monkeypatch.setattr(timm, "create_model", careless)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(UserError, match="does not take"):
        build_backbone("test_resnet", {}, "none", 32)
    assert not trace.exists()
    torch.load(tmp_path / "evil.pth", weights_only=False)
    assert trace.exists(), "as it was, once the network is built"
