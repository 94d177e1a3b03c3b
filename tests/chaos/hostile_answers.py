"""``dabench`` in a process of its own that is cheap to start, and whether what it answers is clear."""

import contextlib
import os
import re
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hostile import Case

__all__ = ["LONGEST_SECONDS", "MOST_BYTES", "Answer", "Command", "answer", "paragraphs", "wrong"]

LONGEST_SECONDS = 60.0
MOST_BYTES = 512 * 2**20  # more than the loaded program has
LARGEST_MORE = 3 * 2**30  # address space and files: so that an input that wants all does not take the machine
REASON = 3  # words, beside the name
MOST_SAID = 100_000
Command = Callable[[Sequence[str]], None]


@dataclass(frozen=True)
class Answer:
    """What came of a command.

    Attributes:
        code: exit code; below 0 the signal that ended it, None where it had to be ended.
        said: all that it printed.
        extra_bytes: the most memory that it had, or a process of its own, above what the loaded program has.
        seconds: that it took.
    """

    code: int | None
    said: str
    extra_bytes: int
    seconds: float


def answer(
    command: Command, arguments: Sequence[str], place: Path, output: Path, longest: float = LONGEST_SECONDS
) -> Answer:
    """Fork a process that carries a command out in a folder, with a cache there."""
    begun = time.monotonic()
    reading, writing = os.pipe()
    number = os.fork()
    if not number:
        os.close(reading)
        _carry_out(command, arguments, place, output, writing)
    os.close(writing)
    ready, _, _ = select.select([reading], [], [], longest)
    told = os.read(reading, 100) if ready else b""
    os.close(reading)
    if not ready:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(number, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(number, signal.SIGKILL)  # what it has started
    said = output.read_text(encoding="utf-8", errors="surrogateescape")
    return Answer(status if ready else None, said, int(told or 0), time.monotonic() - begun)


def _carry_out(command: Command, arguments: Sequence[str], place: Path, output: Path, writing: int) -> None:
    """Of the forked process; it ends here."""
    code = 70
    try:
        os.setsid()
        with output.open("wb", buffering=0) as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(place)
        os.environ["DABENCH_CACHE"] = str(place / "cache")
        space = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (space + LARGEST_MORE, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_MORE, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        sys.argv = ["dabench", *arguments]
        before = _peak()
        try:
            command(arguments)
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(writing, str(_peak() - before).encode())
    finally:
        os._exit(code)


def _peak() -> int:
    """The most memory that this process or one that it waited for has had."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(kind).ru_maxrss for kind in kinds) * 1024


def paragraphs(said: str) -> list[str]:
    """Lines, each with those below it that are further in: a reason may stand on a line of its own."""
    found: list[str] = []
    for line in said.splitlines():
        if found and line.startswith("  ") and line.strip():
            found[-1] += f"\n{line}"
        else:
            found.append(line)
    return found


def wrong(given: Answer, case: Case, known: Sequence[str]) -> str:
    """What is not as it should be in an answer; nothing where it is clear.

    Args:
        given: the answer.
        case: what it should be.
        known: paragraphs that the same command says of a sound input.
    """
    said = given.said
    if given.code is None:
        return f"no answer within {given.seconds:.0f} seconds"
    if given.extra_bytes > MOST_BYTES:
        return f"takes {given.extra_bytes / 2**20:,.0f} MiB"
    if "Traceback (most recent" in said:
        last = [line for line in said.splitlines() if line.strip()][-1]
        return f"a traceback: {last[:300]}"
    if given.code not in case.codes:
        return f"exit code {given.code}, expected {case.codes}"
    steering = sorted({sign for sign in said if not sign.isprintable() and sign not in "\n\t"})
    if steering:
        return f"sends control characters to the terminal: {steering[:5]!a}"
    if len(said) > MOST_SAID:
        return f"says too much: {len(said):,} characters"
    fresh = [text for text in paragraphs(said) if text not in known]
    if case.same and (fresh or len(paragraphs(said)) != len(known)):
        return f"says other things than of what is sound: {fresh[:3]!r:.300}"
    if case.named and not any(_reasoned(text, case.named) for text in fresh):
        return f"no line names '{case.named:.100}' and says why"
    return ""


def _reasoned(text: str, named: str) -> bool:
    """Whether a text has a name, and words beside it."""
    return named in text and len(re.findall(r"[A-Za-z]{2,}", text.replace(named, " "))) >= REASON
