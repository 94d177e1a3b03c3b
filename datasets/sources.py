"""Where a part of a domain lies: a folder of class folders, an image list, or an ``.npz`` file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dabench.datasets.class_folders import class_root
from dabench.datasets.image_list import find_list
from dabench.datasets.places import normal, subfolders
from dabench.errors import UserError
from dabench.suite import DomainInfo, Manifest, Part

__all__ = ["Source", "locate"]


@dataclass(frozen=True)
class Source:
    """Where images lie, and in what form.

    Attributes:
        kind: "folders" (``path`` is the domain's folder, ``root`` the one whose subfolders are classes, or
            None when there is no such folder), "list" or "npz" (``path`` is the file).
    """

    kind: Literal["folders", "list", "npz"]
    path: Path
    root: Path | None = None


def locate(
    manifest: Manifest, name: str, part: Part, folders: Sequence[Path], lookup: Mapping[str, int]
) -> Source | None:
    """Find one part of a domain; None when it is not on this machine.

    Args:
        manifest: the suite.
        name: of the domain.
        part: "train" or "test"; without parts in the suite both mean all images.
        folders: in which a suite's domains may lie, most likely first.
        lookup: accepted class names in normal form; empty when the data say which classes there are.

    Raises:
        UserError: two folders that could both be the domain's; a suite with parts whose paths name none.
    """
    info = manifest.domains[name]
    if info.paths:
        return _named(manifest, name, part, folders, lookup)
    names = [*(folder for folder in info.folders if folder != name), name]
    folder = _domain_folder(manifest, names, folders, lookup)
    if folder is not None and manifest.has_test_part:
        folder = next((path for path in subfolders(folder) if normal(path.name) == part), None)
    root = None if folder is None else class_root(folder, lookup)
    if root is None and not manifest.has_test_part:
        found = find_list(folders, folder, names)
        if found is not None:
            return Source("list", found)
    return None if folder is None else Source("folders", folder, root)


def _named(
    manifest: Manifest, name: str, part: Part, folders: Sequence[Path], lookup: Mapping[str, int]
) -> Source | None:
    info: DomainInfo = manifest.domains[name]
    key = part if manifest.has_test_part else "all"
    if key not in info.paths:
        raise UserError(
            f"{manifest.name}: domains.{name}.paths has no '{key}', only {', '.join(info.paths)}",
            "a suite with has_test_part has paths 'train' and 'test', another one 'all'",
        )
    try:
        text = Path(info.paths[key]).expanduser()
        path = next((place / text for place in (*folders, Path()) if (place / text).exists()), None)
    except (OSError, RuntimeError) as error:  # too long a name, or ~ of somebody unknown
        where = f"{manifest.name}: domains.{name}.paths.{key}"
        raise UserError(f"{where}: '{info.paths[key][:200]}' cannot be looked up: {error}") from error
    if path is None or (path == text and not text.is_absolute()):
        return None
    if path.is_dir():
        return Source("folders", path, class_root(path, lookup))
    return Source("npz" if path.suffix.lower() == ".npz" else "list", path)


def _domain_folder(
    manifest: Manifest, names: Sequence[str], folders: Sequence[Path], lookup: Mapping[str, int]
) -> Path | None:
    """The first folder with a domain's name that holds classes, else the first with its name."""
    accepted = {normal(name) for name in names}
    nameless: Path | None = None
    for place in folders:
        found = [path for path in subfolders(place) if normal(path.name) in accepted]
        if len(found) > 1:
            raise UserError(
                f"{manifest.name}: {' and '.join(str(path) for path in found)} could each be {names[-1]}",
                "one archive unpacked twice? Delete or move away all but one",
            )
        if found and class_root(found[0], lookup) is not None:
            return found[0]
        nameless = nameless or next(iter(found), None)
    return nameless
