"""Separate random streams of one run, all drawn from its seed.

A stream is named; its generator depends on the seed and the name alone. So a draw that a method adds
changes neither the order of the images nor the augmentation nor the initial weights.
"""

import contextlib
import hashlib
from collections import Counter
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

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

    def uniforms(self, rows: NDArray[np.int64], count: int, *name: str | int) -> NDArray[np.float64]:
        """Draw ``count`` numbers for each row of a table: (len(rows), count), uniform in [0, 1).

        A row's numbers depend on the run's seed, the name and the row alone: not on the other rows, their
        order or their number. A larger count continues a smaller one. A row that occurs again is given other
        numbers the second time, and so on.

        The generator is numpy's Philox, which is made for this: the stream is its key, the row a part of its
        counter (Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011).
        """
        bits = np.random.Philox(key=self.number(*name))
        state = bits.state
        counter = state["state"]["counter"]  # four words of 64 bits; the first counts a row's own numbers
        raw = np.empty((len(rows), count), np.uint64)
        seen: Counter[int] = Counter()
        for place, row in enumerate(rows.tolist()):
            counter[1], counter[2] = row, seen[row]
            seen[row] += 1
            bits.state = state  # a fifth of the time of a new generator
            raw[place] = bits.random_raw(count)
        return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53  # the 53 bits of a double

    def start(self, *name: str | int) -> None:
        """Set torch's global random state to the start of the stream, also on GPUs that are started."""
        seed = self.number(*name)
        # Not torch.manual_seed, which takes half a millisecond to remember who seeded a GPU not yet started.
        torch.default_generator.manual_seed(seed)
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.manual_seed_all(seed)

    @contextlib.contextmanager
    def seeded(self, *name: str | int) -> Iterator[None]:
        """Run a block with torch's global random state at the start of the stream; put it back afterwards."""
        # Naming the devices keeps a run on the processor from starting CUDA, and several GPUs from a warning.
        started = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
        devices = list(range(torch.cuda.device_count())) if started else []
        with torch.random.fork_rng(devices):
            self.start(*name)
            yield
