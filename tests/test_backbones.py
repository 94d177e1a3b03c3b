"""Backbones: the network of appendix B, names, and weights from files and from a server."""

import dataclasses
import os
import pickle
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from PIL import Image

from dabench.augment import Augmentation
from dabench.backbones import build_backbone, check_backbone, file_digest
from dabench.config import ImageConfig
from dabench.errors import MissingDataError, UserError
from dabench.images import resize_square

NAME = "test_resnet"


@pytest.fixture
def state():
    """A full state dict of the backbone, classifier included, from random weights."""
    torch.manual_seed(7)
    model = timm.create_model(NAME, num_classes=11)
    for buffer in model.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    return model.state_dict()


def assert_holds(module, state, rtol=0.0, atol=0.0):
    found = module.state_dict()
    assert len(found) > 50
    for key, value in found.items():
        torch.testing.assert_close(value, state[key].to(value.dtype), rtol=rtol, atol=atol)
        assert value.dtype in (torch.float32, torch.int64)


def test_layers_of_appendix_b():
    """Conv 5x5 with 32 maps, pool, conv 5x5 with 48 maps, pool: 28 to 24 to 12 to 8 to 4 pixels."""
    module = build_backbone("dann_mnist", {}, "none", 28).module
    shapes = []
    for layer in module.layers:
        layer.register_forward_hook(lambda _, __, output: shapes.append(tuple(output.shape[1:])))
    features = module(torch.randn(2, 3, 28, 28))
    assert features.shape == (2, 768)
    assert shapes == [(32, 24, 24), (32, 24, 24), (32, 12, 12), (48, 8, 8), (48, 8, 8), (48, 4, 4)]
    first, second = 3 * 32 * 25 + 32, 32 * 48 * 25 + 48
    assert sum(p.numel() for p in module.parameters()) == first + second == 2432 + 38448
    assert timm.is_model("dann_mnist")
    assert timm.create_model("dann_mnist", num_classes=0)(torch.zeros(1, 3, 28, 28)).shape == (1, 768)


def test_dann_mnist_has_neither_weights_nor_classifier():
    with pytest.raises(MissingDataError) as caught:
        build_backbone("dann_mnist", {}, "default", 28)
    assert "--weights none" in caught.value.hint
    with pytest.raises(UserError) as caught:
        timm.create_model("dann_mnist", pretrained=True)
    assert "--weights none" in caught.value.hint
    with pytest.raises(ValueError, match="num_classes must be 0"):
        timm.create_model("dann_mnist", num_classes=10)


@pytest.mark.parametrize(
    ("name", "about", "suggestion"),
    [
        ("resnet5O", "unknown backbone 'resnet5O'", "resnet50"),
        ("dan_mnist", "unknown backbone", "dann_mnist"),
        ("resnet50.tv_in1", "unknown weights tag of backbone resnet50", "tv_in1k"),
        ("test_vit.nonsense", "unknown weights tag", "r160_in1k"),
    ],
)
def test_unknown_names_come_with_suggestions(name, about, suggestion):
    with pytest.raises(UserError, match=about) as caught:
        check_backbone(name)
    assert suggestion in caught.value.hint


@pytest.mark.parametrize("name", ["resnet50", "resnet50.tv_in1k", "dann_mnist", "test_vit.r160_in1k"])
def test_known_names(name):
    check_backbone(name)


@pytest.mark.parametrize("size", [32, 64, 160])
def test_a_transformer_is_built_for_the_size_of_the_images(size):
    backbone = build_backbone("test_vit", {}, "none", size)
    assert backbone.module(torch.zeros(1, 3, size, size)).shape == (1, 64)


def test_normalisation_is_timms():
    backbone = build_backbone("resnet10t", {}, "none", 32)
    assert backbone.mean == (0.485, 0.456, 0.406)
    assert backbone.std == (0.229, 0.224, 0.225)
    assert build_backbone("dann_mnist", {}, "none", 28).mean == (0.5, 0.5, 0.5)


def test_arguments_reach_timm_and_unknown_ones_are_an_error():
    module = build_backbone("mobilenetv3_small_050", {"bn_eps": 0.25}, "none", 32).module
    assert {m.eps for m in module.modules() if isinstance(m, torch.nn.BatchNorm2d)} == {0.25}
    with pytest.raises(UserError, match="backbone_args"):
        build_backbone(NAME, {"bottle_neck": 3}, "none", 32)


