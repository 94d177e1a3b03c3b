"""Loader of ``digits``: MNIST and USPS from files, MNIST-M made from MNIST and photos."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dabench.datasets.array_cache import cached_array, key_of
from dabench.datasets.arrays import domain_from_arrays, images_in_npz, read_npz
from dabench.datasets.mnistm import GENERATOR_VERSION, blend
from dabench.datasets.photos import PhotoFolder
from dabench.datasets.places import by_hand, looked_in, suite_folders
from dabench.datasets.torchvision_files import find_mnist, find_usps, read_mnist, read_usps
from dabench.datasets.verification import sums_path, verify
from dabench.errors import MissingDataError, UserError
from dabench.suite import DomainData, DomainStatus, Manifest, Part, register_loader

__all__ = ["Digits", "DigitsOptions"]

Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]
PARTS: tuple[Part, Part] = ("train", "test")


class DigitsOptions(BaseModel):
    """What the manifest's ``options`` may say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(0, ge=0, description="of the draw of patches")
    photos: int = Field(200, ge=1, description="photos that the folder must hold")
    photo_folders: tuple[str, ...] = ("bsds500_train",)
    blended: dict[str, str] = Field({}, description="made domain to the domain whose digits it takes")


@dataclass(frozen=True)
class Found:
    """Files of one part of one domain: an ``.npz``, or torchvision's."""

    kind: str
    files: tuple[Path, ...]


