"""What makers of malformed inputs share: how they are registered, what they start from, what they put in.

A maker writes files into a folder and says which command gets them and what a clear answer is. All that it
draws comes from ``moments``. What would run if code in an input ran touches files that nobody else makes.
"""

import json
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

__all__ = [
    "CANARY", "LONE", "MAKERS", "PLACES", "READERS", "RUN", "TUNE", "WRITTEN", "Case", "Payload", "Sound",
    "clean", "copied", "dumped", "every", "lay", "manifest", "noise", "of_kind", "put", "records",
    "rewritten", "run", "shell", "told", "word",
]  # fmt: skip

CANARY = "executed"
PLACES = ("DABENCH_CANARY", "HOME", "TMPDIR")
LONE = 3  # sound records that are given alone
TUNE = [
    "--method", "dann", "--rule", "infomax", "--trials", "2", "--task", "A2B", "--results", "results",
    "--device", "cpu",
]  # fmt: skip
RUN = ["--method", "source_only", "--task", "A2B", "--seed", "0", "--results", "results", "--device", "cpu"]


@dataclass(frozen=True)
class Sound:
    """What malformed inputs are made from.

    Attributes:
        suite: a manifest.
        results: a results folder with some methods, tasks and seeds.
        run: one with the single run of ``RUN``.
        killed: the same after it was killed: a checkpoint and a claim.
        victim: as ``killed``, with all that a run clears away; links may lead there.
        journal: name of the file in which a search by ``TUNE`` notes its trials.
    """

    suite: Path
    results: Path
    run: Path
    killed: Path
    victim: Path
    journal: str


@dataclass(frozen=True)
class Case:
    """A command that gets an input, and what a clear answer is.

    Attributes:
        arguments: of ``dabench``.
        named: what a line of the answer names, with a reason beside it; empty where nothing is to be said.
        codes: exit codes.
        sound: a layout of ``lay``: what the command says of it as well tells nothing.
        same: whether all that the command says has to be what it says of the sound layout.
        outputs: what the command may write in the input's folder, as patterns.
        check: of the folder and of what was said; returns what is wrong.
        blank: what is another in each input of the same kind, such as ports.
    """

    arguments: list[str]
    named: str = ""
    codes: tuple[int, ...] = (2,)
    sound: str = ""
    same: bool = False
    outputs: tuple[str, ...] = ()
    check: Callable[[Path, str], str] | None = None
    blank: tuple[str, ...] = ()


Maker = Callable[[random.Random, Path, Sound], Case]
MAKERS: dict[str, dict[str, list[Maker]]] = {}
"""Kind to name of a function to makers: one for each of its choices."""


def of_kind(kind: str, *choices: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a maker, once for each of the choices."""

    def decorate(make: Callable[..., Case]) -> Callable[..., Case]:
        for choice in choices or (None,):

            def maker(moments: random.Random, folder: Path, sound: Sound, choice: Any = choice) -> Case:
                more = () if choice is None else (choice,)
                return make(moments, folder, sound, *more)

            maker.__name__ = f"{make.__name__} {choice!r:.60}" if choice is not None else make.__name__
            MAKERS.setdefault(kind, {}).setdefault(make.__name__, []).append(maker)
        return make

    return decorate


def noise(moments: random.Random, size: int) -> bytes:
    return moments.randbytes(size)


def word(moments: random.Random, size: int = 8) -> str:
    """Letters."""
    return "".join(moments.choices("abcdefghijklmnopqrstuvwxyz", k=size))


def shell(moments: random.Random) -> str:
    """A command that leaves a trace outside of the input's folder; each time another one."""
    files = " ".join(f"'{os.environ[place]}/{CANARY}'" for place in PLACES)
    return f"touch {files} # {word(moments)}"


class Payload:
    """What runs a command when it is unpickled."""

    def __init__(self, moments: random.Random) -> None:
        self._command = shell(moments)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self._command,)


