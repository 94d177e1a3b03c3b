"""Checkpoints of a run in progress: written atomically beside its record-to-be, dropped when that is there.

A checkpoint is one safetensors file, tensors and JSON alone, so that reading one runs no code. It carries
a digest of its content and the identity of what wrote it; one that is damaged, or that other code wrote, is
never resumed from. ``dabench.resume`` says what a run puts in.

Cost: parameters and buffers of network and method, the optimiser's momentum (as large as the parameters
again), and the outputs stored at all evaluations so far. DANN with MobileNetV2: 31 MB, 0.1 s; with ResNet-50:
203 MB, 0.7 s on one processor core (docs/decisions/0015-checkpoints.md).
"""

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

import dabench
from dabench.publishing import remove

__all__ = ["Checkpoint", "Checkpoints", "TimeIsUp", "identity"]

FORMAT = "1"
KEPT = 2  # the last one, and one to fall back to
LARGEST_BYTES = 16 * 2**30
LARGEST_HEADER_BYTES = 32 * 2**20  # names and shapes of all tensors, and the facts


class TimeIsUp(Exception):
    """Raised by the ``check`` of ``Training.run`` to stop a run that is to be resumed: it is kept first."""


@dataclass(frozen=True)
class Checkpoint:
    """A run after some of its steps.

    Attributes:
        step: how many steps were taken, at least 1.
        tensors: on the processor.
        facts: what was given with them, through JSON and back.
    """

    step: int
    tensors: Mapping[str, Tensor]
    facts: Any


def identity(run_id: str, source_sha256: str | None) -> dict[str, str]:
    """What must be the same for a checkpoint to be resumed from.

    Args:
        run_id: of the run: configuration, method and its version, images.
        source_sha256: digest of the method's file.
    """
    return {
        "run_id": run_id,
        "method": source_sha256 or "",
        "torch": torch.__version__,
        "dabench": dabench.__version__,
    }


