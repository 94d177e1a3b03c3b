"""Where a suite may lie, and which names mean the same: what all loaders ask first."""

import re
from pathlib import Path

from dabench.errors import UserError
from dabench.suite import Manifest

__all__ = ["by_hand", "is_junk", "looked_in", "normal", "subfolders", "suite_folders"]

JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini", "lost+found", "$recycle.bin"})


def normal(name: str) -> str:
    """The part of a name that counts: case, spaces, ``_`` and ``-`` do not.

    >>> normal("Real World") == normal("real_world") == normal("RealWorld") == normal("REAL-WORLD")
    True
    """
    return re.sub(r"[\s_-]+", "", name).casefold()


def is_junk(name: str) -> bool:
    """Whether a file or folder is hidden, or left by an operating system.

    >>> [is_junk(name) for name in (".DS_Store", "__MACOSX", "Thumbs.db", "amazon")]
    [True, True, True, False]
    """
    return name.startswith(".") or name.casefold() in JUNK


def subfolders(folder: Path) -> list[Path]:
    """Visible folders in a folder, sorted by name; none when it cannot be listed."""
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not is_junk(path.name))
    except OSError:
        return []


def by_hand(manifest: Manifest, root: Path | None) -> str:
    """What to download by hand and where to put it; DATA in the text stands for the data folder."""
    return manifest.by_hand.replace("DATA", "DATA" if root is None else str(root)).strip()


def looked_in(folders: list[Path], root: Path | None) -> str:
    """Say where was looked, for errors.

    >>> looked_in([], None)
    'no folder (give --data DIR)'
    """
    if folders:
        return " and ".join(str(folder) for folder in folders)
    return "no folder (give --data DIR)" if root is None else f"{root}, which is not there"


def suite_folders(manifest: Manifest, root: Path | None, base: Path | None) -> list[Path]:
    """Existing folders in which a suite's domains may lie, most likely first.

    These are the manifest's own folder (of a user's suite), folders below the data folder with one of the
    suite's names, folders with such a name inside those (archives bring a level of their own), and the data
    folder itself.

    Raises:
        UserError: the data folder was given and is no folder.
    """
    if root is not None and root.exists() and not root.is_dir():
        raise UserError(f"{root} is no folder", "--data takes the folder that holds one folder a suite")
    names = {normal(name) for name in (*manifest.folder_names, manifest.name)}
    found: list[Path] = [] if base is None else [base]
    for parent in [folder for folder in (base, root) if folder is not None]:
        for outer in (folder for folder in subfolders(parent) if normal(folder.name) in names):
            found += [outer, *(inner for inner in subfolders(outer) if normal(inner.name) in names)]
    if root is not None and root.is_dir():
        found.append(root)
    return list(dict.fromkeys(found))
