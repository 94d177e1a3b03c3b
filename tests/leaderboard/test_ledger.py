"""The ledger: what happened is appended, nothing is changed, and edits show."""

import hashlib
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from dabench.errors import UserError
from dabench.leaderboard import ledger as ledger_module
from dabench.leaderboard.ledger import Change, append, differences, read_ledger
from dabench.leaderboard.runs import Run, load
from dabench.leaderboard.verdicts import Entry
from dabench.records import Record

Make = Callable[..., Record]
Write = Callable[[list[Record]], Path]
DAY = date(2026, 3, 1)


@pytest.fixture
def results(record: Make, written: Write) -> Path:
    return written([record("dann", seed=seed, value=0.5) for seed in range(2)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


def runs(results: Path) -> list[Run]:
    return load(results)[0]


def update(file: Path, results: Path, reason: str = "", today: date = DAY) -> None:
    append(file, differences(file, results, runs(results)), reason, today)


def test_records_are_added_once(results: Path, file: Path) -> None:
    names = [run.file for run in runs(results)]
    update(file, results)
    ledger = read_ledger(file)
    assert list(ledger.entries) == [Entry("2026-03-01", "added", name, "", 0.5) for name in names]
    assert ledger.broken == ""
    content = file.read_bytes()
    update(file, results)
    assert file.read_bytes() == content


def test_each_line_holds_the_digest_of_the_one_before(results: Path, file: Path) -> None:
    update(file, results)
    first, second = file.read_bytes().splitlines()
    assert json.loads(first)["previous"] == "0" * 64
    assert json.loads(second)["previous"] == hashlib.sha256(first).hexdigest()
    assert read_ledger(file).head == hashlib.sha256(second).hexdigest()
    digest = hashlib.sha256((results / json.loads(first)["record"]).read_bytes()).hexdigest()
    assert json.loads(first)["sha256"] == digest


def test_removals_and_new_scores_need_a_reason(results: Path, file: Path, record: Make) -> None:
    update(file, results)
    before = file.read_bytes()
    gone, changed = (results / run.file for run in runs(results))
    gone.unlink()
    changed.write_text(record("dann", seed=1, value=0.6).model_dump_json())
    with pytest.raises(UserError) as caught:
        update(file, results)
    assert f"removed {gone.relative_to(results)} (0.500000)" in str(caught.value)
    assert f"rescored {changed.relative_to(results)} (0.500000 to 0.600000)" in str(caught.value)
    assert "--reason" in caught.value.hint
    assert file.read_bytes() == before
    update(file, results, "wrong resize", date(2026, 4, 1))
    assert file.read_bytes().startswith(before)
    *_, removed, rescored = read_ledger(file).entries
    assert (removed.action, removed.value, removed.before, removed.reason) == (
        "removed",
        None,
        0.5,
        "wrong resize",
    )
    assert (rescored.action, rescored.value, rescored.before) == ("rescored", 0.6, 0.5)
    assert rescored.date == "2026-04-01"
    assert differences(file, results, runs(results)) == ()


def test_another_content_with_the_same_value_shows(results: Path, file: Path) -> None:
    update(file, results)
    path = results / runs(results)[0].file
    path.write_text(path.read_text() + " ")
    (change,) = differences(file, results, runs(results))
    assert str(change) == f"rescored {path.relative_to(results).as_posix()} (same value, other content)"


def test_a_record_that_comes_back_is_added_again(results: Path, file: Path) -> None:
    update(file, results)
    path = results / runs(results)[0].file
    content = path.read_bytes()
    path.unlink()
    update(file, results, "by mistake")
    path.write_bytes(content)
    (change,) = differences(file, results, runs(results))
    assert change.action == "added"


@pytest.mark.parametrize(
    "edit",
    [
        lambda lines: [lines[0].replace(b"0.5", b"0.6"), *lines[1:]],
        lambda lines: lines[1:],
        lambda lines: [lines[1], lines[0]],
        lambda lines: [lines[0], lines[0], lines[1]],
        lambda lines: [lines[0].replace(b"2026", b"2025"), *lines[1:]],
    ],
)
def test_an_edit_breaks_the_chain(
    results: Path, file: Path, edit: Callable[[list[bytes]], list[bytes]]
) -> None:
    update(file, results)
    file.write_bytes(b"".join(edit(file.read_bytes().splitlines(keepends=True))))
    ledger = read_ledger(file)
    assert "does not follow from the line before it" in ledger.broken
    with pytest.raises(UserError, match="the ledger is broken"):
        differences(file, results, runs(results))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{}\n", "line 1: date: Field required"),
        (b"no json\n", "line 1: it: Invalid JSON"),
        (b'{"date": "2026-03-01"', "line 1 has no end"),
        (b"x" * 2**20, "line 1 has no end, or more than 131072 bytes"),
        (b'\xff\xfe"\n', "line 1"),
    ],
)
def test_what_is_no_ledger_is_said(file: Path, content: bytes, reason: str) -> None:
    file.write_bytes(content)
    broken = read_ledger(file).broken
    assert reason in broken
    assert broken.isprintable()


def test_sizes_are_limited_and_links_not_followed(
    results: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update(file, results)
    link = tmp_path / "link.jsonl"
    link.symlink_to(file)
    assert "it is a link" in read_ledger(link).broken
    monkeypatch.setattr(ledger_module, "LARGEST_LEDGER", 100)
    assert "larger than 100 bytes" in read_ledger(file).broken


def test_an_absent_ledger_is_empty(file: Path) -> None:
    ledger = read_ledger(file)
    assert (list(ledger.entries), ledger.broken) == ([], "")


def test_a_hostile_reason_or_name_is_safe_to_print(file: Path) -> None:
    append(file, [Change("added", "a\x1b[2Jb", 0.5, None, "0" * 64)], "be\x1b[2Jcause", DAY)
    (entry,) = read_ledger(file).entries
    assert entry.record.isprintable()
    assert entry.reason.isprintable()
    with pytest.raises(UserError, match="the reason has"):
        append(file, [], "x" * 10_000, DAY)


def test_a_folder_that_cannot_be_written_is_the_users(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write the ledger"):
        append(tmp_path / "file" / "ledger.jsonl", [Change("added", "a", 0.5, None, "0" * 64)], "", DAY)
