"""Loader ``files``: domains that are folders of class folders, image lists, or ``.npz`` files.

Office-31, Office-Home and VisDA-2017 open with it, and any suite of a user's own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from dabench.datasets.arrays import domain_from_arrays, images_in_npz, read_npz
from dabench.datasets.class_folders import class_lookup, count_images, scan_class_folders
from dabench.datasets.class_names import names_from_data
from dabench.datasets.decoding import decode
from dabench.datasets.digests import digest_files
from dabench.datasets.image_list import read_list, scan_list
from dabench.datasets.places import by_hand, looked_in, normal, subfolders, suite_folders
from dabench.datasets.scan import Scan, copies, count_problems, shortened
from dabench.datasets.sources import Source, locate
from dabench.datasets.verification import sums_path, verify
from dabench.errors import MissingDataError, UserError
from dabench.suite import DomainData, DomainStatus, Manifest, Part, register_loader

__all__ = ["Files"]


@dataclass(frozen=True)
class _Place:
    """One part of one domain, and what errors call it."""

    domain: str
    part: Part
    title: str


@register_loader("files")
class Files:
    """Finds and opens images in folders, lists and ``.npz`` files.

    Args:
        manifest: the suite.
        root: the data folder, or None where none was given.
        base: the manifest's folder for a user's own suite; relative paths start there, then at the root.
    """

    def __init__(self, manifest: Manifest, root: Path | None = None, base: Path | None = None) -> None:
        self.manifest = manifest
        self.root = root
        self.base = base
        self.folders = suite_folders(manifest, root, base)
        self._known = class_lookup(manifest.classes, manifest.class_aliases)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Class names: the manifest's, else those of the data.

        Raises:
            MissingDataError: not in the manifest, and a domain is not on this machine.
            UserError: not in the manifest, and the domains have no classes in common.
        """
        if self.manifest.classes:
            return self.manifest.classes
        return names_from_data(
            self.manifest.name,
            {place.title: self._source(place) for place in self._places()},
        )

    def status(self) -> list[DomainStatus]:
        """Say where each domain lies and how many images are there."""
        return [self._status(domain) for domain in self.manifest.domains]

    def open(self, domain: str, part: Part) -> DomainData:
        """Open a domain: check names and counts, digest contents (remembered for the next time)."""
        place = self._place(domain, part)
        source = self._source(place)
        if source.kind == "npz":
            return self._open_arrays(place, source)
        scan = self._scan(place, source)
        scan.require_sound(
            f"{self.manifest.name}: {place.title}",
            f"'dabench data check {self.manifest.name}' names every file that is wrong",
        )
        if not scan.files:
            raise UserError(f"{self.manifest.name}: {place.title}: {source.path} holds no image")
        return DomainData.sorted_by_content(
            domain,
            self.classes,
            np.array(scan.labels, dtype=np.int64),
            digest_files(scan.files, f"{source.path}"),
            scan.keys,
            lambda row: decode(Path(scan.files[row])),
        )

    def check(self) -> list[str]:
        """Verify names, counts, every image's decodability, and checksums where they were recorded."""
        return verify(self)

    def problems(self) -> list[str]:
        """What is wrong with names and counts; images are not opened. One sentence each."""
        found = []
        for place in self._places():
            try:
                source = self._source(place)
                if source.kind == "npz":
                    self._open_arrays(place, source)
                    continue
                scan = self._scan(place, source)
                doubled = copies(scan.keys)
                if doubled:
                    scan.oddities.append(f"likely copies of other files: {shortened(doubled)}; delete them")
                found += [f"{place.title}: {text}" for text in (*scan.problems, *scan.oddities)]
            except UserError as error:
                found.append(f"{place.title}: {error} {error.hint}".strip())
        return list(dict.fromkeys(found))

    def files(self) -> dict[Path, bool]:
        """Every file that holds images, and whether it is an image that must decode."""
        found: dict[Path, bool] = {}
        for place in self._places():
            try:
                source = self._source(place)
                if source.kind == "npz":
                    found[source.path] = False
                else:
                    found |= dict.fromkeys(map(Path, self._scan(place, source).files), True)
            except UserError:
                continue  # problems() has reported it
        return found

    def sums(self) -> Path:
        """Where recorded checksums lie: beside the data, or beside a user's manifest."""
        if self.base is not None:
            return sums_path(self.base, self.manifest.name)
        for place in self._places():
            try:
                return sums_path(self._source(place).path.parent, self.manifest.name)
            except UserError:
                continue
        return sums_path(Path(), self.manifest.name)

    def _places(self) -> Iterator[_Place]:
        parts: tuple[Part, ...] = ("train", "test") if self.manifest.has_test_part else ("train",)
        for domain in self.manifest.domains:
            yield from (self._place(domain, part) for part in parts)

    def _place(self, domain: str, part: Part) -> _Place:
        if not self.manifest.has_test_part:
            return _Place(domain, "train", domain)
        return _Place(domain, part, f"{domain} ({part} part)")

    def _source(self, place: _Place) -> Source:
        source = locate(self.manifest, place.domain, place.part, self.folders, self._known)
        if source is None:
            raise MissingDataError(
                f"{self.manifest.name}: {place.title} is not on this machine: {self._sought(place)}",
                by_hand(self.manifest, self.root),
            )
        return source

    def _sought(self, place: _Place) -> str:
        info = self.manifest.domains[place.domain]
        names = list(info.paths.values()) or list(dict.fromkeys([*info.folders, place.domain]))
        return f"no {' or '.join(names)} in {looked_in(self.folders, self.root)}"

    def _scan(self, place: _Place, source: Source) -> Scan:
        if source.kind == "list":
            scan = scan_list(source.path, self.folders, self.classes, self._known)
        elif source.root is None:
            return Scan(problems=[self._no_classes(source.path)])
        else:
            scan = scan_class_folders(source.path, source.root, self.classes, self.manifest.class_aliases)
        if not scan.problems:
            scan.problems += self._count_problems(place, scan.labels, scan.keys)
        return scan

    def _count_problems(self, place: _Place, labels: list[int], names: list[str]) -> list[str]:
        info = self.manifest.domains[place.domain]
        if place.part == "test":
            return count_problems(labels, self.classes, info.test_images, None, names)
        return count_problems(labels, self.classes, info.images, info.class_counts, names)

    def _no_classes(self, folder: Path) -> str:
        names = [path.name for path in subfolders(folder)]
        for path in (inner for outer in subfolders(folder) for inner in (outer, *subfolders(outer))):
            if any(normal(inner.name) in self._known for inner in subfolders(path)):
                return (
                    f"{folder} holds no folder of a class, but {path} does: an extra folder level that makes "
                    f"one class; move what {path} holds up into {folder}"
                )
        here = f"; there are {shortened(names)}" if names else "; it holds no folder at all"
        return f"{folder} holds no folder named after a class, such as {shortened(self.classes[:3])}{here}"

    def _open_arrays(self, place: _Place, source: Source) -> DomainData:
        images, labels = read_npz(source.path)
        data = domain_from_arrays(
            place.domain, self.classes, images, labels, [f"row {row}" for row in range(len(images))]
        )
        wrong = self._count_problems(place, labels.tolist(), [])
        if wrong:
            raise UserError(f"{self.manifest.name}: {place.title}: {source.path}: {wrong[0]}")
        return data

    def _status(self, domain: str) -> DomainStatus:
        found, total, expected = [], 0, 0
        for place in (place for place in self._places() if place.domain == domain):
            info = self.manifest.domains[domain]
            expected += (info.images if place.part == "train" else info.test_images) or 0
            try:
                source = self._source(place)
            except MissingDataError:
                return DomainStatus(domain, False, f"missing: {self._sought(place)}")
            except UserError as error:
                return DomainStatus(domain, True, str(error))
            total += _count(source)
            found.append(str(source.path))
        where = ", ".join(found)
        if expected and total != expected:
            where += f" (expected {expected} images: see 'dabench data check {self.manifest.name}')"
        return DomainStatus(domain, True, where, total)


def _count(source: Source) -> int:
    """Images of a source, counted quickly; a file that cannot be read has none."""
    if source.kind == "npz":
        return images_in_npz(source.path) or 0
    if source.kind == "list":
        return len(read_list(source.path))
    return 0 if source.root is None else count_images(source.root)
