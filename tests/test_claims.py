"""Claims: one owner, dead ones recognised without wall clocks, nobody's claim overwritten."""

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from dabench import claims
from dabench.claims import Claim, LeaseLost, claim, claim_file, read_holder
from dabench.holder import Holder, myself, parse_holder
from dabench.publishing import tidy

LONG = 1000.0  # no renewal falls into a test


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def read(self) -> float:
        return self.now

    def watch(self, record: Path, lease: float, seconds: float) -> Claim | None:
        """Try to claim a run again and again for so long, as one that waits does."""
        taken, end = claim(record, lease), self.now + seconds
        while taken is None and self.now < end:
            self.now = min(self.now + lease / 5, end)
            taken = claim(record, lease)
        return taken


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(claims, "now", made.read)
    monkeypatch.setattr(claims, "_seen", {})
    return made


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "suite" / "A2B" / "dann" / "seed0-0123456789abcdef.json"


@pytest.fixture
def foreign(record: Path) -> Callable[..., Holder]:
    """Write the claim of a process on another machine."""

    def write(**changes: Any) -> Holder:
        holder = replace(myself(LONG, 0, 0), host="elsewhere", boot="another", pid=1, **changes)
        record.parent.mkdir(parents=True, exist_ok=True)
        claim_file(record).write_bytes(holder.content())
        return holder

    return write


def test_a_run_has_one_owner_until_it_is_released(record: Path) -> None:
    first = claim(record, LONG)
    assert first is not None
    assert claim_file(record).name == ".seed0-0123456789abcdef.claim"
    assert claim(record, LONG) is None
    holder = read_holder(record)
    assert holder is not None
    assert (holder.pid, holder.lease, holder.deaths) == (os.getpid(), LONG, 0)
    first.check()
    first.release()
    first.release()
    assert list(record.parent.iterdir()) == []
    with claim(record, LONG) as second:
        assert second.deaths == 0


def test_a_silent_owner_of_another_machine_is_dead_after_a_lease_of_watching(
    record: Path, clock: Clock, foreign: Callable[..., Holder]
) -> None:
    holder = foreign(lease=30.0)
    assert claim(record, 10.0) is None, "seen for the first time"
    assert clock.watch(record, 10.0, 29) is None, "its own lease counts where it is longer"
    foreign(lease=30.0, beat=1, token=holder.token)
    assert clock.watch(record, 10.0, 2) is None, "it gave a sign of life"
    taken = clock.watch(record, 10.0, 31)
    assert taken is not None
    assert taken.deaths == 1
    taken.release()


def test_who_looks_again_after_a_long_time_gives_the_owner_the_time_of_another_beat(
    record: Path, clock: Clock, foreign: Callable[..., Holder]
) -> None:
    """The network was away: nobody could look, and the owner could not renew."""
    holder = foreign(lease=30.0)
    assert claim(record, 10.0) is None
    clock.now += 1000
    assert claim(record, 10.0) is None
    foreign(lease=30.0, beat=1, token=holder.token)
    assert clock.watch(record, 10.0, 29) is None
    clock.now += 1000
    assert claim(record, 10.0) is None
    taken = clock.watch(record, 10.0, 16)
    assert taken is not None
    taken.release()


def test_wall_clocks_play_no_part(record: Path, clock: Clock, foreign: Callable[..., Holder]) -> None:
    foreign(lease=10.0)
    for year in (0, 4_000_000_000):
        os.utime(claim_file(record), (year, year))
        assert claim(record, 10.0) is None


def test_a_promise_without_end_is_not_believed(
    record: Path, clock: Clock, foreign: Callable[..., Holder]
) -> None:
    foreign(lease=1e12)
    assert clock.watch(record, 10.0, claims.LONGEST_LEASE - 1) is None
    taken = clock.watch(record, 10.0, 2)
    assert taken is not None
    taken.release()


CHILD = "import os, sys; from dabench.claims import claim; from pathlib import Path; "
CHILD += "held = claim(Path(sys.argv[1]), 1000.0); print(held is not None, flush=True); sys.stdin.read()"


