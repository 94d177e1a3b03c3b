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
WRONG_SECONDS = 600.0  # no run waits longer for a machine, once the time is up
NEARLY_ALL = 0.9  # of the budget: starting takes some of it


class Deadline:
    """A moment, by this process's monotonic clock.

    To another process it is sent as the seconds that are left, less those that pass until it is read, by the
    wall clocks of both. A clock there that is slow gives no more than was left; one that is fast by more than
    was left, and ten minutes, is taken for wrong and not asked: who sends runs calls them back in time.
    """

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
        return {"left": self.left(), "sent": time.time()}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        left, passed = state["left"], time.time() - state["sent"]
        if not 0 <= passed <= max(left, 0.0) + WRONG_SECONDS:
            passed = 0.0
        self._end = time.monotonic() + left - passed


class Expectation:
    """Seconds that runs took, by suite, backbone and method.

    Args:
        whole: seconds that a sweep has from its start; infinite without a deadline.
    """

    def __init__(self, whole: float = float("inf")) -> None:
        self._whole = whole
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
        """Whether to start a run with ``left`` seconds to go.

        One of which nothing is known is started, and one that would take nearly the whole time or more:
        no other day would have room for it, so that it goes on from its checkpoints.
        """
        known = self._seconds.get((suite, backbone, method))
        if left <= 0 or known is None:
            return left > 0
        median = statistics.median(known)
        return median <= left or median > NEARLY_ALL * self._whole

    @staticmethod
    def _keys(suite: str, backbone: str, method: str) -> tuple[tuple[str, ...], ...]:
        return (suite, backbone, method), (method,), ()


def parse_duration(text: str) -> float:
    """Read a time such as ``2h30m``, ``90m`` or ``1d``; a number alone is seconds.

    >>> parse_duration("2h30m"), parse_duration("45")
    (9000.0, 45.0)

    Raises:
        UserError: it is none, or zero; a number without a unit after others could be anything.
    """
    found = re.fullmatch(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9})s)?", text.strip())
    alone = re.fullmatch(r"\d{1,9}", text.strip())
    parts = found.groups(default="0") if found else ()
    seconds = int(text) if alone else sum(int(p) * unit for p, unit in zip(parts, UNITS, strict=False))
    if not seconds:
        raise UserError(f"'{text}' is no time", "such as 2h30m, 90m or 45s")
    return float(seconds)
