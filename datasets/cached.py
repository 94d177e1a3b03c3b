"""What the cache holds of each suite, for ``dabench data status`` and ``dabench data drop``."""

from collections.abc import Iterable
from typing import Any

from rich.filesize import decimal

from dabench.cache import CacheEntry, cache_entries, cache_folder, drop_entry
from dabench.errors import UserError, unknown

__all__ = ["cache_text", "drop", "entries_of", "entry_row", "entry_text", "size_text"]


def entries_of(entries: Iterable[CacheEntry], suite: str, domain: str | None = None) -> list[CacheEntry]:
    """Entries that were made for a suite, or for one of its domains.

    Images that two suites share lie in the cache once, under the name of the suite that came first.
    """
    if domain is not None:
        return [entry for entry in entries if entry.label == f"{suite} {domain}"]
    return [entry for entry in entries if entry.label.partition(" ")[0] == suite]


def entry_row(entry: CacheEntry) -> dict[str, Any]:
    """An entry as JSON values."""
    return {"path": str(entry.path), "bytes": entry.size_bytes, "about": entry.about}


def entry_text(entry: CacheEntry) -> str:
    """Say in some words what an entry is: "images 256 raw", "features resnet50.tv_in1k"."""
    about = entry.about or {}
    details = [about[key] for key in ("side", "storage", "backbone") if key in about]
    return " ".join(str(word) for word in (entry.kind or "unknown", *details))


def size_text(size: int) -> str:
    """Bytes for people, in powers of ten.

    >>> size_text(188_350_592)
    '188.4 MB'
    """
    return decimal(size)


def cache_text(entries: Iterable[CacheEntry]) -> str:
    """Say where the cache is and how large, by kind."""
    kinds: dict[str, int] = {}
    for entry in entries:
        kinds[entry.kind or "unknown"] = kinds.get(entry.kind or "unknown", 0) + entry.size_bytes
    parts = ", ".join(f"{kind} {size_text(size)}" for kind, size in sorted(kinds.items()))
    return f"{cache_folder()}, {size_text(sum(kinds.values()))}" + (f" ({parts})" if parts else "")


def drop(suite: str | None, known: Iterable[str]) -> list[CacheEntry]:
    """Remove what the cache holds of a suite, or every entry without one; return what was removed.

    Args:
        suite: name of a suite. One that is not known any more will do when the cache has something of it.
        known: names of the suites that there are.

    Raises:
        UserError: no such suite, neither known nor in the cache; or a file that cannot be removed.
    """
    entries = cache_entries()
    if suite is not None:
        choices = {*known, *(entry.label.partition(" ")[0] for entry in entries if entry.label)}
        if suite not in choices:
            raise unknown("suite", suite, choices)
        entries = entries_of(entries, suite)
    for entry in entries:
        try:
            drop_entry(entry)
        except OSError as error:
            raise UserError(f"{entry.path} cannot be removed: {error.strerror or error}") from error
    return entries