@register_loader("digits")
class Digits:
    """Finds ``.npz`` files, torchvision's files and the photos below the data folder.

    Args:
        manifest: the suite.
        root: the data folder, or None where none was given.
        base: the manifest's folder for a user's own suite, searched as well.
    """

    def __init__(self, manifest: Manifest, root: Path | None = None, base: Path | None = None) -> None:
        try:
            self.options = DigitsOptions.model_validate(manifest.options)
        except ValidationError as error:
            lines = [f"options.{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
            raise UserError(
                f"{manifest.name}: " + "; ".join(lines), "docs/suites.md describes them"
            ) from error
        self.manifest = manifest
        self.root = root
        self.folders = suite_folders(manifest, root, base)

    def status(self) -> list[DomainStatus]:
        """Say which files are here; a made domain needs its digits and the photos."""
        return [self._status(domain) for domain in self.manifest.domains]

    def open(self, domain: str, part: Part) -> DomainData:
        """Open a part of a domain; MNIST-M is made and cached the first time (some seconds)."""
        images, labels = self._arrays(domain, part)
        info = self.manifest.domains[domain]
        expected = info.images if part == "train" else info.test_images
        if expected is not None and len(images) != expected:
            raise UserError(
                f"{self.manifest.name}: {domain}, {part} part: {len(images)} images, expected {expected}",
                f"look at {self._where(domain, part)}: a file of another data set, or not downloaded whole",
            )
        keys = [f"{part} {row:05d}" for row in range(len(images))]
        return domain_from_arrays(domain, self.manifest.classes, images, labels, keys)

    def check(self) -> list[str]:
        """Verify files, counts, labels and photos, and checksums where they were recorded."""
        return verify(self)

    def problems(self) -> list[str]:
        """What is wrong with counts and labels: every part of every domain is opened. One sentence each."""
        problems = []
        for domain in self.manifest.domains:
            for part in PARTS:
                try:
                    data = self.open(domain, part)
                except UserError as error:
                    problems.append(f"{domain} ({part} part): {error} {error.hint}".strip())
                    continue
                empty = [name for name, count in data.class_counts().items() if not count]
                if empty:
                    problems.append(f"{domain} ({part} part): no image of class {', '.join(empty)}")
        return problems

    def files(self) -> dict[Path, bool]:
        """Every file that the suite reads, and whether it is an image (the photos are)."""
        found = [self._find(domain, part) for domain in self.manifest.domains for part in PARTS]
        files = {file for item in found if item is not None for file in item.files}
        photos = self._photos.files if self._photos else []
        return dict.fromkeys(sorted(files), False) | dict.fromkeys(photos, True)

    def sums(self) -> Path:
        """Where recorded checksums lie: in the suite's folder."""
        return sums_path(self.folders[0] if self.folders else Path(), self.manifest.name)

    @cached_property
    def _photos(self) -> PhotoFolder | None:
        for folder in self.folders:
            for name in self.options.photo_folders:
                if (folder / name).is_dir():
                    return PhotoFolder(folder / name)
        return None

    def _find(self, domain: str, part: Part) -> Found | None:
        """The part's files, the first folder first; in one folder an ``.npz`` goes before torchvision's."""
        named = self.manifest.domains[domain].paths.get(part)
        for folder in self.folders:
            if named and (folder / named).is_file():
                return Found("npz", (folder / named,))
            if domain.upper() == "MNIST" and (mnist := find_mnist(folder, part)):
                return Found("mnist", mnist)
            if domain.upper() == "USPS" and (usps := find_usps(folder, part)):
                return Found("usps", (usps,))
        return None

    def _arrays(self, domain: str, part: Part) -> Arrays:
        origin = self.options.blended.get(domain)
        if origin is not None:
            return self._blended(domain, origin, part)
        found = self._find(domain, part)
        if found is None:
            raise self._missing(f"{domain} ({part} part)")
        if found.kind == "npz":
            return read_npz(found.files[0])
        if found.kind == "mnist":
            return read_mnist(*found.files)
        return read_usps(found.files[0], part)

    def _blended(self, domain: str, origin: str, part: Part) -> Arrays:
        digits, labels = self._arrays(origin, part)
        if self._photos is None:
            raise self._missing(f"the folder of photos for MNIST-M ({self.options.photo_folders[0]})")
        photos = self._photos
        photos.require(self.options.photos)
        # Train and test parts draw from separate streams; labels are in neither the key nor the draw.
        stream = [self.options.seed, PARTS.index(part)]
        key = key_of(
            generator=GENERATOR_VERSION, stream=stream, photos=photos.fingerprint(),
            digits=hashlib.sha256(digits.tobytes()).hexdigest(), shape=digits.shape,
        )  # fmt: skip
        side = max(digits.shape[1:3])
        images = cached_array(
            "mnistm",
            key,
            lambda: blend(digits, photos.read(side), np.random.default_rng(stream)),
            f"{self.manifest.name} {domain}",
        )
        return images, labels

    def _where(self, domain: str, part: Part) -> str:
        found = self._find(self.options.blended.get(domain, domain), part)
        return ", ".join(str(file) for file in found.files) if found else "the data folder"

    def _missing(self, what: str) -> MissingDataError:
        looked = looked_in(self.folders, self.root)
        return MissingDataError(
            f"{self.manifest.name}: {what} is not on this machine; looked in {looked}",
            by_hand(self.manifest, self.root),
        )

    def _status(self, domain: str) -> DomainStatus:
        origin = self.options.blended.get(domain, domain)
        found = [self._find(origin, part) for part in PARTS]
        lacking = [f"{origin} {part} part" for part, item in zip(PARTS, found, strict=True) if item is None]
        if origin != domain and self._photos is None:
            lacking.append(f"photos ({self.options.photo_folders[0]})")
        if lacking:
            return DomainStatus(domain, False, f"missing: {', '.join(lacking)}")
        where = ", ".join(str(item.files[0]) for item in found if item is not None)
        if origin != domain and self._photos is not None:
            return DomainStatus(domain, True, f"made from {where} and {self._photos.path}")
        counts = [images_in_npz(item.files[0]) for item in found if item is not None and item.kind == "npz"]
        known = [count for count in counts if count is not None]
        return DomainStatus(domain, True, where, sum(known) if len(known) == len(PARTS) else None)
