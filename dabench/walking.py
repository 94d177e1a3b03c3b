"""Look through a results folder that anybody may have made: in order, without recursion, and not for ever.

Hidden folders and links are not followed: neither out of the folder nor around in circles.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["DEEPEST", "MOST_ENTRIES", "walk"]

DEEPEST = 8  # folders below the one that is looked through; records lie three deep
MOST_ENTRIES = 1_000_000  # files and folders


class _Look:
    """How many entries may still be looked at, and whether it has been said that there are more."""

    def __init__(self, report: Callable[[str, str], None]) -> None:
        self.left = MOST_ENTRIES
        self.report = report
        self._said: set[str] = set()

    def report_once(self, path: str, reason: str) -> None:
        """Report the first of its kind: a folder may have any number of them."""
        if reason not in self._said:
            self._said.add(reason)
            self.report(path, reason)


def walk(root: Path, report: Callable[[str, str], None]) -> Iterator[tuple[str, bool]]:
    """Go through all that lies below a folder, as sorted paths are.

    Args:
        root: the folder; where there is none, nothing lies below it.
        report: called with a relative path, and why something there is not looked at.

    Yields:
        Relative path with forward slashes, and whether it is a folder. Links count as files.
    """
    look = _Look(report)
    open_folders = [("", _entries(root, "", look))]
    while open_folders:
        prefix, entries = open_folders[-1]
        if not entries:
            open_folders.pop()
            continue
        name, folder = entries.pop()
        path = f"{prefix}{name}"
        yield path, folder
        if not folder or name.startswith("."):
            continue
        if len(open_folders) > DEEPEST:
            look.report_once(path, f"not looked into, like all that is more than {DEEPEST} folders deep")
            continue
        open_folders.append((f"{path}/", _entries(root, path, look)))


def _entries(root: Path, below: str, look: _Look) -> list[tuple[str, bool]]:
    """Names in a folder and whether each is a folder, the last first; none where it cannot be listed."""
    found: list[tuple[str, bool]] = []
    try:
        with os.scandir(root / below) as entries:
            for entry in entries:
                if not look.left:
                    look.report_once(
                        below or ".",
                        f"not looked through to its end: more than {MOST_ENTRIES} files and folders",
                    )
                    break
                look.left -= 1
                found.append((entry.name, entry.is_dir(follow_symlinks=False)))
    except OSError as error:
        if below or not isinstance(error, FileNotFoundError):
            look.report(below or ".", f"cannot be listed: {error.strerror or error}")
    found.sort(reverse=True)
    return found
