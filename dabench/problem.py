"""What is a record's file, and what is wrong with one that is none."""

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from dabench.record import Record

__all__ = ["LARGEST_RECORD_BYTES", "SCHEMA_VERSION", "Problem", "content_of", "problem_of"]

SCHEMA_VERSION = 1
LARGEST_RECORD_BYTES = 4 * 2**20  # with 1,000 classes; a usual one has tens of kilobytes


@dataclass(frozen=True)
class Problem:
    """A file that could not be read as a record, and why.

    ``unreadable``: it may be a record, of another user or on a folder that is away for a moment. ``number``
    is that of the system's error.
    """

    path: Path
    reason: str
    unreadable: bool = False
    number: int = 0


def problem_of(path: Path, text: bytes) -> Problem | Record:
    """Say what is wrong with a file that is no record."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Problem(path, f"no readable JSON: {error}")
    if not isinstance(content, dict) or "schema_version" not in content:
        return Problem(path, "no record of dabench: schema_version is missing")
    if content["schema_version"] != SCHEMA_VERSION:
        return Problem(
            path, f"schema_version {content['schema_version']!r}, this dabench reads {SCHEMA_VERSION}"
        )
    try:
        return Record.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "record"
        return Problem(path, f"{where}: {first['msg']}")


def content_of(record: Record) -> bytes:
    """The file of a record. Raises ValueError for one that would be too large to be read."""
    content = record.content()
    if len(content) > LARGEST_RECORD_BYTES:
        raise ValueError(f"its record would have {len(content)} bytes, more than {LARGEST_RECORD_BYTES}")
    return content
