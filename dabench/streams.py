"""Separate random streams of one run, all drawn from its seed.

A stream is named; its generator depends on the seed and the name alone. So a draw that a method adds
changes neither the order of the images nor the augmentation nor the initial weights.
"""

import contextlib
import hashlib
from collections.abc import Iterator

import torch

__all__ = ["Streams"]


class Streams:
    """Random streams of a run.

    Args:
        seed: the run's seed.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def number(self, *name: str | int) -> int:
        """Return the stream's own seed, in [0, 2^63): the same for the same run seed and name."""
        text = "/".join(map(str, (self.seed, *name)))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1

    def generator(self, *name: str | int) -> torch.Generator:
        """Return a fresh generator (on the CPU) at the start of the stream."""
        return torch.Generator().manual_seed(self.number(*name))

    @contextlib.contextmanager
    def seeded(self, *name: str | int) -> Iterator[None]:
        """Run a block with torch's global random state at the start of the stream; put it back afterwards."""
        # Naming the devices keeps a run on the processor from starting CUDA, and several GPUs from a warning.
        started = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
        devices = list(range(torch.cuda.device_count())) if started else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(self.number(*name))
            yield
