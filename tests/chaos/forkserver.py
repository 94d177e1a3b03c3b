"""A process that has loaded dabench once and starts it again and again: imports take seconds, a fork none.

Reads one JSON object a line: ``{"start": [arguments of dabench], "folder": ..., "output": ...}`` is answered
by the new process's number, ``{"wait": number}`` by its exit code (below 0: the signal that ended it).
``largest_file`` limits the bytes of a file, as a disk that is full does; ``clock`` sets the process's clock
wrong by some seconds; ``alone`` puts it on a machine of its own, as far as others can tell; ``cache`` is its
cache.
"""

import json
import os
import resource
import sys
import time
import traceback
from functools import partial
from pathlib import Path
from typing import Any

import torch

import dabench.commands  # noqa: F401
from dabench import holder
from dabench.cli import main
from dabench.discovery import discover_methods, discover_suites
from dabench.environment import code_version


def start(order: dict[str, Any]) -> int:
    """Fork; the child becomes a ``dabench`` of its own, all of whose output goes to a file."""
    number = os.fork()
    if number:
        return number
    code = 70
    try:
        with Path(order["output"]).open("ab", buffering=0) as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(order["folder"])
        if order["largest_file"] is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (order["largest_file"], resource.RLIM_INFINITY))
        if order["clock"]:
            set_clock(order["clock"])
        if order["alone"]:
            holder._boot = partial(str, os.getpid())
        if order["cache"]:
            os.environ["DABENCH_CACHE"] = order["cache"]
        sys.argv = ["dabench", *order["start"]]
        main(order["start"])
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def set_clock(wrong: float) -> None:
    """Let this process believe that it is another time of day."""
    true, true_ns = time.time, time.time_ns
    time.time = lambda: true() + wrong
    time.time_ns = lambda: true_ns() + int(wrong * 1e9)


def serve() -> None:
    """Answer orders until there are no more."""
    torch.set_num_threads(1)
    code_version()  # of what is loaded now, though somebody may commit meanwhile
    discover_methods()
    discover_suites()
    for line in sys.stdin:
        order = json.loads(line)
        if "start" in order:
            answer = start(order)
        else:
            answer = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])
        print(answer, flush=True)


if __name__ == "__main__":
    serve()
