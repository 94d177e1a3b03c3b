"""Patience with a folder on a network that does not answer for a moment: an hour of training hangs on it."""

import errno
import time
from collections.abc import Callable
from typing import TypeVar

from dabench.errors import UserError
from dabench.signals import is_asked

__all__ = ["PASSING", "is_passing", "persistently"]

PASSING = frozenset({
    errno.ESTALE, errno.EIO, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.EHOSTUNREACH,
    errno.ENETDOWN, errno.ENETUNREACH, errno.EAGAIN, errno.EINTR, errno.EBUSY,
})  # fmt: skip
PAUSE_SECONDS = 1.0
Answer = TypeVar("Answer")


def is_passing(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is one of a network that may be back in a moment."""
    if isinstance(error, UserError):
        error = error.__cause__
    return isinstance(error, OSError) and error.errno in PASSING


def persistently(act: Callable[[], Answer], seconds: float) -> Answer:
    """Do something, and again after such an error, until ``seconds`` are over, or SIGTERM has come.

    Raises:
        OSError: or UserError, as ``act`` raised it: of another kind, or the last one.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            return act()
        except (OSError, UserError) as error:
            if not is_passing(error) or time.monotonic() >= end or is_asked():
                raise
        time.sleep(PAUSE_SECONDS)
