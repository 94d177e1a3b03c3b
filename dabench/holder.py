"""Who has a run: what a claim says of its owner, and whether a process of this machine is still there."""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["LONGEST_LEASE", "MOST_BYTES", "Holder", "myself", "parse_holder"]

PROCESSES = Path("/proc")
UNKNOWN = -1  # when a process started
SIZE = 512  # bytes of a claim, so that a beat is overwritten in place
MOST_BYTES = 4096
LARGEST_PROCESS = 2**31  # numbers of processes are below
MOST_COUNTED = 2**53  # what JSON readers everywhere can hold
LONGEST_LEASE = 3600.0  # seconds; what a claim of a stranger may ask for


@dataclass(frozen=True)
class Holder:
    """Who has a run, as the claim says. Of strangers: nothing here may be trusted.

    Attributes:
        token: of this claim alone.
        host: name of the machine, for people.
        boot: of the machine and its process numbers; empty where the system does not tell.
        pid: process.
        born: when the process started, in ticks since the boot: numbers of processes come round.
        lease: seconds that the claim holds without a beat.
        beat: renewals so far.
        deaths: owners before this one that died, in a row, without a new checkpoint.
        saved: step of the newest checkpoint when the run was claimed; 0 without one.
    """

    token: str
    host: str
    boot: str
    pid: int
    born: int
    lease: float
    beat: int = 0
    deaths: int = 0
    saved: int = 0

    def gone(self) -> bool:
        """Whether it was a process of this machine, and is none any more."""
        if not self.boot or self.boot != _boot():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):
            pass  # another user's, which lives
        now = _born(self.pid)
        return now is not None and self.born != UNKNOWN and now != self.born

    def content(self) -> bytes:
        """The claim's bytes, of one length for every beat."""
        return json.dumps(asdict(self)).encode().ljust(SIZE - 1) + b"\n"


def parse_holder(content: bytes | None) -> Holder | None:
    """Read a claim; None where it is none of ours."""
    try:
        found: Any = json.loads(content or b"")
        holder = Holder(**found)
    except (ValueError, TypeError, RecursionError):
        return None
    for name, kind in Holder.__annotations__.items():
        value = getattr(holder, name)
        if not isinstance(value, (int, float) if kind is float else kind) or isinstance(value, bool):
            return None
    counts = (holder.beat, holder.deaths, holder.saved)
    sound = all(0 <= count < MOST_COUNTED for count in counts) and 0 < holder.pid < LARGEST_PROCESS
    sound &= 0 < holder.lease <= MOST_COUNTED and -1 <= holder.born < 2**64
    return holder if sound and len(content or b"") < MOST_BYTES else None


def myself(lease: float, deaths: int, saved: int) -> Holder:
    """This process, as the owner of a new claim."""
    pid = os.getpid()
    born = _born(pid)
    return Holder(
        token=secrets.token_hex(16), host=os.uname().nodename[:64], boot=_boot(), pid=pid,
        born=UNKNOWN if born is None else born, lease=lease, deaths=deaths, saved=saved,
    )  # fmt: skip


@cache
def _boot() -> str:
    """The machine since its start, and the space of process numbers: containers have their own."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _born(pid: int) -> int | None:
    """When a process started, in ticks since the boot; -1 of one of which only remains are there.

    None where the system does not show it: it may hide other users' processes.
    """
    try:
        text = (PROCESSES / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        fields = text.rpartition(")")[2].split()  # the name before may hold blanks and brackets
        return -1 if fields[0] in ("Z", "X") else int(fields[19])
    except (OSError, ValueError, IndexError):
        return None
