"""Class names of a suite whose manifest lists none: from the folders, or numbered."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from dabench.datasets.arrays import read_npz
from dabench.datasets.class_folders import class_names
from dabench.datasets.image_list import highest_label
from dabench.datasets.places import normal, subfolders
from dabench.datasets.scan import shortened
from dabench.datasets.sources import Source
from dabench.errors import UserError, did_you_mean

__all__ = ["names_from_data"]

MOST_CLASSES = 100_000  # a name is made for each number up to the highest


def names_from_data(suite: str, sources: Mapping[str, Source]) -> tuple[str, ...]:
    """Find the class names that all domains share.

    Args:
        suite: its name, for errors.
        sources: of each part of each domain, by what errors call it.

    Returns:
        Folder names, sorted, when every domain is a folder; "class 0", "class 1", ... when none is.

    Raises:
        UserError: folders and numbered labels mixed, domains with different folders, or a single class.
    """
    folders = {name: source for name, source in sources.items() if source.kind == "folders"}
    if folders and len(folders) < len(sources):
        numbered = [name for name in sources if name not in folders]
        raise UserError(
            f"{suite}: {shortened(list(folders))} is sorted into folders, {shortened(numbered)} has numbers",
            "list the class names under 'classes:' in the manifest; a number is the position in that list",
        )
    names = _common_names(suite, folders) if folders else _numbered(sources.values())
    if len(names) < 2:
        raise UserError(f"{suite}: only one class found: {', '.join(names)}", "labels count from 0")
    return names


def _numbered(sources: Iterable[Source]) -> tuple[str, ...]:
    highest = 0
    for source in sources:
        top = highest_label(source.path) if source.kind == "list" else int(read_npz(source.path)[1].max())
        if top >= MOST_CLASSES:
            raise UserError(f"{source.path}: label {top} stands for no class", "labels count from 0")
        highest = max(highest, top)
    return tuple(f"class {label}" for label in range(highest + 1))


def _common_names(suite: str, folders: Mapping[str, Source]) -> tuple[str, ...]:
    first_domain, first_names = "", list[str]()
    for domain, source in folders.items():
        names = class_names(source.path)
        if len(names) < 2:
            raise UserError(
                f"{suite}: {domain}: {_one_class(source.path, names)}",
                "a domain's folder holds one folder for each class",
            )
        if not first_names:
            first_domain, first_names = domain, names
            continue
        ours, theirs = {normal(name) for name in names}, {normal(name) for name in first_names}
        extra = [name for name in names if normal(name) not in theirs]
        lacking = [name for name in first_names if normal(name) not in ours]
        if extra or lacking:
            guesses = [
                f"{name} ({guess})" if (guess := did_you_mean(name, lacking)) else name for name in extra
            ]
            raise UserError(
                f"{suite}: {domain} and {first_domain} have different classes: only in {domain}: "
                f"{shortened(guesses) or 'none'}; only in {first_domain}: {shortened(lacking) or 'none'}",
                "rename the folders, or list 'classes:' (and 'class_aliases:') in the manifest; where a "
                "domain truly has no image of a class, make an empty folder",
            )
    return tuple(first_names)


def _one_class(folder: Path, names: Sequence[str]) -> str:
    if not names:
        return f"{folder} holds no folder of a class"
    inner = subfolders(folder / names[0])
    if inner:
        return (
            f"{folder} holds the one folder '{names[0]}', which holds {len(inner)} folders: an extra folder "
            f"level that makes one class; point the path at {folder / names[0]}, or move its folders up"
        )
    return f"{folder} holds only one class: {names[0]}"
