"""The ledger: an append-only file that says what happened to the records of a results folder, and why.

``ledger.jsonl`` holds one JSON object a line: date, action (added, rescored or removed), the record's file,
its headline value now and before, the SHA-256 of the record's bytes, the reason, and in ``previous`` the
SHA-256 of the line before. Each line so vouches for all lines above it: a line that was edited, put in or
taken out breaks the chain, but for the last one, for which nothing vouches. An edit of it does not show, nor
do lines cut off at the end or a chain written anew: compare ``head`` with one noted elsewhere.
"""

import hashlib
import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dabench.errors import UserError
from dabench.leaderboard.runs import Run
from dabench.leaderboard.verdicts import Entry, Ledger
from dabench.leaderboard.verify.words import plain
from dabench.plain_files import digest, open_plain
from dabench.problem import LARGEST_RECORD_BYTES

__all__ = ["LEDGER_FILE", "Change", "append", "differences", "read_ledger"]

LEDGER_FILE = "ledger.jsonl"
LARGEST_LEDGER = 64 * 2**20
LONGEST_LINE = 128 * 2**10
LONGEST_NAME, LONGEST_REASON = 4096, 2000
LISTED = 10  # changes that a refusal lists
START = "0" * 64

Action = Literal["added", "rescored", "removed"]


class _Line(BaseModel):
    """One line of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    date: date
    action: Action
    record: str = Field(max_length=LONGEST_NAME)
    reason: str = Field(max_length=LONGEST_REASON)
    value: float | None = Field(ge=0, le=1)
    before: float | None = Field(None, ge=0, le=1)
    sha256: str | None = Field(pattern=r"^[0-9a-f]{64}$")
    previous: str = Field(pattern=r"^[0-9a-f]{64}$")


@dataclass(frozen=True)
class Change:
    """What happened to a record since the ledger's last line on it; digests are of its bytes."""

    action: Action
    record: str
    value: float | None = None
    before: float | None = None
    sha256: str | None = None

    def __str__(self) -> str:
        """Say it in words."""
        numbers = [f"{number:.6f}" for number in (self.before, self.value) if number is not None]
        if self.action == "rescored" and self.value == self.before:
            numbers = ["same value, other content"]
        return f"{self.action} {plain(self.record)}" + (f" ({' to '.join(numbers)})" if numbers else "")


@dataclass(frozen=True)
class _Read:
    lines: tuple[_Line, ...]
    head: str
    broken: str = ""


def read_ledger(path: Path) -> Ledger:
    """Read a ledger and check its chain; nothing that is wrong with it is an exception.

    Args:
        path: of the file; an absent one is an empty ledger. A link is not followed.
    """
    read = _read(path)
    entries = tuple(
        Entry(
            one.date.isoformat(),
            one.action,
            plain(one.record, LONGEST_NAME),
            plain(one.reason, LONGEST_REASON),
            one.value,
            one.before,
        )
        for one in read.lines
    )
    return Ledger(entries, read.head, read.broken)


def _read(path: Path) -> _Read:
    lines: list[_Line] = []
    head = START
    try:
        for number, text in _texts(path):
            line = _Line.model_validate_json(text)
            if line.previous != head:
                raise ValueError(
                    f"line {number} does not follow from the line before it: something was edited"
                )
            lines.append(line)
            head = hashlib.sha256(text).hexdigest()
    except FileNotFoundError:
        return _Read((), START)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "it"
        broken = plain(f"{path.name}, line {len(lines) + 1}: {where}: {first['msg']}")
        return _Read(tuple(lines), head, broken)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        return _Read(tuple(lines), head, plain(f"{path.name}: {reason}"))
    return _Read(tuple(lines), head)


def _texts(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines without their ends, numbered from 1."""
    with open_plain(path) as file:
        if os.fstat(file.fileno()).st_size > LARGEST_LEDGER:
            raise ValueError(f"larger than {LARGEST_LEDGER} bytes")
        for number in itertools.count(1):
            text = file.readline(LONGEST_LINE)
            if not text:
                return
            if not text.endswith(b"\n"):
                raise ValueError(f"line {number} has no end, or more than {LONGEST_LINE} bytes")
            yield number, text[:-1]


def differences(path: Path, results: Path, runs: Sequence[Run]) -> tuple[Change, ...]:
    """What happened to the records of a folder since the ledger was last written, sorted by record.

    Args:
        path: of the ledger.
        results: the folder that the runs' files are relative to.
        runs: all of that folder.

    Raises:
        UserError: the ledger is broken.
    """
    read = _read(path)
    if read.broken:
        raise UserError(
            f"the ledger is broken: {read.broken}",
            "an edited ledger vouches for nothing: bring the file back from version control or a backup",
        )
    state = {line.record: line for line in read.lines}
    return _changes({name: line for name, line in state.items() if line.action != "removed"}, results, runs)


def _changes(known: Mapping[str, _Line], results: Path, runs: Sequence[Run]) -> tuple[Change, ...]:
    found = []
    here = {plain(run.file, LONGEST_NAME): run for run in runs}  # a file's name need not be UTF-8
    for name, run in here.items():
        content, value = digest(results / run.file, LARGEST_RECORD_BYTES), run.record.value
        line = known.get(name)
        if line is None:
            found.append(Change("added", name, value, None, content))
        elif content != line.sha256 or value != line.value:
            found.append(Change("rescored", name, value, line.value, content))
    found += [Change("removed", name, None, line.value) for name, line in known.items() if name not in here]
    return tuple(sorted(found, key=lambda change: change.record))


def append(path: Path, changes: Sequence[Change], reason: str, today: date | None = None) -> Ledger:
    """Add a line for each change; what is there already stays as it is, to the byte.

    Args:
        path: of the ledger; made where missing.
        changes: from ``differences``.
        reason: why; needed unless records were only added.
        today: of the new lines; by default this day in UTC.

    Raises:
        UserError: records were removed or rescored without a reason, or the file cannot be written.
    """
    drastic = [change for change in changes if change.action != "added"]
    if drastic and not reason.strip():
        more = f"\n  and {len(drastic) - LISTED} more" if len(drastic) > LISTED else ""
        listed = "".join(f"\n  {change}" for change in drastic[:LISTED])
        raise UserError(
            f"records were removed or rescored, and no reason is given:{listed}{more}",
            'say why: dabench verify --ledger FILE --reason "..."',
        )
    if len(reason) > LONGEST_REASON:
        raise UserError(f"the reason has {len(reason)} characters, expected at most {LONGEST_REASON}")
    head = _read(path).head
    texts = []
    for change in changes:
        line = _Line(
            date=today or datetime.now(UTC).date(), action=change.action, record=change.record,
            reason=reason.strip(), value=change.value, before=change.before, sha256=change.sha256,
            previous=head,
        )  # fmt: skip
        text = json.dumps(line.model_dump(mode="json"), ensure_ascii=True).encode()
        head = hashlib.sha256(text).hexdigest()
        texts.append(text + b"\n")
    if texts:
        _write(path, b"".join(texts))
    return read_ledger(path)


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UserError(
            f"cannot write the ledger {path}: {error.strerror or error}", "name another file with --ledger"
        ) from error