WRAPPERS = {
    "plain": lambda state: state,
    "state_dict": lambda state: {"state_dict": state, "epoch": 3},
    "model": lambda state: {"model": state, "optimizer": {"lr": 0.1}},
    "data parallel": lambda state: {f"module.{key}": value for key, value in state.items()},
    "both": lambda state: {"state_dict": {f"module.{key}": value for key, value in state.items()}},
    "with a note": lambda state: {**state, "epoch": 3},
}


@pytest.mark.parametrize("wrap", WRAPPERS)
@pytest.mark.parametrize("ending", ["pth", "pt", "bin"])
def test_pytorch_files(tmp_path, state, wrap, ending):
    path = tmp_path / f"weights.{ending}"
    torch.save(WRAPPERS[wrap](state), path)
    assert_holds(build_backbone(NAME, {}, path, 32).module, state)


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_half_precision_files(tmp_path, state, ending):
    path = tmp_path / f"weights.{ending}"
    half = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    (torch.save if ending == "pth" else safetensors.torch.save_file)(half, path)
    assert_holds(build_backbone(NAME, {}, path, 32).module, state, rtol=1e-3, atol=1e-6)


def test_safetensors_without_batch_counters(tmp_path, state):
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(
        {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}, path
    )
    assert_holds(build_backbone(NAME, {}, path, 32).module, state)


def test_a_file_of_another_backbone(tmp_path, state):
    path = tmp_path / "weights.pth"
    torch.save(timm.create_model("test_vit").state_dict(), path)
    with pytest.raises(UserError, match=r"does not fit backbone test_resnet: \d+ tensors missing") as caught:
        build_backbone(NAME, {}, path, 32)
    assert "conv1" in str(caught.value)
    state["layer1.0.conv1.weight"] = torch.zeros(1, 2, 3, 4)
    torch.save(state, path)
    with pytest.raises(UserError, match=r"1 of another shape \(such as \['layer1\.0\.conv1\.weight'\]"):
        build_backbone(NAME, {}, path, 32)


class Hostile:
    """Would leave a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("kind", ["torch", "pickle"])
def test_a_file_with_code_in_it_is_refused_and_not_run(tmp_path, kind):
    path, trace = tmp_path / "weights.pth", tmp_path / "ran"
    if kind == "torch":
        torch.save({"conv1.weight": Hostile(trace)}, path)
    else:
        path.write_bytes(pickle.dumps({"conv1.weight": Hostile(trace)}))
    with pytest.raises(UserError, match="cannot be read as weights"):
        build_backbone(NAME, {}, path, 32)
    assert not trace.exists()


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04broken"])
@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_files_that_are_no_weights(tmp_path, content, ending):
    path = tmp_path / f"weights.{ending}"
    path.write_bytes(content)
    with pytest.raises(UserError, match="cannot be read as weights"):
        build_backbone(NAME, {}, path, 32)


@pytest.mark.parametrize("content", [torch.zeros(3), [1, 2], {"state_dict": 5}])
def test_files_with_other_things(tmp_path, content):
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    with pytest.raises(UserError):
        build_backbone(NAME, {}, path, 32)


def test_a_missing_file(tmp_path):
    with pytest.raises(MissingDataError, match=r"nowhere\.pth does not exist"):
        build_backbone(NAME, {}, tmp_path / "nowhere.pth", 32)


def test_digest_of_a_file(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert file_digest(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.fixture
def nothing_downloaded(tmp_path, monkeypatch):
    """Empty caches of both clients, and an address at which nothing answers in place of the hub."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def server(nothing_downloaded) -> Iterator[tuple[str, Path, list[str]]]:
    """A server on this machine: its address, its folder, and the files asked of it."""
    folder = nothing_downloaded / "served"
    folder.mkdir()
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            super().do_GET()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}", folder, asked
        running.shutdown()
        thread.join()


@pytest.fixture
def timm_has(monkeypatch):
    """Let timm say that the weights lie at an address."""

    def says(address):
        known = timm.models._registry._model_pretrained_cfgs
        for name in (NAME, f"{NAME}.r160_in1k"):
            own = dataclasses.replace(known[name], hf_hub_id=None, url=address, num_classes=11)
            monkeypatch.setitem(known, name, own)

    return says


