"""Backbones: any timm name without its classifier, pooled features, weights from timm or a local file."""

import difflib
import hashlib
import inspect
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import safetensors.torch
import timm
import torch
from timm.data.config import resolve_data_config
from torch import Tensor, nn

from dabench.backbone_args import check_arguments
from dabench.errors import MissingDataError, UserError, unknown
from dabench.pickled import require_tensors_alone

__all__ = [
    "Backbone",
    "DannMnist",
    "SettledBackbone",
    "build_backbone",
    "check_backbone",
    "dann_mnist",
    "default_weights_here",
    "file_digest",
    "settle_backbone",
]


LONGEST_SHOWN = 500
DANN_MEAN = DANN_STD = (0.5, 0.5, 0.5)


class DannMnist(nn.Module):
    """Feature extractor of the MNIST network in Ganin & Lempitsky, ICML 2015, appendix B, figure 5a.

    Convolution 5x5 with 32 maps, ReLU, max pool 2, convolution 5x5 with 48 maps, ReLU, max pool 2, flattened:
    images (N, 3, 28, 28) to (N, 768). Other image sizes give other widths.
    """

    def __init__(self, in_chans: int = 3, num_classes: int = 0) -> None:
        super().__init__()
        if num_classes:
            raise ValueError("dann_mnist has no classifier of its own: num_classes must be 0")
        self.num_classes = 0
        self.pretrained_cfg: dict[str, Any] = {
            "architecture": "dann_mnist",
            "input_size": (in_chans, 28, 28),
            "mean": DANN_MEAN,
            "std": DANN_STD,
        }
        self.layers = nn.Sequential(
            nn.Conv2d(in_chans, 32, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 48, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) to features (N, D)."""
        return self.layers(images).flatten(1)  # type: ignore[no-any-return]


def dann_mnist(pretrained: bool = False, in_chans: int = 3, num_classes: int = 0, **_: Any) -> DannMnist:
    """Build DannMnist; timm calls this as it does for its own models."""
    if pretrained:
        raise UserError("dann_mnist has no pretrained weights", "use --weights none")
    return DannMnist(in_chans, num_classes)


if not timm.is_model("dann_mnist"):
    timm.models.register_model(dann_mnist)


@dataclass(frozen=True)
class Backbone:
    """A built backbone: the module, and the mean and deviation of the channels that it expects, in [0, 1]."""

    module: nn.Module
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@cache  # once for each run of a sweep
def check_backbone(name: str) -> None:
    """Raise a UserError with a suggestion when timm has no such model or no such tag."""
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        close = difflib.get_close_matches(architecture, timm.list_models(), n=8, cutoff=0.3)
        raise unknown("backbone", name, close, where="timm")
    if tag:
        tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{architecture}.*")]
        if tag not in tags:
            raise unknown(f"weights tag of backbone {architecture}", tag, tags, where="timm")


@dataclass(frozen=True)
class SettledBackbone:
    """What timm decides today: the full name, and mean and deviation of the channels where it states them."""

    name: str
    mean: tuple[float, float, float] | None
    std: tuple[float, float, float] | None


def settle_backbone(name: str, weights: str) -> SettledBackbone:
    """Add the tag that timm takes by default, and its normalisation: another timm may decide otherwise."""
    if name == "dann_mnist":
        return SettledBackbone(name, DANN_MEAN, DANN_STD)
    config = timm.get_pretrained_cfg(name)
    if config is None:
        return SettledBackbone(name, None, None)
    full = f"{name}.{config.tag}" if weights == "default" and "." not in name and config.tag else name
    red, green, blue = config.mean
    deviations = config.std
    return SettledBackbone(full, (red, green, blue), (deviations[0], deviations[1], deviations[2]))


def file_digest(path: Path) -> str:
    """SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def build_backbone(name: str, args: Mapping[str, Any], weights: str | Path, size: int) -> Backbone:
    """Build a backbone without classifier.

    Args:
        name: timm's name, with a tag where the weights matter (resnet50.tv_in1k).
        args: further arguments of timm.create_model; see ``check_arguments``.
        weights: "default" for timm's own, "none", or a local file (.safetensors, or a PyTorch state dict).
        size: side of the images in pixels, for backbones that fix it (ViT).

    Raises:
        MissingDataError: weights that are not here and cannot be downloaded.
        UserError: unknown name, arguments that are not taken, or a file that does not fit the backbone.
    """
    check_backbone(name)
    try:
        check_arguments(args, _own_arguments())
    except ValueError as error:
        raise UserError(f"backbone {name}: backbone_args: {error}") from error
    options = {**_size_option(name, size), **args}
    if weights == "default":
        module = _with_default_weights(name, options)
    else:
        module = _create(name, options)
        if isinstance(weights, Path):
            _load_file(module, name, weights)
    config = resolve_data_config(model=module)  # type: ignore[no-untyped-call]
    return Backbone(module, tuple(config["mean"]), tuple(config["std"]))


def _size_option(name: str, size: int) -> dict[str, int]:
    """Vision transformers fix their input size; the others do not know the argument."""
    config = timm.get_pretrained_cfg(name)
    fixed = config is not None and config.fixed_input_size and tuple(config.input_size[1:]) != (size, size)
    return {"img_size": size} if fixed else {}


@cache
def _own_arguments() -> frozenset[str]:
    """What timm itself takes, ahead of any network: another timm may have further ways to load something."""
    functions = (timm.create_model, timm.models.build_model_with_cfg)
    every = [item for function in functions for item in inspect.signature(function).parameters.values()]
    return frozenset(item.name for item in every if item.kind is not item.VAR_KEYWORD)


def _create(name: str, options: Mapping[str, Any]) -> nn.Module:
    try:
        return _called(name, options)
    except UserError:
        raise
    except Exception as error:  # networks check their arguments by assert, by division, or by falling over
        raise _not_taken(name, options, error) from error


def _called(name: str, options: Mapping[str, Any], **source: Any) -> nn.Module:
    with _tensors_alone():
        return timm.create_model(name, num_classes=0, **options, **source)


def _not_taken(name: str, options: Mapping[str, Any], error: Exception) -> UserError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return UserError(
        f"backbone {name} does not take backbone_args {str(dict(options))[:LONGEST_SHOWN]}: "
        f"{reason[:LONGEST_SHOWN]}"
    )


@contextmanager
def _tensors_alone() -> Iterator[None]:
    """Let PyTorch unpickle nothing but tensors, whatever its caller asks: timm has asked for everything."""
    names = ("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    before = {name: os.environ.pop(name, None) for name in names}
    os.environ[names[0]] = "1"
    try:
        yield
    finally:
        del os.environ[names[0]]
        os.environ.update({name: value for name, value in before.items() if value is not None})


def _with_default_weights(name: str, options: Mapping[str, Any]) -> nn.Module:
    help_ = (
        "give a local file with --weights FILE (.safetensors or a PyTorch state dict in timm's key names), "
        "or train from random weights with --weights none"
    )
    known = _pretrained(name)
    if not any(known.get(key) for key in ("url", "file", "hf_hub_id", "state_dict")):
        raise MissingDataError(f"timm has no pretrained weights for backbone {name}", help_)
    try:
        return _called(name, options, pretrained=True, pretrained_cfg_overlay=_from_cache(known))
    except UserError:
        raise
    except TypeError as error:
        raise _not_taken(name, options, error) from error
    except Exception as error:  # the hub's clients raise many kinds; all mean that the weights did not come
        raise MissingDataError(
            f"the pretrained weights of {name} are not on this machine and could not be downloaded "
            f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason given'})",
            help_,
        ) from error


def default_weights_here(name: str) -> bool:
    """Whether timm's own weights of a backbone are on this machine.

    Asks no network.
    """
    return _downloaded(_pretrained(name)) is not None


def _pretrained(name: str) -> dict[str, Any]:
    """What timm knows of a backbone's weights."""
    config = timm.get_pretrained_cfg(name)
    return dict(vars(config)) if config else {}


def _downloaded(config: Mapping[str, Any]) -> str | None:
    """Where the weights lie: a path, "" where timm finds them by itself, None where they are not here."""
    hub, address = config.get("hf_hub_id"), config.get("url")
    if config.get("file") or config.get("state_dict"):
        return ""
    if not hub:
        file = os.path.basename(urllib.parse.urlparse(str(address)).path)
        return "" if Path(torch.hub.get_dir(), "checkpoints", file).is_file() else None
    repository, _, revision = str(hub).partition("@")
    own = config.get("hf_hub_filename")
    for file in [own] if own else ["model.safetensors", "pytorch_model.bin"]:
        found = huggingface_hub.try_to_load_from_cache(repository, file, revision=revision or None)
        if isinstance(found, str):
            return found
    return None


def _from_cache(config: Mapping[str, Any]) -> dict[str, str]:
    """Point timm at the downloaded file where there is one; else make sure that its address answers.

    Left alone, the hub's client asks the network even for files that it has, and tries for most of a minute
    where there is none.
    """
    found = _downloaded(config)
    if found is None:
        _reach(huggingface_hub.constants.ENDPOINT if config.get("hf_hub_id") else str(config.get("url")))
    return {"file": found} if found else {}


def _reach(address: str) -> None:
    """Ask the address's host once; raises OSError when nothing answers within seconds."""
    request = urllib.request.Request(urllib.parse.urljoin(address, "/"), method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=5).close()
    except urllib.error.HTTPError as error:  # an answer, whatever it says
        error.close()


def _load_file(module: nn.Module, name: str, path: Path) -> None:
    if not path.is_file():
        raise MissingDataError(f"weights file {path} does not exist", "see --weights FILE")
    state: dict[str, Any]
    try:
        if path.suffix == ".safetensors":
            state = safetensors.torch.load_file(path)
        else:
            require_tensors_alone(path)
            state = dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # whatever a damaged or hostile file makes the readers raise
        raise UserError(
            f"{path} cannot be read as weights: {error}", "expected .safetensors or a PyTorch state dict"
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(state.get(key), Mapping):
            state = dict(state[key])
    given = {
        str(key).removeprefix("module."): value for key, value in state.items() if isinstance(value, Tensor)
    }
    wanted = module.state_dict()
    missing = [key for key in wanted if key not in given and not key.endswith("num_batches_tracked")]
    wrong = [key for key in wanted if key in given and given[key].shape != wanted[key].shape]
    if missing or wrong:
        raise UserError(
            f"{path} does not fit backbone {name}: {len(missing)} tensors missing (such as {missing[:3]}), "
            f"{len(wrong)} of another shape (such as {wrong[:3]})",
            "expected timm's key names for this backbone",
        )
    module.load_state_dict({key: given[key] for key in wanted if key in given}, strict=False)
