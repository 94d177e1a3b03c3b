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


class Asks:
    """Asks for something when it is unpickled."""

    def __init__(self, what: Any, *arguments: Any) -> None:
        self.what = what, arguments

    def __reduce__(self) -> Any:
        return self.what


LARGE = Asks(bytearray, 10**9)


@pytest.mark.parametrize("zipped", [True, False])
def test_honest_weights_pass(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": STATE, "epoch": 3}, path, _use_new_zipfile_serialization=zipped)
    require_tensors_alone(path)
    assert torch.load(path, weights_only=True)["epoch"] == 3


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("asked", [LARGE, Asks(torch.Tensor, [[0.0] * 10] * 10)], ids=["bytes", "tensor"])
def test_what_asks_for_memory_is_refused(tmp_path: Path, zipped: bool, protocol: int, asked: Any) -> None:
    path = tmp_path / "weights.pth"
    content = {"state_dict": {**STATE, "x": asked}}
    torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match="as no weights do"):
        require_tensors_alone(path)


def test_a_pickle_with_an_archive_behind_it_is_a_pickle(tmp_path: Path) -> None:
    """As PyTorch sees it, which looks at the beginning."""
    buffer, path = io.BytesIO(), tmp_path / "weights.pth"
    torch.save({"x": LARGE}, buffer, _use_new_zipfile_serialization=False)
    path.write_bytes(buffer.getvalue())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}, 2))
    assert zipfile.is_zipfile(path)
    with pytest.raises(ValueError, match="as no weights do"):
        require_tensors_alone(path)


def test_the_case_of_a_member_hides_nothing(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/DATA.PKL", pickle.dumps({"x": LARGE}, 2))
    with pytest.raises(ValueError, match="as no weights do"):
        require_tensors_alone(path)


def test_the_last_pickle_is_looked_at(tmp_path: Path) -> None:
    buffer, path = io.BytesIO(), tmp_path / "weights.pth"
    torch.save({}, buffer, _use_new_zipfile_serialization=False)
    parts = io.BytesIO(buffer.getvalue())
    for _ in range(4):
        pickle.load(parts)
    path.write_bytes(buffer.getvalue()[: parts.tell()] + pickle.dumps([LARGE], 2))
    with pytest.raises(ValueError, match="as no weights do"):
        require_tensors_alone(path)


def test_weights_of_every_usual_kind_pass(tmp_path: Path) -> None:
    kinds = (
        torch.float32,
        torch.float16,
        torch.bfloat16,
        torch.int64,
        torch.uint8,
        torch.bool,
        torch.complex64,
    )
    state = {str(kind): torch.zeros(3).to(kind) for kind in kinds}
    state["parameter"] = torch.nn.Parameter(torch.zeros(2))
    about = {"size": torch.Size([3]), "kind": torch.float32, "names": ["a"], "device": torch.device("cpu")}
    for zipped in (True, False):
        path = tmp_path / f"weights-{zipped}.pth"
        torch.save({"model": state, **about}, path, _use_new_zipfile_serialization=zipped)
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
    with pytest.raises((ValueError, zipfile.BadZipFile)):
        require_tensors_alone(path)
