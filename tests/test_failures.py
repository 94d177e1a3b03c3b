"""What a failed record says: kind, message, the calls that matter, and no folder of this machine."""

import errno
import functools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dabench.datasets.decoding import decode
from dabench.errors import MissingDataError, UserError
from dabench.failures import describe_failure, first_line, minimal_failure
from dabench.records import Failure
from dabench.train import Diverged


def caught(call: Callable[[], object]) -> BaseException:
    with pytest.raises(BaseException) as info:
        call()
    return info.value


def raising(error: BaseException, cause: BaseException | None = None) -> BaseException:
    def call() -> None:
        raise error from cause

    return caught(call)


def full(number: int) -> OSError:
    return OSError(number, "of the disk", "/data/x.jpg")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Diverged("loss is nan"), "NonFinite"),
        (torch.OutOfMemoryError("CUDA out of memory"), "OutOfMemory"),
        (MemoryError(), "OutOfMemory"),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
            "OutOfMemory",
        ),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling"), "OutOfMemory"),
        (MissingDataError("amazon is not on this machine"), "LostFolder"),
        (full(errno.ESTALE), "LostFolder"),
        (full(errno.ENOENT), "LostFolder"),
        (full(errno.ENOSPC), "DiskFull"),
        (ValueError("a bug"), "ValueError"),
        (UserError("something else"), "UserError"),
    ],
)
def test_kinds(error: BaseException, kind: str) -> None:
    assert describe_failure(raising(error), data=[Path("/data")]).kind == kind


def test_kinds_of_what_errors_came_from() -> None:
    lost = raising(UserError("x: cannot be read"), full(errno.EIO))
    assert describe_failure(lost, data=[Path("/data")]).kind == "LostFolder"
    assert describe_failure(raising(UserError("the disk filled up"), full(errno.ENOSPC))).kind == "DiskFull"
    bug = raising(ValueError("a method's own"), full(errno.ENOENT))
    assert describe_failure(bug).kind == "ValueError"


def test_a_damaged_image_and_a_lost_one(tmp_path: Path) -> None:
    image = tmp_path / "office31" / "amazon" / "bike" / "frame_1.jpg"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"\xff\xd8\xff broken")
    broken = describe_failure(caught(lambda: decode(image)), folders=[tmp_path])
    assert broken.kind == "DamagedImage"
    assert broken.message.startswith("office31/amazon/bike/frame_1.jpg: ")
    image.unlink()
    lost = describe_failure(caught(lambda: decode(image)), folders=[tmp_path], data=[tmp_path])
    assert lost.kind == "LostFolder"
    assert "office31/amazon/bike/frame_1.jpg" in lost.message
    for failure in (broken, lost):
        assert str(tmp_path) not in failure.model_dump_json()


def test_advice_comes_with_the_message() -> None:
    assert "smaller batch.source" in describe_failure(MemoryError()).message
    assert describe_failure(UserError("wrong", "do this")).message == "wrong (do this)"


def deep(levels: int) -> None:
    """Calls of a library under calls of a method's file."""
    functools.reduce(
        lambda _, level: deep(level - 1) if level else torch.ones(2) @ torch.ones(3), [levels] * 2
    )


def test_the_traceback_keeps_what_matters() -> None:
    text = describe_failure(caught(lambda: deep(40)), Path(__file__)).traceback
    assert 6 <= text.count("  File ") <= 10, "the last calls alone"
    assert "tests/test_failures.py" in text
    assert text.startswith("  ... ")
    assert text.rstrip().splitlines()[-1].startswith("RuntimeError: ")
    assert len(text) < 4000


def test_of_a_library_the_last_call_stays() -> None:
    def broken_module() -> None:
        torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(3, 3))(torch.ones(1, 2))

    text = describe_failure(caught(broken_module), Path(__file__)).traceback
    assert "in broken_module" in text
    assert text.count("torch/nn/modules") == 1
    assert "calls\n" in text
    assert str(Path(torch.__file__).parents[1]) not in text


def test_causes_are_told_and_messages_cut() -> None:
    failure = describe_failure(raising(ValueError("y" * 10_000), KeyError("cause")))
    assert isinstance(failure, Failure)
    assert failure.traceback.index("KeyError: 'cause'") < failure.traceback.index("which led to")
    assert len(failure.message) == 2000
    assert len(failure.traceback) < 6000


def test_a_file_of_the_method_is_no_lost_folder(tmp_path: Path) -> None:
    gone = raising(FileNotFoundError(errno.ENOENT, "gone", str(tmp_path / "prior.npy")))
    assert describe_failure(gone, data=[tmp_path / "data"]).kind == "FileNotFoundError"
    assert describe_failure(gone, data=[tmp_path]).kind == "LostFolder"
    nameless = raising(OSError(errno.ETIMEDOUT, "a server of the method's"))
    assert describe_failure(nameless, data=[tmp_path]).kind == "TimeoutError"


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("cannot read caf\udce9.jpg"), "cannot read caf\\udce9.jpg"),
        (Unspeakable(), "Unspeakable"),
        (ValueError(" \n"), "ValueError"),
        (
            UserError("x.jpg: cannot identify image file <_io.BytesIO object at 0x7f00>"),
            "x.jpg: cannot identify image file",
        ),
    ],
)
def test_whatever_an_error_says_can_be_written_down(error: BaseException, message: str) -> None:
    failure = describe_failure(raising(error))
    assert failure.message == message
    failure.model_dump_json().encode()
    assert first_line(failure) == message


def test_what_cannot_be_described_keeps_its_type() -> None:
    strange = UserError("x")
    strange.hint = Unspeakable()
    assert describe_failure(raising(strange)) == minimal_failure(strange)
    assert first_line(Failure(kind="E", message="")) == "E"
