"""Inputs as only accidents and attackers make them, given to ``dabench`` one after the other.

``python malformed.py COUNT SEED FOLDER SUITE RESULTS``: as many inputs as the makers in hostile*.py draw with
a seed, in a folder; SUITE is a sound manifest and RESULTS are sound records to start from. Each input is
made by one process, given to a new one, and judged by a third. Prints one JSON object: what was given how
often, how many inputs were unlike all others, what was not answered clearly, the largest memory and the
longest time with the input that took it. ``--only TEXT`` takes makers with such a name, ``--keep`` leaves
the folders of those that failed, ``--part K/N`` takes every N-th input; ``--faults`` gives a few to programs
with faults first, and reports what was found.
"""

import argparse
import contextlib
import ctypes
import gc
import io
import json
import multiprocessing
import os
import random
import shutil
import subprocess
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hostile_all  # noqa: F401  registers all makers
from hostile import MAKERS, RUN, TUNE, Case, Sound, lay, records
from hostile_answers import LONGEST_SECONDS, Command, answer, paragraphs, wrong
from hostile_faults import FAULTS
from hostile_servers import stop_all
from hostile_watch import changes, distinct, outside, seen, strayed, traces

Which = tuple[str, str, int, int]  # kind, function, choice, how many of the same before


def make(which: Which, seed: int, place: Path, sound: Sound) -> Case:
    """Make an input; the same one whenever it is made again with a seed."""
    kind, name, choice, _ = which
    os.chdir(place)
    try:
        return MAKERS[kind][name][choice](random.Random(f"{seed} {which}"), place, sound)
    finally:
        os.chdir("/")


def make_all(orders: Any) -> None:
    """What the makers' process does: their memory is not the program's, and their clock stands still."""
    time.time = lambda: 1.7e9
    while (order := orders.recv()) is not None:
        stop_all()
        try:
            orders.send(make(*order))
        except Exception:
            orders.send(traceback.format_exc())
    stop_all()