@pytest.mark.usefixtures("nothing_downloaded")
@pytest.mark.parametrize("address", [None, "http://127.0.0.1:9/weights.pth"], ids=["hub", "address"])
def test_weights_that_cannot_be_had(address, timm_has):
    if address:
        timm_has(address)
    with pytest.raises(MissingDataError, match="not on this machine and could not be downloaded") as caught:
        build_backbone("test_resnet.r160_in1k", {}, "default", 32)
    assert "refused" in str(caught.value)
    assert "--weights FILE" in caught.value.hint
    assert "--weights none" in caught.value.hint


def test_a_backbone_that_never_had_weights():
    with pytest.raises(MissingDataError, match="timm has no pretrained weights for backbone resnet200"):
        build_backbone("resnet200", {}, "default", 32)


def test_weights_from_a_server(server, state, capfd, timm_has):
    address, folder, asked = server
    torch.save(state, folder / "weights.pth")
    timm_has(f"{address}/weights.pth")
    assert_holds(build_backbone(NAME, {}, "default", 32).module, state)
    assert asked == ["/weights.pth"]
    # The second time nothing is asked: it works without a network.
    assert_holds(build_backbone(NAME, {}, "default", 32).module, state)
    assert asked == ["/weights.pth"]
    capfd.readouterr()


def test_a_server_without_the_file(server, capfd, timm_has):
    address, _, _ = server
    timm_has(f"{address}/weights.pth")
    with pytest.raises(MissingDataError, match="404"):
        build_backbone(NAME, {}, "default", 32)
    capfd.readouterr()


def test_no_argument_leads_to_another_server_or_file(server, state):
    address, folder, asked = server
    torch.save(state, folder / "weights.pth")
    other = {"hf_hub_id": None, "url": f"{address}/weights.pth", "num_classes": 11}
    for args in ({"pretrained_cfg_overlay": other}, {"checkpoint_path": str(folder / "weights.pth")}):
        for weights in ("default", "none"):
            with pytest.raises(UserError, match=f"{next(iter(args))} is not taken"):
                build_backbone(NAME, args, weights, 32)
    assert asked == []


def test_hub_weights_that_are_in_its_cache_are_read_without_a_network(nothing_downloaded, state):
    """The hub client's own layout: refs/main names a snapshot that holds the file."""
    folder = nothing_downloaded / "hub" / "models--timm--test_resnet.r160_in1k"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0123abcd")
    (folder / "snapshots" / "0123abcd").mkdir(parents=True)
    full = timm.create_model(NAME, num_classes=1000).state_dict()
    full.update({key: value for key, value in state.items() if not key.startswith("fc")})
    safetensors.torch.save_file(full, folder / "snapshots" / "0123abcd" / "model.safetensors")
    assert_holds(build_backbone("test_resnet.r160_in1k", {}, "default", 32).module, state)


@pytest.mark.real
@pytest.mark.skipif("DABENCH_REAL_DATA" not in os.environ, reason="DABENCH_REAL_DATA is not set")
def test_real_weights_tell_real_photos_apart():
    """ImageNet weights in half precision, converted from TensorFlow: hence padding, epsilon and scale."""
    data = Path(os.environ["DABENCH_REAL_DATA"])
    args = {"pad_type": "same", "bn_eps": 1e-3}
    path = data / "weights" / "mobilenetv2_100_tf.safetensors"
    backbone = build_backbone("mobilenetv2_100", args, path, 128)
    assert {p.dtype for p in backbone.module.parameters()} == {torch.float32}
    stored = safetensors.torch.load_file(path)
    found = backbone.module.state_dict()
    assert all(
        torch.equal(value, stored[key].to(value.dtype)) for key, value in found.items() if key in stored
    )
    classes = sorted(path for path in (data / "office31_shared10" / "webcam").rglob("*") if path.is_dir())
    photos = [sorted(folder.glob("*.jpg"))[:12:2] for folder in classes]
    photos = [files for files in photos if files]
    assert len(photos) == 10
    images = np.stack(
        [resize_square(np.asarray(Image.open(f).convert("RGB")), 128) for files in photos for f in files]
    )
    augmentation = Augmentation(
        ImageConfig(resize=128, size=128), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), torch.device("cpu")
    )
    with torch.inference_mode():
        features = backbone.module.eval()(augmentation.test(images))
    labels = torch.arange(10).repeat_interleave(torch.tensor([len(files) for files in photos]))
    distances = torch.cdist(features, features).fill_diagonal_(torch.inf)
    assert (labels[distances.argmin(dim=1)] == labels).double().mean() > 0.8
