"""Time for a sweep: ``--max-time``, and how long its runs are expected to take."""

import re
import statistics
import time
from collections.abc import Mapping
from typing import Any

from dabench.checkpoint import TimeIsUp
from dabench.errors import UserError
from dabench.records import Record

__all__ = ["Deadline", "Expectation", "parse_duration"]

UNITS = (86400, 3600, 60, 1)


class Deadline:
    """A moment, by this process's monotonic clock; sent to another process, as the seconds that are left."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds until then; negative afterwards."""
        return self._end - time.monotonic()

    def check(self) -> None:
        """Raise TimeIsUp once the moment has come."""
        if self.left() <= 0:
            raise TimeIsUp("the time of the sweep is up")

    def __getstate__(self) -> dict[str, float]:
        return {"left": self.left()}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self._end = time.monotonic() + state["left"]


class Expectation:
    """Seconds that runs took, by suite, backbone and method."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, ...], list[float]] = {}

    def add(self, record: Record) -> None:
        """Count a finished run; what a failed one took says nothing."""
        if record.status != "done" or record.timing is None:
            return
        for key in self._keys(record.suite, record.backbone, record.method):
            self._seconds.setdefault(key, []).append(record.timing.total_seconds)

    def seconds(self, suite: str, backbone: str, method: str) -> float | None:
        """Median of the runs most like it: same suite, backbone and method; else the same method, else any.

        Returns:
            Seconds; None before any run has finished.
        """
        known = next(
            (self._seconds[k] for k in self._keys(suite, backbone, method) if k in self._seconds), None
        )
        return None if known is None else statistics.median(known)

    def fits(self, suite: str, backbone: str, method: str, left: float) -> bool:
        """Whether a run can be expected to end within ``left`` seconds; one of which nothing is known can."""
        known = self._seconds.get((suite, backbone, method))
        return left > 0 and (known is None or statistics.median(known) <= left)

    @staticmethod
    def _keys(suite: str, backbone: str, method: str) -> tuple[tuple[str, ...], ...]:
        return (suite, backbone, method), (method,), ()


def parse_duration(text: str) -> float:
    """Read a time such as ``2h30m``, ``90m`` or ``1d``; a number alone is seconds.

    >>> parse_duration("2h30m"), parse_duration("45")
    (9000.0, 45.0)

    Raises:
        UserError: it is none, or zero.
    """
    found = re.fullmatch(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9})s?)?", text.strip())
    parts = found.groups(default="0") if found else ()
    seconds = sum(int(part) * unit for part, unit in zip(parts, UNITS, strict=False))
    if not seconds:
        raise UserError(f"'{text}' is no time", "such as 2h30m, 90m or 45s")
    return float(seconds)
