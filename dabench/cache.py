"""Where dabench keeps what it can make again: decoded images, digests of files, generated suites."""

import os
from pathlib import Path

__all__ = ["cache_folder"]


def cache_folder() -> Path:
    """Return the cache folder, not made here: $DABENCH_CACHE, or dabench in $XDG_CACHE_HOME or ~/.cache."""
    own = os.environ.get("DABENCH_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dabench"
