"""Programs with faults, to see that they are found: loaders that run code, writes elsewhere, silence."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hostile import Sound
from hostile_answers import LONGEST_SECONDS, MOST_BYTES, Command

__all__ = ["FAULTS", "Fault"]


@dataclass(frozen=True)
class Fault:
    """A program with a fault.

    Attributes:
        before: what it does with its arguments before it does what it should; may end it.
        only: makers of inputs that show it.
        found: what is to be said of each.
        count: how many inputs.
        longest: seconds that it is waited for.
    """

    before: Callable[[Sequence[str], Sound], None]
    only: str
    found: str
    count: int = 1
    longest: float = LONGEST_SECONDS

    def made_of(self, command: Command, sound: Sound) -> Command:
        """The sound program with the fault."""

        def carry_out(arguments: Sequence[str]) -> None:
            self.before(arguments, sound)
            command(arguments)

        return carry_out


def unsafe_yaml(arguments: Sequence[str], sound: Sound) -> None:
    """Loads YAML with all its tags, and then once more as it should."""
    import yaml

    import dabench.yamlfile as module

    safe = module.parse_yaml

    def unsafe(text: str) -> object:
        with contextlib.suppress(Exception):
            yaml.load(text, Loader=yaml.UnsafeLoader)
        return safe(text)

    module.parse_yaml = unsafe


def _unpickled(path: Path) -> None:
    import numpy as np
    import torch

    with contextlib.suppress(Exception), np.load(path, allow_pickle=True) as file:
        for name in file:
            with contextlib.suppress(Exception):
                file[name]
    with contextlib.suppress(Exception):
        torch.load(path, weights_only=False)


def unpickling(arguments: Sequence[str], sound: Sound) -> None:
    """Unpickles what it finds."""
    for path in Path().rglob("*"):
        if path.is_file() and path.suffix in (".npz", ".pth", ".pt", ".safetensors"):
            _unpickled(path)


def silent(arguments: Sequence[str], sound: Sound) -> None:
    """Takes everything for right."""
    sys.exit(0)


def polite(arguments: Sequence[str], sound: Sound) -> None:
    """Names everything, and has nothing to say of it."""
    for path in Path("results").rglob("*"):
        print(f"checked {path}")
    sys.exit(0)


def elsewhere(arguments: Sequence[str], sound: Sound) -> None:
    """Changes a file of others whose name stays."""
    with sound.suite.open("a", encoding="utf-8") as file:
        file.write("#")


def here(arguments: Sequence[str], sound: Sound) -> None:
    """Leaves a file that nobody asked for."""
    Path("left.txt").touch()


def spoiling(arguments: Sequence[str], sound: Sound) -> None:
    """Changes its input."""
    for path in Path().glob("*.yaml"):
        with path.open("ab") as file:
            file.write(b"#")


def endless(arguments: Sequence[str], sound: Sound) -> None:
    """Never answers."""
    if sound.suite.exists():
        time.sleep(1000)


def large(arguments: Sequence[str], sound: Sound) -> None:
    """Takes more memory than is said."""
    bytearray(b"x" * (MOST_BYTES + 2**24))


def broken(arguments: Sequence[str], sound: Sound) -> None:
    """Breaks."""
    raise KeyError("numbers")


def ended(arguments: Sequence[str], sound: Sound) -> None:
    """Is ended by the system."""
    os.kill(os.getpid(), 9)


def steering(arguments: Sequence[str], sound: Sound) -> None:
    """Sends what it read to the terminal."""
    print("error: \x1b[2J is no name")


FAULTS = {
    "yaml": Fault(unsafe_yaml, "'code'", "code ran", count=3),
    "pickle": Fault(unpickling, "suite_of_arrays 'pickled'", "code ran"),
    "weights": Fault(unpickling, "weights_file 'p", "code ran"),
    "silent": Fault(silent, "wrong_sweep", "exit code 0"),
    "polite": Fault(polite, "record_bytes", "says why"),
    "elsewhere": Fault(elsewhere, "sweep_file", "files outside"),
    "here": Fault(here, "sweep_file", "not asked to write"),
    "spoiling": Fault(spoiling, "sweep_file", "not asked to write"),
    "endless": Fault(endless, "sweep_file", "no answer", longest=1.0),
    "large": Fault(large, "sweep_file", "MiB"),
    "broken": Fault(broken, "sweep_file", "a traceback"),
    "ended": Fault(ended, "sweep_file", "exit code -9"),
    "steering": Fault(steering, "sweep_file", "control characters"),
}
"""A name to a program."""
