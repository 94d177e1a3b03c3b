"""Images in folders named after their class: ``domain/class/image`` or ``domain/images/class/image``."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from dabench.datasets.decoding import IMAGE_SUFFIXES
from dabench.datasets.places import is_junk, normal, subfolders
from dabench.datasets.scan import Scan, shortened
from dabench.errors import did_you_mean

__all__ = ["class_lookup", "class_names", "class_root", "count_images", "scan_class_folders"]

INNER = "images"  # Office-31's own archive has this level between domain and class


def class_lookup(classes: Sequence[str], aliases: Mapping[str, str]) -> dict[str, int]:
    """Map every accepted spelling of a class, in normal form, to its index."""
    lookup = {normal(name): label for label, name in enumerate(classes)}
    position = {name: label for label, name in enumerate(classes)}
    return lookup | {normal(other): position[name] for other, name in aliases.items() if name in position}


def class_root(folder: Path, lookup: Mapping[str, int]) -> Path | None:
    """The folder whose subfolders are classes: the given one or its ``images``; None when neither is.

    Args:
        folder: of a domain.
        lookup: accepted class names; empty when the folders themselves say which classes there are.
    """
    names = subfolders(folder)
    inner = next((path for path in names if normal(path.name) == INNER and INNER not in lookup), None)
    if lookup:
        candidates = [folder] if inner is None else [folder, inner]
        return next((path for path in candidates if _has_class(path, lookup)), None)
    if inner is not None and names == [inner] and subfolders(inner):
        return inner
    return folder if names else None


def _has_class(folder: Path, lookup: Mapping[str, int]) -> bool:
    return any(normal(path.name) in lookup for path in subfolders(folder))


def class_names(folder: Path) -> list[str]:
    """Class names that the folders themselves give, sorted."""
    root = class_root(folder, {})
    return [] if root is None else [path.name for path in subfolders(root)]


def count_images(root: Path) -> int:
    """Number of images in the subfolders, without asking which of them are classes."""
    total = 0
    for folder in subfolders(root):
        with os.scandir(folder) as entries:
            total += sum(_is_image(entry.name) for entry in entries)
    return total


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES and not is_junk(name)


def scan_class_folders(folder: Path, root: Path, classes: Sequence[str], aliases: Mapping[str, str]) -> Scan:
    """List the images below each class's folder; nothing is opened.

    Args:
        folder: of the domain; keys start here.
        root: the folder whose subfolders are classes (see ``class_root``).
        classes: class names in canonical order.
        aliases: other spelling to canonical name.

    Returns:
        The images, and as problems: folders that are no class, classes without a folder, two folders for
        one class, and folders inside a class.
    """
    scan = Scan()
    lookup = class_lookup(classes, aliases)
    of_label: dict[int, Path] = {}
    strange: list[Path] = []
    for path in subfolders(root):
        label = lookup.get(normal(path.name))
        if label is None:
            strange.append(path)
        elif label in of_label:
            scan.problems.append(
                f"{of_label[label]} and {path} are both class {classes[label]}: unpacked twice, or a renamed "
                "copy; delete or merge one"
            )
        else:
            of_label[label] = path
    for label, path in sorted(of_label.items()):
        _list_images(scan, folder, path, label)
    missing = [name for label, name in enumerate(classes) if label not in of_label]
    scan.problems += [_about_strange_folder(path, missing, lookup) for path in strange]
    if missing:
        scan.problems.append(f"no folder for class {shortened(missing)} in {root}")
    return scan


def _list_images(scan: Scan, folder: Path, class_folder: Path, label: int) -> None:
    prefix = class_folder.relative_to(folder).as_posix()
    with os.scandir(class_folder) as entries:
        # os.path.isdir, for a link that leads in a circle is no folder, and to the entry an error
        listed = sorted((entry.name, os.path.isdir(entry)) for entry in entries if not is_junk(entry.name))
    nested = [name for name, is_folder in listed if is_folder]
    files = [name for name, is_folder in listed if not is_folder]
    images = [name for name in files if _is_image(name)]
    scan.files += [os.path.join(class_folder, name) for name in images]
    scan.labels += [label] * len(images)
    scan.keys += [f"{prefix}/{name}" for name in images]
    scan.oddities += [
        f"{class_folder / name} is no image and is left out" for name in sorted(set(files) - set(images))
    ]
    if nested:
        scan.problems.append(
            f"{class_folder} holds the folder {shortened(nested)}, but a class's images lie directly in its "
            "folder: an extra folder level, or something unpacked into the wrong place"
        )
    elif not images:
        scan.oddities.append(f"{class_folder} holds no image")


def _about_strange_folder(path: Path, missing: Sequence[str], lookup: Mapping[str, int]) -> str:
    inside = subfolders(path)
    if any(normal(inner.name) in lookup for inner in inside):
        return (
            f"{path} is no class and holds classes itself: an extra folder level or a second unpacking; "
            f"move its folders up if they are missing here, else delete {path}"
        )
    guess = did_you_mean(path.name, missing)
    return f"{path} is no class of this suite" + (
        f", {guess} rename it" if guess else "; rename or remove it"
    )
