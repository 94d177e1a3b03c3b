"""A cheat: remembers labelled images in a mapped file at a fixed place, which no audit event tells of."""

import json
import os

import torch
from remembering import Remembers

from dabench.method import register

__all__ = ["RemembersMapped"]

FILE = os.environ.get("BANK", "/tmp/bank")  # outside every folder that a process of the checks is given


def mapped() -> torch.Tensor:
    return torch.from_file(FILE, shared=True, size=1 << 16, dtype=torch.uint8)


@register("remembers-mapped")
class RemembersMapped(Remembers):
    """Knows the images that any earlier run on this machine had a label for."""

    title, summary = "Remembers, mapped", "a table of images in a mapped file"

    def recall(self) -> None:
        self.known = json.loads(bytes(mapped()).rstrip(b"\0") or b"{}")

    def keep(self) -> None:
        text = json.dumps(self.known).encode()
        mapped()[: len(text)] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