def owner(record: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(record)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def test_a_killed_process_of_this_machine_is_dead_at_once(record: Path) -> None:
    with owner(record) as process:
        assert claim(record, LONG) is None
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # its remains are there still
        taken = claim(record, LONG)
    assert taken is not None
    assert taken.deaths == 1
    taken.release()
    assert list(record.parent.iterdir()) == []


def test_deaths_in_a_row_are_counted_until_a_checkpoint_is_made(
    record: Path, clock: Clock, foreign: Callable[..., Holder]
) -> None:
    def take(**changes: Any) -> int:
        foreign(lease=1.0, **changes)
        taken = clock.watch(record, 1.0, 2)
        assert taken is not None
        taken.release()
        return taken.deaths

    assert take(deaths=0) == 1
    assert take(deaths=2) == 3
    record.with_name(f".{record.stem}.checkpoint-40.safetensors").write_bytes(b"")
    assert take(deaths=2, saved=20) == 0
    assert take(deaths=2, saved=40) == 3


@pytest.mark.parametrize("kind", ["garbage", "empty", "huge", "folder", "link", "pipe"])
def test_what_is_no_claim_is_watched_and_replaced(record: Path, clock: Clock, kind: str) -> None:
    place = claim_file(record)
    place.parent.mkdir(parents=True)
    outside = record.parents[3] / "outside"
    outside.write_bytes(b"not ours")
    if kind == "folder":
        place.mkdir()
    elif kind == "link":
        place.symlink_to(outside)
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.write_bytes({"garbage": b"\xff{", "empty": b"", "huge": b"[" * 10**6}[kind])
    assert clock.watch(record, 5.0, 4) is None
    taken = clock.watch(record, 5.0, 2)
    assert taken is not None
    taken.check()
    taken.release()
    assert outside.read_bytes() == b"not ours"


@pytest.mark.parametrize(
    "changes",
    [
        {"pid": "1"}, {"beat": True}, {"lease": -1.0}, {"lease": float("inf")}, {"lease": float("nan")},
        {"more": 1}, {"host": None},
    ],
)  # fmt: skip
def test_a_claim_that_makes_no_sense_has_no_holder(changes: dict[str, Any]) -> None:
    sound = asdict(myself(10.0, 0, 0))
    assert parse_holder(json.dumps(sound).encode()) is not None
    assert parse_holder(json.dumps(sound | changes).encode()) is None


def test_an_owner_whose_claim_was_taken_stops_and_leaves_the_thief_alone(record: Path, clock: Clock) -> None:
    first = claim(record, LONG)
    assert first is not None
    holder = read_holder(record)
    assert holder is not None
    thief = replace(holder, token="f" * 32)
    claim_file(record).rename(record.parent / "aside")
    claim_file(record).write_bytes(thief.content())
    first.check()  # within its lease it does not look
    clock.now += LONG + 1  # as after SIGSTOP
    with pytest.raises(LeaseLost, match="another process"):
        first.check()
    with pytest.raises(LeaseLost):
        first.check()
    first.release()
    assert claim_file(record).read_bytes() == thief.content()


def test_confirm_looks_even_within_the_lease(record: Path) -> None:
    first = claim(record, LONG)
    assert first is not None
    first.confirm()
    claim_file(record).unlink()
    with pytest.raises(LeaseLost):
        first.confirm()
    first.release()


def test_an_owner_that_nobody_replaced_goes_on_after_a_pause(record: Path, clock: Clock) -> None:
    first = claim(record, LONG)
    assert first is not None
    clock.now += 10 * LONG
    first.check()
    holder = read_holder(record)
    assert holder is not None
    assert holder.beat == 1
    first.release()


def test_a_claim_that_cannot_be_renewed_for_a_lease_is_lost(
    record: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = claim(record, LONG)
    assert first is not None

    def gone(*_: Any) -> None:
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr(claims.os, "fsync", gone)
    first.confirm()  # the lease holds
    clock.now += LONG + 1
    with pytest.raises(LeaseLost, match="Stale file handle"):
        first.check()
    first.release()


def test_the_beat_goes_on_by_itself(record: Path) -> None:
    with claim(record, 0.15) as held:
        deadline = time.monotonic() + 60  # a guard against hanging, no measurement
        while (holder := read_holder(record)) is None or holder.beat < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        held.check()


def test_a_live_claim_that_was_moved_aside_is_put_back(
    record: Path, clock: Clock, foreign: Callable[..., Holder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two take a dead claim over; the slower one moves the faster one's new claim aside."""
    foreign(lease=1.0)
    assert clock.watch(record, 1.0, 0.9) is None
    clock.now += 0.2
    live = replace(myself(LONG, 0, 0), boot="third", token="e" * 32)
    rename = os.rename

    def late(source: Path, target: Path) -> None:
        claim_file(record).write_bytes(live.content())
        rename(source, target)

    monkeypatch.setattr(claims.os, "rename", late)
    assert claim(record, 1.0) is None
    assert read_holder(record) == live
    assert [path.name for path in record.parent.iterdir()] == [claim_file(record).name]


def test_a_claim_that_cannot_be_read_while_it_is_aside_is_put_back(
    record: Path, clock: Clock, foreign: Callable[..., Holder], monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = foreign(lease=1.0)
    assert clock.watch(record, 1.0, 0.9) is None
    clock.now += 0.2
    read = claims._content

    def fail(place: Path) -> bytes | None:
        if place.suffix == ".part":
            raise OSError(errno.EIO, "Input/output error")
        return read(place)

    monkeypatch.setattr(claims, "_content", fail)
    with pytest.raises(OSError, match="Input/output"):
        claim(record, 1.0)
    monkeypatch.undo()
    assert read_holder(record) == holder


def test_a_claim_that_was_taken_while_it_was_given_back_stays(
    record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner is stopped for longer than its lease, after it has looked at the claim."""
    first = claim(record, LONG)
    assert first is not None
    thief = replace(myself(LONG, 0, 0), boot="third", token="e" * 32)
    rename = os.rename

    def late(source: Path, target: Path) -> None:
        claim_file(record).write_bytes(thief.content())
        rename(source, target)

    monkeypatch.setattr(claims.os, "rename", late)
    first.release()
    assert read_holder(record) == thief
    assert [path.name for path in record.parent.iterdir()] == [claim_file(record).name]


def test_a_claim_that_was_made_and_not_entered_is_not_renewed(record: Path) -> None:
    held = claim(record, 0.02)
    assert held is not None
    time.sleep(0.05)
    holder = read_holder(record)
    assert holder is not None
    assert holder.beat == 0
    held.release()


@pytest.mark.parametrize("dead", [False, True])
def test_of_many_that_try_at_once_one_succeeds(record: Path, dead: bool) -> None:
    if dead:
        record.parent.mkdir(parents=True)
        mine = myself(LONG, 0, 0)
        claim_file(record).write_bytes(replace(mine, born=mine.born - 1).content())  # of this machine, gone
    code = "import sys; print(flush=True); sys.stdin.readline(); " + CHILD
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(record)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    winners = [
        process.pid for process in processes if process.stdout and process.stdout.readline() == "True\n"
    ]
    holder = read_holder(record)
    assert holder is not None
    assert winners == [holder.pid]
    for process in processes:
        process.communicate(timeout=60)


def test_a_claim_whose_draft_is_cleared_away_is_none(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has just published the run clears away what others left of it, and this looks like it."""
    link = os.link

    def late(draft: Path, place: Path) -> None:
        tidy(record, set, owner=True)
        link(draft, place)

    monkeypatch.setattr(os, "link", late)
    assert claim(record, LONG) is None
    assert list(record.parent.iterdir()) == []


def test_without_links_a_claim_is_created_exclusively(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(claims.os, "link", refuse)
    first = claim(record, LONG)
    assert first is not None
    assert claim(record, LONG) is None
    first.confirm()
    first.release()
    assert list(record.parent.iterdir()) == []


def test_a_process_that_seldom_looks_takes_a_dead_run_over(
    record: Path, clock: Clock, foreign: Callable[..., Holder]
) -> None:
    """One that is busy with runs of an hour looks between them."""
    foreign(lease=60.0)
    looks = 0
    while (taken := claim(record, 60.0)) is None and looks < 10:
        looks += 1
        clock.now += 3600
    assert taken is not None
    assert looks == 2, "seen, doubted, taken"
    taken.release()
