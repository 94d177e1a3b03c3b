"""A sweep whose GPU was lost to a failed run goes on in a new process, which takes this one's place.

Some errors of a kernel (an index out of range is enough) leave a process without its GPU for good. The other
runs of the sweep have nothing to do with it.
"""

import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NoReturn

__all__ = ["go_on", "time_left", "tried"]

TRIED, TIME = "DABENCH_TRIED", "DABENCH_TIME"
FIRST, LAST = 3, 65_536  # files that are not standard input and output


def tried() -> frozenset[str]:
    """Runs that have failed in the processes before this one, by identity: they are not tried again."""
    return frozenset(filter(None, os.environ.get(TRIED, "").split(",")))


def time_left() -> float | None:
    """Seconds that the processes before this one have left of ``--max-time``; None for the first."""
    try:
        return float(os.environ[TIME])
    except (KeyError, ValueError):
        return None


def go_on(words: Sequence[str], failed: Collection[str], device: str, seconds: float | None) -> NoReturn:
    """Start the same command again in the place of this process, whose memory and files are given back.

    Args:
        words: of the command line.
        failed: identities of runs that are not to be tried again.
        device: of the runs; a GPU that is gone for good is an error, no reason to go on without.
        seconds: that are left of ``--max-time``.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os.closerange(FIRST, LAST)
    environment = {**os.environ, TRIED: ",".join(sorted({*tried(), *failed}))}
    if seconds is not None:
        environment[TIME] = str(max(1.0, seconds))
    # "python -m" would import from the working folder, as an installed command does not.
    safe = [] if Path(sys.argv[0]).name == "__main__.py" else ["-P"]
    os.execve(
        sys.executable, [sys.executable, *safe, "-m", "dabench", *words, "--device", device], environment
    )
