"""Leases on runs: of several processes on one results folder, one works on each run.

A claim is a hidden file beside the run's record, ``.<stem>.claim``, created exclusively. Its owner renews it
by counting a beat up, every third of the lease, in the file that it holds open: whoever took the run over has
a file of his own, which is never overwritten. Others judge by their own clock alone: a claim whose content
stays the same while they watch for a whole lease is dead, whatever any wall clock says; one of a process of
this machine that is gone is dead at once.

A claim saves work, it does not guard results: a process that was stopped and goes on may believe for a moment
that it still owns the run. That a run has one record is decided when the record is published
(``dabench.records``).
"""

import contextlib
import errno
import os
import re
import secrets
import stat
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from dabench.holder import LONGEST_LEASE, MOST_BYTES, Holder, myself, parse_holder
from dabench.publishing import NO_LINKS, put_back

__all__ = [
    "MOST_ATTEMPTS",
    "Claim",
    "LeaseLost",
    "claim",
    "claim_file",
    "read_holder",
]

MOST_ATTEMPTS = 3  # owners that died in a row without a new checkpoint, until a run counts as failed


CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
LOOKS = 5  # at a claim that is away, before it counts as lost
ASIDE_SECONDS = 0.1


class LeaseLost(Exception):
    """Another process has this run now, or the claim could not be renewed for a whole lease."""


