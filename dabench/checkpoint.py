"""Checkpoints of a run in progress: written atomically beside its record-to-be, dropped when that is there.

A checkpoint is one safetensors file, tensors and JSON alone, so that reading one runs no code. It carries
a digest of its content and the identity of what wrote it; one that is damaged, or that other code wrote, is
never resumed from, and goes when the run goes on. ``dabench.resume`` says what a run puts in.

Cost: parameters and buffers of network and method, the optimiser's momentum (as large as the parameters
again), and the outputs stored at all evaluations so far. DANN with MobileNetV2: 31 MB, 0.1 s; with ResNet-50:
203 MB, 0.7 s on one processor core (docs/decisions/0015-checkpoints.md).
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import stat
import time
from collections.abc import Collection, Iterator, Mapping
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
REFUSALS = (SafetensorError, ValueError, RecursionError)  # of what a file is, and not of how it can be read


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
        self._own: list[int] = []  # steps that were resumed from or written here, the last one last
        self._unread: set[int] = set()
        self.notes: list[str] = []

    def due(self) -> bool:
        """Whether the last one, or the beginning, is at least ``every`` seconds ago."""
        return time.monotonic() - self._last >= self._every

    def begin(self, step: int, spared: Collection[int] = ()) -> None:
        """Say where the run begins, and drop what it will not go on from.

        What could not be read is left: the network folder may be back another time.

        Args:
            step: of the checkpoint that it was resumed from: newer ones were refused, and go. 0: all go.
            spared: steps of others that may be of use another time.
        """
        self._own = [step] if step else []
        for other in self.steps():
            if other > step and other not in {*self._unread, *spared}:
                self._remove(other)

    def write(self, step: int, tensors: Mapping[str, Tensor], facts: Any) -> bool:
        """Write one and drop those before it but for the last one of this run.

        Args:
            step: how many steps were taken, at least 1.
            tensors: by name; one that lies elsewhere than on the processor is copied.
            facts: whatever JSON can hold.

        Returns:
            Whether it was written; if not, ``notes`` says why.
        """
        path = self.file(step)
        # A folder, as the library makes files of its own; no process id, which another machine may have, too.
        part = path.with_name(f"{path.stem}.{secrets.token_hex(8)}.part")
        try:
            self._folder.mkdir(exist_ok=True)  # not its parents: a results folder that is gone stays so
            self._drop_parts()
            part.mkdir()
            self._save(part / path.name, step, tensors, facts)
            os.replace(part / path.name, path)
            remove(part)
        except (OSError, SafetensorError, ValueError) as error:
            remove(part)
            self.notes.append(f"the checkpoint after step {step} could not be written: {_reason(error)}")
            return False
        self._last = time.monotonic()
        self._own = [*(other for other in self._own if other != step), step]
        there = self.steps()
        kept = [other for other in self._own if other in there][-KEPT:]
        for other in there:
            if other < step and other not in kept:  # a newer one is another owner's, or could not be read
                self._remove(other)
        return True

    def _save(self, path: Path, step: int, tensors: Mapping[str, Tensor], facts: Any) -> None:
        """Write a file down to the disk. Raises ValueError for one that would not be read again."""
        if sum(tensor.nbytes for tensor in tensors.values()) > LARGEST_BYTES:
            raise ValueError(f"it would be larger than {LARGEST_BYTES} bytes")
        content = _separate(tensors)
        about = json.dumps({"identity": self._identity, "step": step, "facts": facts})
        save_file(content, path, {"format": FORMAT, "about": about, "sha256": _digest(content, about)})
        _require_size(path)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        _let_others_read(path)

    def steps(self) -> list[int]:
        """Steps after which there are checkpoints, by the files' names alone, ascending."""
        names = re.compile(re.escape(self._stem) + r"([1-9]\d{0,17})\.safetensors")
        try:
            found = [names.fullmatch(path.name) for path in self._folder.iterdir()]
        except OSError:
            return []
        return sorted(int(match[1]) for match in found if match)

    def file(self, step: int) -> Path:
        """Where the checkpoint after a step lies, or would lie."""
        return self._folder / f"{self._stem}{step}.safetensors"

    def latest(self) -> Checkpoint | None:
        """The newest one that is whole and of this run; None where there is none."""
        return next(self.newest_first(), None)

    def newest_first(self) -> Iterator[Checkpoint]:
        """Every one that is whole and of this run; why others are passed over goes to ``notes``."""
        for step in reversed(self.steps()):
            try:
                checkpoint = self._read(step)
            except Exception as error:  # whatever a stranger's file makes the libraries raise
                self._unread |= set() if isinstance(error, REFUSALS) else {step}
                self.notes.append(f"the checkpoint after step {step} is not used: {_reason(error)}")
                continue
            yield checkpoint

    def drop(self, steps: Collection[int] | None = None) -> None:
        """Remove those after some steps, by default all of them, and what was left of writing one."""
        for step in self.steps() if steps is None else steps:
            self._remove(step)
        self._drop_parts()

    def _remove(self, step: int) -> None:
        with contextlib.suppress(OSError):
            remove(self.file(step))

    def _drop_parts(self) -> None:
        """A process that was killed while it wrote leaves its temporary files."""
        with contextlib.suppress(OSError):
            for path in self._folder.iterdir():
                if path.name.startswith(self._stem) and path.name.endswith(".part"):
                    remove(path)

    def _about(self, step: int) -> tuple[dict[str, Any], str, str | None]:
        """What a file says of itself, the text of it and the digest, without a look at its tensors.

        Raises:
            SafetensorError, ValueError, RecursionError: it cannot be used.
            OSError: it cannot be read.
        """
        _require_size(self.file(step))
        with safe_open(self.file(step), "pt") as file:
            given = file.metadata() or {}
        if given.get("format") != FORMAT or "about" not in given:
            raise ValueError("another format")
        about = json.loads(given["about"])
        if not isinstance(about, dict) or about.get("step") != step:
            raise ValueError("it is damaged")
        return about, given["about"], given.get("sha256")

    def _read(self, step: int) -> Checkpoint:
        """Read one. Raises what ``_about`` does."""
        about, text, digest = self._about(step)
        self._require_identity(about.get("identity"))
        path = self.file(step)
        if 2 * path.stat().st_size > _available_bytes():  # what is read, and what the run makes of it
            raise OSError(errno.ENOMEM, "too little memory is free for it")
        with safe_open(path, "pt") as file:
            # Copies: what a file backs is lost when a network folder is, or another process drops it.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118  no dict
        if digest != _digest(tensors, text):
            raise ValueError("it is damaged: its digest differs")
        return Checkpoint(step, tensors, about.get("facts"))

    def _require_identity(self, found: Any) -> None:
        if not isinstance(found, dict):
            raise ValueError("it is damaged")
        differing = sorted(k for k in {*found, *self._identity} if found.get(k) != self._identity.get(k))
        if differing:
            raise ValueError(f"it was made with another {', '.join(differing)}")


def _require_size(path: Path) -> None:
    """Raise ValueError for what is no plain file, or so large that it is not read."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is no plain file")
    if found.st_size > LARGEST_BYTES:
        raise ValueError(f"it is larger than {LARGEST_BYTES} bytes")
    with path.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
    if header > found.st_size:
        raise ValueError("it is damaged")
    if header > LARGEST_HEADER_BYTES:
        raise ValueError(f"what it holds beside tensors is larger than {LARGEST_HEADER_BYTES} bytes")


def _available_bytes() -> float:
    """Memory that can be had without swapping; endless where the system does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            found = re.search(r"^MemAvailable: +(\d+) kB$", file.read(), re.MULTILINE)
    except OSError:
        found = None
    return int(found[1]) * 1024 if found else float("inf")


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
