"""A sweep whose GPU was lost to a failed run goes on in a new process, which takes this one's place.

Some errors of a kernel (an index out of range is enough) leave a process without its GPU for good. The other
runs of the sweep have nothing to do with it.
"""

import math
import os
import sys
from collections.abc import Collection, Sequence
from typing import NoReturn

__all__ = ["go_on", "tried"]

TRIED = "DABENCH_TRIED"
FIRST, LAST = 3, 65_536  # files that are not standard input and output


def tried() -> frozenset[str]:
    """Runs that have failed in the processes before this one, by identity: they are not tried again."""
    return frozenset(filter(None, os.environ.get(TRIED, "").split(",")))


def go_on(words: Sequence[str], failed: Collection[str], seconds_left: float | None) -> NoReturn:
    """Start the same command again in the place of this process, whose memory and files are given back.

    Args:
        words: of the command line.
        failed: identities of runs that are not to be tried again.
        seconds_left: of ``--max-time``.
    """
    limit = [] if seconds_left is None else ["--max-time", f"{max(1, math.ceil(seconds_left))}s"]
    sys.stdout.flush()
    sys.stderr.flush()
    os.closerange(FIRST, LAST)
    environment = {**os.environ, TRIED: ",".join(sorted({*tried(), *failed}))}
    os.execve(sys.executable, [sys.executable, "-m", "dabench", *words, *limit], environment)
