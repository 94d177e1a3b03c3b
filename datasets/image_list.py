"""Image lists in the style of CDAN's: one ``path label`` a line.

Paths may be relative (to the list's folder, the suite's folder or the data folder) or absolute from another
machine, such as ``/data/office/domain_adaptation_images/amazon/images/calculator/frame_0001.jpg``: leading
folders are dropped until the rest is found here. One list has one such beginning; it is found once.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dabench.datasets.places import normal, subfolders
from dabench.datasets.scan import Scan, shortened
from dabench.errors import UserError
from dabench.limited import read_limited

__all__ = ["ListEntry", "find_list", "highest_label", "parse_list", "read_list", "scan_list"]

LARGEST_LIST_BYTES = 128 * 2**20  # more than a million lines
TRIED = 50  # lines that are tried for where the list's paths start
LIST_SUFFIXES = frozenset({".txt", ".lst", ".list", ".csv", ""})


@dataclass(frozen=True)
class ListEntry:
    """One line: the path as written, the label, the line's number from 1."""

    path: str
    label: int
    line: int


def parse_list(text: str, name: str) -> list[ListEntry]:
    """Read the lines of a list; paths may hold spaces, the label is what follows the last one.

    Raises:
        UserError: a line without path and whole number from 0, with its number; no line at all.

    >>> parse_list("Real World/Mug/00001.jpg 37", "list")
    [ListEntry(path='Real World/Mug/00001.jpg', label=37, line=1)]
    """
    entries = []
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if not stripped:
            continue
        words = stripped.rsplit(None, 1)
        # isdecimal alone would let in digits of other scripts.
        if len(words) != 2 or not (words[1].isascii() and words[1].isdecimal()) or len(words[1]) > 9:
            raise UserError(
                f"{name}, line {number}: '{stripped[:120]}' is not 'path label'",
                "each line holds an image's path, a space, and the class's number from 0",
            )
        entries.append(ListEntry(words[0], int(words[1]), number))
    if not entries:
        raise UserError(f"{name} lists no image")
    return entries


def read_list(path: Path) -> list[ListEntry]:
    """Read a list from a file; see ``parse_list``."""
    try:
        text = read_limited(path, LARGEST_LIST_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as an image list: {error}") from error
    return parse_list(text, str(path))


def highest_label(path: Path) -> int:
    """The largest label in a list."""
    return max(entry.label for entry in read_list(path))


def find_list(folders: Sequence[Path], domain_folder: Path | None, names: Sequence[str]) -> Path | None:
    """Look for a domain's list; None when there is none.

    In the domain's own folder it may be called ``image_list.txt`` or ``list.txt``; in the suite's folders
    ``amazon.txt``, ``amazon_list.txt`` or ``image_list/amazon.txt``.
    """
    wanted = {normal(name) + ending for name in names for ending in ("", "list", "imagelist")}
    own = wanted | {"imagelist", "list"}
    places = [] if domain_folder is None else [(domain_folder, own)]
    for folder in folders:
        places.append((folder, wanted))
        places += [(inner, wanted) for inner in subfolders(folder) if normal(inner.name) == "imagelist"]
    for folder, accepted in places:
        for path in sorted(folder.glob("*.txt")):
            if normal(path.stem) in accepted and path.is_file():
                return path
    return None


def scan_list(path: Path, folders: Sequence[Path], classes: Sequence[str], lookup: Mapping[str, int]) -> Scan:
    """Find the images that a list names.

    Args:
        path: the list.
        folders: where its paths may start, after the list's own folder.
        classes: class names; a label is an index into them.
        lookup: accepted class names in normal form: a folder that names another class than the label says is
            a problem, because then the list numbers its classes in another order.
    """
    entries = read_list(path)
    scan = Scan()
    start = _find_start(entries, [path.parent, *folders])
    if start is None:
        looked = shortened([str(folder) for folder in dict.fromkeys([path.parent, *folders])])
        scan.problems.append(f"{path}: '{entries[0].path}' is found nowhere; looked below {looked}")
        return scan
    seen: set[str] = set()
    wrong: dict[str, list[str]] = {"missing": [], "label": [], "order": [], "twice": []}
    for entry in entries:
        file = start.locate(entry.path)
        _judge(entry, file, seen, len(classes), lookup, wrong)
        if file is not None:
            scan.files.append(file)
            scan.labels.append(entry.label)
            scan.keys.append(entry.path)
    explained = {
        "missing": "files that are not there",
        "label": f"labels that are no class (there are {len(classes)}, from 0)",
        "order": "labels that contradict the folder's name, so the list numbers the classes in another order",
        "twice": "files listed twice",
    }
    scan.problems += [
        f"{path}: {explained[kind]}: {shortened(names)}" for kind, names in wrong.items() if names
    ]
    return scan


def _judge(
    entry: ListEntry,
    file: str | None,
    seen: set[str],
    classes: int,
    lookup: Mapping[str, int],
    wrong: dict[str, list[str]],
) -> None:
    where = f"line {entry.line} {entry.path}"
    folder = lookup.get(normal(_parts(entry.path)[-2])) if len(_parts(entry.path)) > 1 else None
    if file is None:
        wrong["missing"].append(where)
    elif file in seen:
        wrong["twice"].append(where)
    if entry.label >= classes:
        wrong["label"].append(f"{where} {entry.label}")
    elif folder is not None and folder != entry.label:
        wrong["order"].append(f"{where} {entry.label} (its folder is number {folder})")
    if file is not None:
        seen.add(file)


def _parts(path: str) -> list[str]:
    return [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]


class _Start:
    """Where a list's paths start: a folder here, and how many leading folders of each path to drop."""

    def __init__(self, folder: Path, dropped: int) -> None:
        self.folder = folder
        self.dropped = dropped
        self._names: dict[tuple[str, ...], tuple[str, set[str]] | None] = {}

    def locate(self, path: str) -> str | None:
        """The file here, or None. Each folder is listed once: a long list costs no more than its folders."""
        *parents, name = _parts(path)
        listed = self._listed(tuple(parents[self.dropped :]))
        return os.path.join(listed[0], name) if listed is not None and name in listed[1] else None

    def _listed(self, parents: tuple[str, ...]) -> tuple[str, set[str]] | None:
        if parents not in self._names:
            folder: Path | None = self.folder
            for part in parents:
                folder = _child(folder, part) if folder is not None else None
            names = set(os.listdir(folder)) if folder is not None and os.path.isdir(folder) else None
            self._names[parents] = None if names is None else (str(folder), names)
        return self._names[parents]


def _child(folder: Path, name: str) -> Path | None:
    """The subfolder of that name, or of one that differs in case, spaces, ``_`` and ``-`` only."""
    if os.path.isdir(folder / name):  # False also for what can be no name
        return folder / name
    return next((path for path in subfolders(folder) if normal(path.name) == normal(name)), None)


def _find_start(entries: Sequence[ListEntry], folders: Sequence[Path]) -> _Start | None:
    for entry in entries[:TRIED]:
        depth = len(_parts(entry.path))
        if entry.path.startswith("/") and os.path.isfile(entry.path):
            return _Start(Path("/"), 0)
        for dropped in range(depth):
            for folder in dict.fromkeys(folders):
                start = _Start(folder, dropped)
                if start.locate(entry.path) is not None:
                    return start
    return None
