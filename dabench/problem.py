"""What is wrong with a file that is no record."""

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from dabench.record import Record

__all__ = ["SCHEMA_VERSION", "Problem", "problem_of"]

SCHEMA_VERSION = 1


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
