"""Inputs as only accidents and attackers make them, given to ``dabench`` one after the other.

``python malformed.py COUNT SEED FOLDER SUITE RESULTS``: as many inputs of the kinds in hostile.py, drawn with
a seed, in a folder; SUITE is a sound manifest and RESULTS are sound records to start from. Prints one JSON
object: what was given how often, what was not answered by a clear error, and the memory that it all took.
"""

import contextlib
import io
import json
import os
import random
import re
import resource
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import hostile_files  # noqa: F401
from hostile import KINDS, Sound

from dabench.cli import main

CLEAR = re.compile(r"[^\n]{10,}")


def answer(arguments: list[str]) -> tuple[int, str]:
    """Exit code and all that ``dabench`` prints."""
    output, code = io.StringIO(), 0
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            main(arguments)
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
    return code, output.getvalue()


def wrong(code: int, said: str, named: str, codes: tuple[int, ...]) -> str:
    """What is not as it should be in an answer; nothing where it is a clear error."""
    if "Traceback" in said:
        return "a traceback"
    if code not in codes:
        return f"exit code {code}, expected {codes}"
    if named not in said:
        return f"does not name '{named}'"
    if not CLEAR.search(said):
        return "says nothing"
    if not said.replace("\n", "").replace("\t", "").isprintable():
        return "sends control characters to the terminal"
    return "" if len(said) < 100_000 else "says too much"


def peak_bytes() -> int:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def elsewhere(folder: Path, number: int) -> set[str]:
    """All files but those in an input's own folder, and in the cache."""
    found = (str(path.relative_to(folder)) for path in folder.rglob("*"))
    return {path for path in found if not path.startswith(("cache", f"work/deep/{number}"))}


def examine(count: int, seed: int, folder: Path, sound: Sound) -> dict[str, Any]:
    """Give the inputs, one by one, each in a folder of its own."""
    work = folder / "work"
    work.mkdir(parents=True)
    os.environ["DABENCH_CACHE"] = str(folder / "cache")
    answer(["run", "--suite", str(sound.suite), "--method", "source_only", "--dry-run"])
    memory, failures, given = peak_bytes(), [], Counter[str]()
    makers = [(kind, maker) for kind, makers in KINDS.items() for maker in makers]
    for number in range(count):
        kind, maker = makers[number % len(makers)]
        moments = random.Random(f"{seed} {number}")
        place = work / "deep" / str(number)
        place.mkdir(parents=True)
        os.chdir(place)
        case = maker(moments, place, sound)
        before = elsewhere(folder, number)
        try:
            code, said = answer(case.arguments)
            reason = wrong(code, said, case.named, case.codes)
        except BaseException as error:
            said, reason = "", f"{type(error).__name__}: {error}"
        if elsewhere(folder, number) != before:
            reason = f"files outside: {sorted(elsewhere(folder, number) - before)}"
        given[kind] += 1
        if reason:
            about = {"number": number, "kind": kind, "maker": maker.__name__}
            failures.append({**about, "reason": reason, "said": said[-600:]})
        os.chdir(folder)
        shutil.rmtree(place)
    return {"given": given, "failures": failures, "extra_bytes": peak_bytes() - memory}


if __name__ == "__main__":
    report = examine(
        int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), Sound(Path(sys.argv[4]), Path(sys.argv[5]))
    )
    print(json.dumps(report))
