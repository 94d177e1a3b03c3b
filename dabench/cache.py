"""Where dabench keeps what it can make again: decoded images, features, digests of files, made suites."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dabench.sealed import TAG, about_of, drop_abandoned, is_abandoned, sidecar

__all__ = ["CacheEntry", "cache_entries", "cache_folder", "drop_entry"]


def cache_folder() -> Path:
    """Return the cache folder, not made here: $DABENCH_CACHE, or dabench in $XDG_CACHE_HOME or ~/.cache."""
    own = os.environ.get("DABENCH_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dabench"


@dataclass(frozen=True)
class CacheEntry:
    """A sealed file, or what is left of one.

    Attributes:
        path: the file; its sidecar lies beside it, and one of the two may be missing.
        about: what the sidecar says; None where it is lost, and of the leavings of a build that died.
        size_bytes: of file and sidecar together.
    """

    path: Path
    about: Mapping[str, Any] | None
    size_bytes: int

    @property
    def kind(self) -> str:
        """Such as "images" or "features"; empty where nothing says it."""
        return str((self.about or {}).get("kind", ""))

    @property
    def label(self) -> str:
        """Whose it is, "SUITE DOMAIN"; empty where nothing says it."""
        return str((self.about or {}).get("label", ""))


def cache_entries() -> list[CacheEntry]:
    """List the sealed files in the cache, by path; builds that are going on are left out.

    Only folders that hold a sealed file's tag are looked at: $DABENCH_CACHE may lie among other things.
    """
    paths: set[Path] = set()
    for tag in sorted(cache_folder().glob(f"*/{TAG}")):
        for file in tag.parent.iterdir():
            if file == tag or not file.is_file() or (file.name.startswith(".") and not is_abandoned(file)):
                continue
            whole = file.name.startswith(".") or file.suffix != ".json"
            paths.add(file if whole else file.with_name(file.stem))
    return [CacheEntry(path, about_of(path), _bytes(path) + _bytes(sidecar(path))) for path in sorted(paths)]


def drop_entry(entry: CacheEntry) -> int:
    """Remove an entry and return the bytes freed. A process that has it open keeps it until its end."""
    if entry.path.name.startswith("."):
        return entry.size_bytes if drop_abandoned(entry.path) else 0
    entry.path.unlink(missing_ok=True)
    sidecar(entry.path).unlink(missing_ok=True)
    return entry.size_bytes


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:  # removed by another process a moment ago
        return 0
