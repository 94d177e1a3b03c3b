"""Weights in PyTorch's formats: no file asks for more memory than its size."""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from dabench.pickled import require_tensors_alone

STATE = {"layer.weight": torch.arange(6.0).reshape(2, 3), "layer.bias": torch.zeros(2)}


class Large:
    def __reduce__(self) -> Any:
        return bytearray, (10**9,)


@pytest.mark.parametrize("zipped", [True, False])
def test_honest_weights_pass(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": STATE, "epoch": 3}, path, _use_new_zipfile_serialization=zipped)
    require_tensors_alone(path)
    assert torch.load(path, weights_only=True)["epoch"] == 3


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_an_array_that_is_asked_for_is_refused(tmp_path: Path, zipped: bool, protocol: int) -> None:
    path = tmp_path / "weights.pth"
    content = {"state_dict": {**STATE, "x": Large()}}
    torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match="arrays of bytes"):
        require_tensors_alone(path)


def test_what_is_compressed_a_thousandfold_is_refused(tmp_path: Path) -> None:
    buffer, path = io.BytesIO(), tmp_path / "weights.pth"
    torch.save({"x": torch.zeros(10**6)}, buffer)
    with zipfile.ZipFile(buffer) as plain, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as small:
        for name in plain.namelist():
            small.writestr(name, plain.read(name))
    with pytest.raises(ValueError, match="more than its size"):
        require_tensors_alone(path)


@pytest.mark.parametrize("content", [b"", b"no weights", pickle.dumps([1]), b"PK\x03\x04"])
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(ValueError):
        require_tensors_alone(path)
