"""Device, precision and memory."""

import numpy as np
import pytest
import torch

from dabench import hardware
from dabench.errors import UserError
from dabench.hardware import (
    peak_memory_bytes,
    reset_peak_memory,
    resolve_device,
    resolve_precision,
    to_device,
)

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def machine(monkeypatch):
    """Pretend to be a machine with these processor flags, CUDA devices and their own bfloat16."""

    def pretend(flags=(), devices=0, bfloat16=False):
        monkeypatch.setattr(hardware, "_processor_flags", lambda: frozenset(flags))
        monkeypatch.setattr(torch.cuda, "is_available", lambda: devices > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: devices)
        # Older devices only emulate bfloat16, which PyTorch calls supported unless asked.
        monkeypatch.setattr(
            torch.cuda,
            "is_bf16_supported",
            lambda including_emulation=True: bfloat16 or including_emulation,
        )

    return pretend


def test_device(machine):
    machine()
    assert resolve_device("auto") == CPU
    assert resolve_device("cpu") == CPU
    for text in ("cuda", "cuda:0", "cuda:7"):
        with pytest.raises(UserError, match="not on this machine") as caught:
            resolve_device(text)
        assert "--device cpu" in caught.value.hint
    machine(devices=2)
    assert resolve_device("auto") == CUDA
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(UserError, match="2 CUDA devices"):
        resolve_device("cuda:2")


@pytest.mark.parametrize("text", ["gpu", "", "cuda:", "cuda:x", "cpu:0 ", "CUDA", "mps"])
def test_no_device_of_that_name(text):
    with pytest.raises(UserError, match="unknown device"):
        resolve_device(text)


@pytest.mark.parametrize(
    ("backbone", "device", "flags", "bfloat16", "wanted"),
    [
        ("resnet50.tv_in1k", CPU, ["avx2"], False, "float32"),
        ("resnet50.tv_in1k", CPU, ["avx512_bf16"], False, "bfloat16"),
        ("mobilenetv2_100", CPU, ["avx512_bf16"], False, "float32"),
        ("convnext_atto", CPU, ["avx512_bf16"], False, "bfloat16"),
        ("mobilenetv3_large_100", CPU, ["avx512_bf16"], False, "float32"),
        ("tf_efficientnet_b0", CPU, ["avx512_bf16"], False, "float32"),
        ("dann_mnist", CPU, ["avx512_bf16"], False, "float32"),
        ("mobilenetv2_100", CUDA, [], True, "bfloat16"),
        ("resnet50.tv_in1k", CPU, ["amx_bf16", "amx_tile"], False, "bfloat16"),
        ("vit_small_patch16_224", CPU, ["amx_bf16"], False, "bfloat16"),
        ("mobilenetv2_100", CPU, ["amx_bf16"], False, "float32"),
        ("tf_efficientnet_b0", CPU, ["amx_bf16"], False, "float32"),
        ("dann_mnist", CPU, ["amx_bf16"], False, "float32"),
        ("resnet50.tv_in1k", CUDA, [], True, "bfloat16"),
        ("resnet50.tv_in1k", CUDA, ["amx_bf16"], False, "float32"),
        ("dann_mnist", CUDA, [], True, "float32"),
    ],
)
def test_automatic_precision(machine, backbone, device, flags, bfloat16, wanted):
    machine(flags, devices=1, bfloat16=bfloat16)
    assert resolve_precision("auto", device, backbone) == wanted


@pytest.mark.parametrize("text", ["float32", "bfloat16"])
def test_a_given_precision_stands(machine, text):
    machine(["amx_bf16"])
    assert resolve_precision(text, CPU, "dann_mnist") == text


def test_processor_flags(monkeypatch, tmp_path):
    hardware._processor_flags.cache_clear()
    real = hardware.Path
    fake = tmp_path / "cpuinfo"
    monkeypatch.setattr(hardware, "Path", lambda path: fake if path == "/proc/cpuinfo" else real(path))
    try:
        fake.write_text("processor : 0\nflags\t\t: fpu avx2 amx_bf16\n\nprocessor : 1\nflags : fpu\n")
        assert hardware._processor_flags() == {"fpu", "avx2", "amx_bf16"}
        hardware._processor_flags.cache_clear()
        fake.unlink()
        assert hardware._processor_flags() == frozenset()
    finally:
        hardware._processor_flags.cache_clear()


def test_processors():
    assert hardware.processors() >= 1


def test_peak_memory_sees_what_was_held():
    reset_peak_memory(CPU)
    before = peak_memory_bytes(CPU)
    held = torch.ones(50_000_000)
    after = peak_memory_bytes(CPU)
    assert held.sum() > 0
    assert after > before + 100_000_000


def test_without_the_kernels_files_the_peak_is_the_processs_own(monkeypatch, tmp_path):
    monkeypatch.setattr(hardware, "Path", lambda path: tmp_path / "missing" / "file")
    reset_peak_memory(CPU)
    assert peak_memory_bytes(CPU) > 1_000_000


def test_a_c_library_without_mallopt_is_left_alone(monkeypatch):
    monkeypatch.setattr(hardware.ctypes, "CDLL", lambda name: object())
    hardware.keep_freed_memory()


def test_arrays_go_to_the_device():
    array = np.arange(6).reshape(2, 3).T
    array.flags.writeable = False
    sent = to_device(array, CPU)
    assert sent.tolist() == array.tolist()


@pytest.mark.parametrize(
    ("largest", "wanted"),
    [(2**40, [(-3, 2**30), (-1, 2**31 - 1)]), (2**25, [(-3, 2**30), (-3, 2**25), (-1, 2**31 - 1)])],
    ids=["new", "old"],
)
def test_freed_memory_is_kept_under_new_and_old_libraries(monkeypatch, largest, wanted):
    """An old one refuses a large threshold; the second option alone would make things worse."""
    calls = []

    class Library:
        def mallopt(self, option, value):
            calls.append((option, value))
            return int(option != -3 or value <= largest)

    monkeypatch.setattr(hardware.ctypes, "CDLL", lambda name: Library())
    hardware.keep_freed_memory()
    assert calls == wanted


def test_a_gpu_may_be_on_other_machines(machine):
    machine()
    assert resolve_device("cuda", elsewhere=True) == CUDA
    with pytest.raises(UserError, match="not on this machine"):
        resolve_device("cuda:0", elsewhere=True)
    with pytest.raises(UserError, match="precision=auto asks the GPU"):
        resolve_precision("auto", CUDA, "resnet50")
    assert resolve_precision("bfloat16", CUDA, "resnet50") == "bfloat16"