class Claim:
    """A run that this process owns. Made by ``claim``; leaving its ``with`` block releases it.

    Attributes:
        deaths: owners before this one that died, in a row, without a new checkpoint.
    """

    def __init__(self, path: Path, descriptor: int, holder: Holder) -> None:
        self._path = path
        self._descriptor = descriptor
        self._holder = holder
        self._lock = threading.Lock()
        self._renewed = now()
        self._reason = ""
        self._trouble = ""
        self._stop = threading.Event()
        self.deaths = holder.deaths

    def __enter__(self) -> "Claim":
        """Renew it from now on. One that was made and never entered is taken over in time."""
        threading.Thread(target=self._keep, name=f"claim {self._path.name}", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def check(self) -> None:
        """Make sure that the run is still this process's; cheap enough for every step.

        A process that was stopped for longer than its lease looks at the claim before it goes on.

        Raises:
            LeaseLost: it is not; the caller stops and writes nothing.
        """
        if not self._reason and now() - self._renewed > self._holder.lease:
            self._renew()
            if not self._reason and now() - self._renewed > self._holder.lease:
                self._reason = f"the claim could not be renewed: {self._trouble}"
        if self._reason:
            raise LeaseLost(self._reason)

    def confirm(self) -> None:
        """As ``check``, but look at the claim itself; before something that cannot be undone."""
        self._renew()
        self.check()

    def release(self) -> None:
        """Give the run back. A claim that another process has made meanwhile stays."""
        self._stop.set()
        with self._lock:
            if self._descriptor < 0:
                return
            with contextlib.suppress(OSError):
                if self._is_mine():
                    self._give_back()
            descriptor, self._descriptor = self._descriptor, -1
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _give_back(self) -> None:
        """Remove the claim. Another process may have made its own since it was looked at: that one stays."""
        aside = _beside(self._path)
        os.rename(self._path, aside)
        try:
            found = parse_holder(_content(aside))
            if found is None or found.token != self._holder.token:
                put_back(aside, self._path)
        except OSError:
            put_back(aside, self._path)
            raise
        finally:
            with contextlib.suppress(OSError):
                aside.unlink()

    def _keep(self) -> None:
        while not self._stop.wait(self._holder.lease / 3) and not self._reason:
            self._renew()

    def _is_mine(self) -> bool:
        found = parse_holder(_content(self._path))
        return found is not None and found.token == self._holder.token

    def _is_still_mine(self) -> bool:
        """As ``_is_mine``; who takes a claim for dead moves it aside, then puts a live one back."""
        for _ in range(LOOKS):
            if _content(self._path) is not None:
                break
            time.sleep(ASIDE_SECONDS)
        return self._is_mine()

    def _renew(self) -> None:
        with self._lock:
            if self._descriptor < 0:
                return
            begun = now()
            try:
                if not self._is_still_mine():
                    self._reason = "another process has taken the run over, or the claim was removed"
                    return
                self._holder = replace(self._holder, beat=self._holder.beat + 1)
                _write(self._descriptor, self._holder)
            except OSError as error:  # a network folder may come back within the lease
                self._trouble = error.strerror or str(error)
            else:
                self._renewed = begun


def claim_file(path: Path) -> Path:
    """Where the claim on a run lies, given its record's path."""
    return path.with_name(f".{path.stem}.claim")


def claim(path: Path, lease: float) -> Claim | None:
    """Claim a run, or take it over from an owner that is dead.

    Whether an owner on another machine is dead shows only by watching: the first calls return None, and one
    that comes a lease later finds out.

    Args:
        path: of the run's record; its folder is made.
        lease: seconds that the claim holds without a sign of life.

    Returns:
        The claim; None where somebody alive has the run.

    Raises:
        OSError: the folder cannot be written.
    """
    place = claim_file(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    lease = min(lease, LONGEST_LEASE)
    content = _content(place)  # who waits for others only reads
    if content is None:
        with contextlib.suppress(FileExistsError):
            return _create(place, myself(lease, deaths=0, saved=_saved(path)))
        return None
    return _take_over(path, place, content, lease) if _dead(place, content, lease) else None


def read_holder(path: Path) -> Holder | None:
    """Who has a run, given its record's path; None where nobody has it, or the claim makes no sense."""
    try:
        return parse_holder(_content(claim_file(path)))
    except OSError:
        return None


@dataclass
class _Watched:
    """A claim that this process watches: its content, and when it was looked at."""

    content: bytes
    since: float  # it is the same
    looked: float
    doubted: float | None = None  # the first look after a time in which nobody, or not this process, looked


_seen: dict[Path, _Watched] = {}


def now() -> float:
    """Seconds by a clock that nobody sets; it goes on while the machine is suspended, as leases do."""
    return time.clock_gettime(CLOCK)


def _dead(place: Path, content: bytes, lease: float) -> bool:
    holder = parse_holder(content)
    if holder is not None and holder.gone():
        return True
    moment = now()
    promised = max(lease, min(holder.lease, LONGEST_LEASE) if holder is not None else 0.0)
    watched = _seen.get(place)
    if watched is None or watched.content != content:
        _seen[place] = _Watched(content, moment, moment)
        return False
    if moment - watched.looked > promised / 2 and watched.doubted is None:
        # Perhaps the network was away from both: the owner, back as we are, gets the time of another beat.
        watched.doubted = moment
    watched.looked = moment
    since = watched.since if watched.doubted is None else max(watched.since, watched.doubted - promised / 2)
    return moment - since > promised


def _take_over(path: Path, place: Path, content: bytes, lease: float) -> Claim | None:
    """Move a dead claim aside and make an own one; of several that try, one succeeds."""
    aside = _beside(place)
    try:
        os.rename(place, aside)
    except FileNotFoundError:
        return None
    try:
        try:
            found = _content(aside)
        except OSError:
            put_back(aside, place)
            raise
        if found != content:  # its owner lives, or another one took it over a moment ago
            put_back(aside, place)  # if it was claimed meanwhile, who had it notices at the next check
            return None
        before, saved = parse_holder(content), _saved(path)
        died = before is not None and saved <= before.saved
        deaths = before.deaths + 1 if before is not None and died else 0
        _seen.pop(place, None)
        with contextlib.suppress(FileExistsError):
            return _create(place, myself(lease, deaths, saved))
        return None
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()


def _create(place: Path, holder: Holder) -> Claim:
    """Make the claim by an exclusive link, so that nobody reads half of it. Raises FileExistsError."""
    draft = _beside(place)
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o666)
    try:
        _write(descriptor, holder)
        try:
            os.link(draft, place)
        except FileExistsError:
            if os.fstat(descriptor).st_nlink != 2:  # over NFS the answer to a link that was made may be lost
                raise
        except FileNotFoundError as error:
            if not draft.parent.is_dir():
                raise
            # Whoever has just published the run has cleared the draft away.
            raise FileExistsError(errno.EEXIST, "somebody has the run", str(place)) from error
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            os.close(descriptor)
            descriptor = -1
            descriptor = os.open(place, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o666)
            _write(descriptor, holder)
        return Claim(place, descriptor, holder)
    except BaseException:
        if descriptor >= 0:
            os.close(descriptor)
        raise
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()


def _beside(place: Path) -> Path:
    """A name for a moment; whoever owns the run may clear such files away."""
    return place.with_name(f"{place.name}.{secrets.token_hex(8)}.part")


def _write(descriptor: int, holder: Holder) -> None:
    os.pwrite(descriptor, holder.content(), 0)
    os.fsync(descriptor)


def _content(place: Path) -> bytes | None:
    """The bytes of a claim; None where there is none, nothing where it is no plain file."""
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EMLINK):
            return b""
        raise
    try:
        return os.read(descriptor, MOST_BYTES) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
    finally:
        os.close(descriptor)


def _saved(path: Path) -> int:
    """Step of the run's newest checkpoint, by name."""
    pattern = re.compile(rf"\.{re.escape(path.stem)}\.checkpoint-(\d{{1,12}})\.safetensors")
    found = [pattern.fullmatch(name) for name in os.listdir(path.parent)]
    return max((int(match.group(1)) for match in found if match), default=0)