def dumped(path: Path, content: Any) -> Path:
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def manifest(moments: random.Random, sound: Sound) -> dict[str, Any]:
    """The sound manifest from anywhere, with other words and a recipe of its own."""
    content: dict[str, Any] = yaml.safe_load(sound.suite.read_text(encoding="utf-8"))
    for domain in content["domains"].values():
        domain["paths"] = {"all": str(sound.suite.parent / domain["paths"]["all"])}
    content["title"] = word(moments, 12)
    content["recipe"]["optimiser.lr"] = {"value": moments.uniform(0.001, 0.1), "source": word(moments)}
    return content


def records(folder: Path) -> list[Path]:
    """Records below a folder."""
    return [path for path in sorted(folder.glob("*/*/*/seed*.json")) if ".scores" not in path.name]


def lay(layout: str, folder: Path, sound: Sound) -> list[Path]:
    """Put a sound ``results`` folder down: ``all``, ``run``, ``killed``, or ``one:K``; return its records."""
    place = folder / "results"
    if layout.startswith("one:"):
        record = records(sound.results)[int(layout[4:])]
        inside = place / record.relative_to(sound.results).parent
        inside.mkdir(parents=True)
        for path in record.parent.glob(f"{record.stem}.*"):
            shutil.copyfile(path, inside / path.name)
    elif layout:
        shutil.copytree({"all": sound.results, "run": sound.run, "killed": sound.killed}[layout], place)
    return records(place)


def copied(moments: random.Random, folder: Path, sound: Sound) -> tuple[Path, dict[str, Any], str]:
    """One sound record with its arrays in a results folder of its own, its content and the layout's name."""
    layout = f"one:{moments.randrange(LONE)}"
    (path,) = lay(layout, folder, sound)
    return path, json.loads(path.read_text(encoding="utf-8")), layout


def every(folder: Path, sound: Sound, change: Callable[[dict[str, Any]], object], few: int = 99) -> Path:
    """All sound records, each changed in place; returns the first."""
    paths = lay("all", folder, sound)
    for path in paths[:few]:
        rewritten(path, change)
    return paths[0]


def rewritten(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a record in place."""
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def run(*words: str) -> list[str]:
    return ["run", "--dry-run", *words]


READERS: dict[str, tuple[str, ...]] = {
    "verify": ("verify", "results", "--jobs", "1"),
    "status": ("status", "--results", "results"),
    "select": ("select", "--results", "results", "--rule", "infomax", "--runs", "--jobs", "1"),
    "table": ("leaderboard", "--results", "results", "--format", "csv"),
}
WRITTEN = ("results/*/*/*/*.scores.json", "site", "site/*")


def told(moments: random.Random, named: str, sound: str, *commands: str) -> Case:
    """A results folder is judged or summed up: what cannot be read is named, and the rest still counts."""
    command = READERS[moments.choice(commands or tuple(READERS))]
    return Case([*command], named, (0, 1, 2), sound, outputs=WRITTEN)


def put(path: Path, which: str, moments: random.Random) -> None:
    """Something that is no file, or a very large one, in a file's place."""
    if which == "folder":
        (path / word(moments)).mkdir(parents=True)
    elif which == "pipe":
        os.mkfifo(path, 0o600 | moments.randrange(64))
    elif which == "device":
        path.symlink_to(
            "/" * moments.randint(1, 60) + f"dev/{moments.choice(['zero', 'random', 'stdin', 'tty'])}"
        )
    elif which == "loop":
        path.symlink_to(f"{'./' * moments.randint(0, 60)}{path.name}")
    else:
        with path.open("wb") as file:
            file.write(b"{" + noise(moments, 64))
            file.truncate(moments.randint(70, 400) * 2**20 + moments.randrange(2**20))


def clean(folder: Path, said: str) -> str:
    """Nothing that a stranger's file brought is there to be pasted."""
    bad = [line for line in said.splitlines() if "dabench" in line and CANARY in line]
    return f"suggests {bad[0]!r:.200}" if bad else ""