def sequence(count: int, seed: int, only: str = "") -> list[Which]:
    """Which inputs: one of each function first, then all other choices, then all of them again."""
    draw, first, rest = random.Random(seed), [], []
    for kind, functions in MAKERS.items():
        for name, makers in functions.items():
            order = [choice for choice, maker in enumerate(makers) if only in f"{kind} {maker.__name__}"]
            draw.shuffle(order)
            first += [(kind, name, choice) for choice in order[:1]]
            rest += [(kind, name, choice) for choice in order[1:]]
    whole = [*first, *rest]
    return [(*whole[n % len(whole)], n // len(whole)) for n in range(count)]


class Examiner:
    """Gives inputs to a command and notes what is not as it should be.

    Args:
        folder: for all files; it has to be empty but for what is watched.
        sound: to start from.
        command: what carries arguments out.
        orders: to the makers' process.
        keep: whether folders of inputs that failed stay.
    """

    def __init__(self, folder: Path, sound: Sound, command: Command, orders: Any, keep: bool = False) -> None:
        self.folder, self.sound, self.keep = folder, sound, keep
        self.command, self.orders = command, orders
        self.longest = LONGEST_SECONDS
        self.failures: list[dict[str, Any]] = []
        self.given, self.digests = Counter[str](), set[str]()
        self.largest: tuple[int, str] = (0, "")
        self.slowest: tuple[float, str] = (0.0, "")
        self._known: dict[tuple[str, ...], list[str]] = {}
        (folder / "work" / "deep").mkdir(parents=True, exist_ok=True)
        self._untouched = outside(folder, 0)

    def _place(self, number: int) -> Path:
        place = self.folder / "work" / "deep" / str(number)
        place.mkdir()
        return place

    def _said_of_sound(self, case: Case) -> list[str]:
        """Paragraphs that a command says of a sound layout."""
        key = (case.sound, *case.arguments)
        if key not in self._known:
            place = self._place(0)
            lay(case.sound, place, self.sound)
            given = answer(self.command, case.arguments, place, self.folder / "work" / "said")
            self._known[key] = paragraphs(given.said)
            shutil.rmtree(place)
        return self._known[key]

    def examine(self, number: int, which: Which, seed: int) -> None:
        """Make one input, give it, judge what comes of it."""
        name = f"{which[0]}: {MAKERS[which[0]][which[1]][which[2]].__name__}"
        place = self._place(number)
        self.orders.send((which, seed, place, self.sound))
        case = self.orders.recv()
        if not isinstance(case, Case):
            raise RuntimeError(f"{which} could not be made: {case}")
        self.given[which[0]] += 1
        self.digests.add(distinct(place, case.arguments, case.blank))
        known = self._said_of_sound(case) if case.sound and (case.named or case.same) else []
        before = seen(place, whole=False)
        given = answer(self.command, case.arguments, place, self.folder / "work" / "said", self.longest)
        reasons = [*self._left_behind(number, place, case, before), wrong(given, case, known)]
        with contextlib.suppress(OSError):
            reasons.append(case.check(place, given.said) if case.check is not None else "")
        self.largest = max(self.largest, (given.extra_bytes, f"{number} {name}"))
        self.slowest = max(self.slowest, (given.seconds, f"{number} {name}"))
        if any(reasons):
            words = " ".join(case.arguments)
            self.failures.append({
                "number": number, "maker": name, "again": which[3], "command": words[:300],
                "reasons": [reason for reason in reasons if reason], "said": given.said[-600:],
            })  # fmt: skip
        if not (self.keep and any(reasons)):
            subprocess.run(["rm", "-rf", "--", str(place)], check=True)  # shutil's recursion is not so deep

    def _left_behind(self, number: int, place: Path, case: Case, before: dict[str, str]) -> list[str]:
        reasons = [f"code ran, or an address was asked: {path}" for path in traces()]
        after = outside(self.folder, number)
        kept = [path for path in changes(self._untouched, after) if not path.startswith("work/deep/")]
        if kept:
            reasons.append(f"files outside of its folder: {kept[:5]}")
            self._mend(kept)
        inside = strayed(changes(before, seen(place, whole=False)), case.outputs)
        if inside:
            reasons.append(f"files that it was not asked to write: {inside[:5]}")
        return reasons

    def _mend(self, changed: Sequence[str]) -> None:
        """Put everything back, for the next input."""
        for path in reversed(changed):
            if path.split("/")[0] not in ("sound", "kept", "work"):
                subprocess.run(["rm", "-rf", "--", str(self.folder / path)], check=True)
        shutil.rmtree(self.folder / "sound")
        shutil.copytree(self.folder / "kept", self.folder / "sound", symlinks=True)
        self._untouched = outside(self.folder, 0)

    def report(self) -> dict[str, Any]:
        """All that was found."""
        return {
            "given": self.given, "failures": self.failures, "distinct": len(self.digests),
            "digests": sorted(self.digests), "functions": sum(map(len, MAKERS.values())),
            "extra_bytes": self.largest[0], "largest": self.largest[1],
            "seconds": self.slowest[0], "slowest": self.slowest[1],
        }  # fmt: skip


def load(folder: Path, suite: Path, results: Path) -> Command:
    """Import all that the commands use, as a process does in its first seconds."""
    from dabench.cli import main

    os.environ["DABENCH_CACHE"] = str(folder / "warm" / "cache")
    data, there = str(suite), str(results)
    os.chdir(folder / "warm")
    for words in (
        ["run", "--suite", data, *RUN], ["run", "--suite", data, *RUN, "--dry-run"],
        ["status", "--results", there], ["verify", there, "--jobs", "1"], ["suggest", "--results", there],
        ["select", "--results", there, "--rule", "infomax", "--jobs", "1"], ["list", "methods"],
        ["leaderboard", "--results", there, "--out", "site"],
        ["stats", "compare", "dann", "source_only", "--results", there], ["show", "method", "dann"],
        ["data", "check", data], ["data", "status"], ["data", "fetch", "office31", "--archive", "none.zip"],
        ["tune", "--dry-run", "--suite", data, "--method", "dann", "--rule", "infomax", "--device", "cpu"],
    ):  # fmt: skip
        quiet = io.StringIO()
        with (
            contextlib.redirect_stdout(quiet),
            contextlib.redirect_stderr(quiet),
            contextlib.suppress(SystemExit),
        ):
            main(words)
    os.chdir("/")
    shutil.rmtree(folder / "warm")
    gc.collect()
    gc.freeze()
    ctypes.CDLL(None).malloc_trim(0)  # a process that is forked from here has nothing left over to fill
    return main


def killed(command: Command) -> Command:
    """A command that is killed as soon as it has written a checkpoint."""

    def carry_out(arguments: Sequence[str]) -> None:
        from dabench.checkpoint import Checkpoints

        write = Checkpoints.write

        def once(self: Checkpoints, *given: Any) -> bool:
            write(self, *given)
            os._exit(9)

        Checkpoints.write = once  # type: ignore[method-assign, assignment]
        command(arguments)

    return carry_out


def sound_folders(folder: Path, suite: Path, results: Path, command: Command) -> Sound:
    """Lay out what inputs are made from."""
    place = folder / "sound"
    shutil.copytree(suite.parent, place / "suite")
    shutil.copytree(results, place / "all")
    data = ["--suite", str(place / "suite" / suite.name)]
    once = ["run", *data, *RUN, "--checkpoint-every", "0"]
    tuned = ["tune", *data, *TUNE, "--out", "recipes"]
    for name, way, words in (
        ("run", command, once),
        ("killed", killed(command), once),
        ("tune", command, tuned),
    ):
        there = place / "made"
        there.mkdir()
        given = answer(way, words, there, place / "said")
        assert given.code in (0, 9), given.said
        (there / "results").rename(place / name)
        shutil.rmtree(there)
    (journal,) = (place / "tune").glob("*.jsonl")
    sound = Sound(
        place / "suite" / suite.name, place / "all", place / "run", place / "killed", place / "victim",
        journal.name,
    )  # fmt: skip
    shutil.copytree(sound.killed, sound.victim)
    (record,) = records(sound.run)
    stem, inside = record.stem, sound.victim / record.relative_to(sound.run).parent
    (inside / f"{stem}.tensorboard").mkdir()
    for name in (
        f".{stem}.abc.part", f".{stem}.json.abc.part", f".{stem}.claim.0123456789abcdef.part",
        f"{stem}.tensorboard/events.out.tfevents.1.x", f"{stem}.scores.json", f"{stem}.00000000.npz",
    ):  # fmt: skip
        (inside / name).write_text(name, encoding="utf-8")
    (sound.victim / ".dabench" / "forced").mkdir(exist_ok=True)
    shutil.copytree(place, folder / "kept", symlinks=True)
    return sound


def prepare(folder: Path) -> None:
    """Folders that inputs may reach for; nothing is to be there, or to change."""
    for name in ("warm", "home", "temporary", "canary"):
        (folder / name).mkdir()
    os.environ |= {
        "HOME": str(folder / "home"), "TMPDIR": str(folder / "temporary"), "no_proxy": "*",
        "DABENCH_CANARY": str(folder / "canary"), "COLUMNS": "1000",
    }  # fmt: skip


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    parser.add_argument("seed", type=int)
    for name in ("folder", "suite", "results"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--part", default="0/1")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--faults", action="store_true")
    return parser.parse_args()


def faults(folder: Path, sound: Sound, command: Command, orders: Any, seed: int) -> dict[str, Any]:
    """What is found where the program has a fault: a line for each input that it was given."""
    found = {}
    for name, fault in FAULTS.items():
        examiner = Examiner(folder, sound, fault.made_of(command, sound), orders)
        examiner.longest = fault.longest
        for number, which in enumerate(sequence(fault.count, seed, fault.only), start=1):
            examiner.examine(number, which, seed)
        reasons = [" / ".join(failure["reasons"]) for failure in examiner.failures]
        found[name] = (fault.found, fault.count, reasons)
    return found


def main(given: argparse.Namespace) -> dict[str, Any]:
    """Examine inputs."""
    prepare(given.folder)
    command = load(given.folder, given.suite, given.results)
    sound = sound_folders(given.folder, given.suite, given.results, command)
    context = multiprocessing.get_context("fork")
    orders, theirs = context.Pipe()
    maker = context.Process(target=make_all, args=(theirs,), daemon=True)
    maker.start()
    theirs.close()
    found = faults(given.folder, sound, command, orders, given.seed) if given.faults else {}
    examiner = Examiner(given.folder, sound, command, orders, given.keep)
    part, parts = map(int, given.part.split("/"))
    inputs = list(enumerate(sequence(given.count, given.seed, given.only), start=1))
    for number, which in inputs[part::parts]:
        examiner.examine(number, which, given.seed)
    orders.send(None)
    maker.join()
    return examiner.report() | {"faults": found}


if __name__ == "__main__":
    print(json.dumps(main(arguments())))