class Checkpoints:
    """The checkpoints of one run: ``.<stem>.checkpoint-<step>.safetensors`` beside its record.

    One process at a time writes them: who holds the run's claim. What cannot be read or written is said in
    ``notes`` and raises nothing, for a run does not need its checkpoints.

    Args:
        path: of the run's record.
        identity: what must be the same to resume; texts.
        every: seconds between two checkpoints, at least 0.

    Attributes:
        notes: what went wrong, in a user's words, without folders.
    """

    def __init__(self, path: Path, identity: Mapping[str, str], every: float) -> None:
        self._folder = path.parent
        self._stem = f".{path.stem}.checkpoint-"
        self._identity = dict(identity)
        self._every = every
        self._last = time.monotonic()
        self.notes: list[str] = []

    def due(self) -> bool:
        """Whether the last one, or the beginning, is at least ``every`` seconds ago."""
        return time.monotonic() - self._last >= self._every

    def write(self, step: int, tensors: Mapping[str, Tensor], facts: Any) -> bool:
        """Write one and drop all but the last two.

        Args:
            step: how many steps were taken, at least 1.
            tensors: by name; one that lies elsewhere than on the processor is copied.
            facts: whatever JSON can hold.

        Returns:
            Whether it was written; if not, ``notes`` says why.
        """
        content = _separate(tensors)
        about = {"identity": self._identity, "step": step, "facts": facts}
        text = json.dumps(about)
        header = {"format": FORMAT, "about": text, "sha256": _digest(content, text)}
        path = self._path(step)
        part = path.with_name(
            f"{path.stem}.{os.getpid()}.part"
        )  # a folder: the library makes files of its own
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._drop_parts()
            part.mkdir()
            save_file(content, part / path.name, header)
            with (part / path.name).open("rb") as file:
                os.fsync(file.fileno())
            _let_others_read(part / path.name)
            os.replace(part / path.name, path)
            remove(part)
        except (OSError, SafetensorError) as error:
            remove(part)
            self.notes.append(f"the checkpoint after step {step} could not be written: {_reason(error)}")
            return False
        self._last = time.monotonic()
        for old in self.steps()[:-KEPT]:
            with contextlib.suppress(OSError):
                self._path(old).unlink(missing_ok=True)
        return True

    def steps(self) -> list[int]:
        """Steps after which there are checkpoints, by the files' names alone, ascending."""
        names = re.compile(re.escape(self._stem) + r"([1-9]\d{0,17})\.safetensors")
        try:
            found = [names.fullmatch(path.name) for path in self._folder.iterdir()]
        except OSError:
            return []
        return sorted(int(match[1]) for match in found if match)

    def latest(self) -> Checkpoint | None:
        """The newest one that is whole and of this run; None where there is none."""
        return next(self.newest_first(), None)

    def newest_first(self, largest: int = LARGEST_BYTES) -> Iterator[Checkpoint]:
        """Every one that is whole and of this run; why others are passed over goes to ``notes``.

        Args:
            largest: bytes of a file that may be read into memory.
        """
        for step in reversed(self.steps()):
            try:
                checkpoint = self._read(step, min(largest, LARGEST_BYTES))
            except (OSError, SafetensorError, ValueError, RecursionError) as error:
                self.notes.append(f"the checkpoint after step {step} is not used: {_reason(error)}")
                continue
            yield checkpoint

    def drop(self) -> None:
        """Remove all of them, and what was left of writing one."""
        for step in self.steps():
            with contextlib.suppress(OSError):
                self._path(step).unlink(missing_ok=True)
        self._drop_parts()

    def _path(self, step: int) -> Path:
        return self._folder / f"{self._stem}{step}.safetensors"

    def _drop_parts(self) -> None:
        """A process that was killed while it wrote leaves its temporary files."""
        with contextlib.suppress(OSError):
            for path in self._folder.iterdir():
                if path.name.startswith(self._stem) and path.name.endswith(".part"):
                    remove(path)

    def _read(self, step: int, largest: int) -> Checkpoint:
        """Read one. Raises ValueError, OSError or SafetensorError where it cannot be used."""
        path = self._path(step)
        size = path.stat().st_size
        if not path.is_file() or path.is_symlink():
            raise ValueError("it is no plain file")
        if size > largest:
            raise ValueError(f"it is larger than {largest} bytes")
        with path.open("rb") as file:
            header = int.from_bytes(file.read(8), "little")
        if header > min(LARGEST_HEADER_BYTES, size):
            raise ValueError("it is damaged")
        with safe_open(path, "pt") as file:
            given = file.metadata() or {}
            if given.get("format") != FORMAT or "about" not in given:
                raise ValueError("another format")
            about = json.loads(given["about"])
            if not isinstance(about, dict) or about.get("step") != step:
                raise ValueError("it is damaged")
            self._require_identity(about.get("identity"))
            # Copies: what a file backs is lost when a network folder is, or another process drops it.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118  no dict
        if given.get("sha256") != _digest(tensors, given["about"]):
            raise ValueError("it is damaged: its digest differs")
        return Checkpoint(step, tensors, about.get("facts"))

    def _require_identity(self, found: Any) -> None:
        if not isinstance(found, dict):
            raise ValueError("it is damaged")
        differing = sorted(k for k in {*found, *self._identity} if found.get(k) != self._identity.get(k))
        if differing:
            raise ValueError(f"it was made with another {', '.join(differing)}")


def _let_others_read(path: Path) -> None:
    """As far as the umask does: the library writes for its owner alone, and others may take the run over."""
    usual = path.with_name("usual")
    usual.touch()
    path.chmod(usual.stat().st_mode & 0o777)


def _separate(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the processor, contiguous and in storages of their own; what is so already is not copied."""
    found: dict[str, Tensor] = {}
    storages: set[int] = set()
    for name, tensor in tensors.items():
        value = tensor.detach().cpu().contiguous()
        storage = value.untyped_storage()
        if storage.nbytes() != value.nbytes or storage.data_ptr() in storages:
            value = value.clone()
        storages.add(value.untyped_storage().data_ptr())
        found[name] = value
    return found


def _digest(tensors: Mapping[str, Tensor], text: str) -> str:
    """SHA-256 of names, kinds and bytes of the tensors, and of a text."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"\n{name} {value.dtype} {list(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error) if isinstance(error, ValueError) else f"damaged, or no room for it ({error})"
