"""Claims: whose process is taken for dead, what those do who wait, and claims that are aside for a moment."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dabench import holder as holder_module
from dabench.claims import claim, claim_file
from dabench.holder import Holder, myself

LONG = 1000.0  # no renewal falls into a test


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


def test_a_process_that_the_system_hides_is_not_dead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As of another user where /proc is mounted with hidepid=2."""
    mine = myself(LONG, 0, 0)
    assert not mine.gone()
    assert replace(mine, born=mine.born - 1).gone()
    monkeypatch.setattr(holder_module, "PROCESSES", tmp_path)
    assert not mine.gone()
    assert not replace(mine, born=mine.born - 1).gone()
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
        assert replace(mine, pid=child.pid).gone()

    def refuse(*_: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert not mine.gone()


def test_who_waits_writes_nothing(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with claim(record, LONG):
        written: list[Any] = []
        for name in ("link", "fsync", "rename"):
            monkeypatch.setattr(os, name, lambda *given: written.append(given))
        assert claim(record, LONG) is None
        assert written == []


def test_a_claim_that_was_cleared_away_aside_is_not_put_back(
    record: Path, foreign: Callable[..., Holder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The live owner publishes while its claim is aside, and its record's tidying clears such files."""
    foreign()
    mine = myself(LONG, 0, 0)
    claim_file(record).write_bytes(replace(mine, born=mine.born - 1).content())
    rename = os.rename

    def late(source: Path, target: Path) -> None:
        foreign(token="e" * 32)
        rename(source, target)
        target.unlink()

    monkeypatch.setattr(os, "rename", late)
    assert claim(record, LONG) is None
    assert list(record.parent.iterdir()) == []


def test_an_owner_whose_claim_is_aside_for_a_moment_looks_again(
    record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with claim(record, LONG) as held:
        aside = record.parent / "aside"
        claim_file(record).rename(aside)
        monkeypatch.setattr(time, "sleep", lambda _: aside.rename(claim_file(record)))
        held.confirm()
