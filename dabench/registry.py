"""One generic registry: named things, where each came from, no name twice, helpful when a name is unknown."""

from collections.abc import Iterator
from typing import Generic, TypeVar

from dabench.errors import unknown

__all__ = ["Registry"]

T = TypeVar("T")


class Registry(Generic[T]):
    """Named entries of one kind.

    Args:
        kind: what an entry is ("method", "suite"), for error texts.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}
        self._origins: dict[str, str] = {}

    def add(self, name: str, entry: T, origin: str) -> None:
        """Register an entry under a name; a name taken from another origin is an error naming both."""
        if name in self._entries:
            raise ValueError(f"{self.kind} '{name}' is registered twice: {self._origins[name]} and {origin}")
        self._entries[name] = entry
        self._origins[name] = origin

    def get(self, name: str) -> T:
        """Return the entry; an unknown name is a UserError with a suggestion."""
        if name not in self._entries:
            raise unknown(self.kind, name, self._entries)
        return self._entries[name]

    def origin(self, name: str) -> str:
        """Return where the entry was registered: a file, or the name of a package."""
        self.get(name)
        return self._origins[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names in alphabetical order."""
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)
