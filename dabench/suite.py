"""Dataset suites as the engine sees them: a manifest (data), a loader (code), and the images of a domain.

A manifest is a YAML file that says what a suite is: domains, classes, tasks, recipe, where to get it.
A loader is a class registered under a name; the manifest's ``loader`` field chooses it.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from dabench.errors import UserError, did_you_mean
from dabench.recipe import Recipe
from dabench.registry import Registry

__all__ = [
    "LOADERS",
    "SUITES",
    "Address",
    "DomainData",
    "DomainInfo",
    "DomainStatus",
    "Loader",
    "Manifest",
    "Part",
    "Suite",
    "Task",
    "parse_task",
    "register_loader",
]

Part = Literal["train", "test"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DomainInfo(_Model):
    """One domain: its short name in tasks, its images, where they lie below the suite's folder."""

    short: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="name in tasks, such as A")
    title: str = ""
    images: int | None = Field(
        None, ge=1, description="number of images; of the train part where there are parts"
    )
    test_images: int | None = Field(None, ge=1, description="number of images of the test part")
    class_counts: dict[str, int] | None = Field(None, description="images of each class")
    folders: tuple[str, ...] = Field((), description="names this domain's folder may have, most usual first")
    paths: dict[str, str] = Field({}, description="loader-specific: part or 'all' to a file or folder")


class Address(_Model):
    """Where an archive can be had, and where that address was seen."""

    archive: str
    address: str
    seen_in: str
    size_bytes: int | None = None
    checksum: str | None = Field(None, pattern=r"^(md5|sha256):[0-9a-f]+$")
    note: str = ""
    manual: bool = Field(False, description="a form, a sign-in or a dead link stands upstream")
    extract_to: str = "."
    holds: tuple[str, ...] = Field((), description="domains that the archive holds; empty: all")


class Manifest(_Model):
    """What a suite is, as written in its YAML file."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,99}$")
    title: str
    about: str = ""
    loader: str
    domains: dict[str, DomainInfo] = Field(min_length=2)
    classes: tuple[str, ...] = Field(
        (), description="class names in canonical order; empty: read from the data"
    )
    class_aliases: dict[str, str] = Field(
        {}, description="other spelling of a class name to the canonical one"
    )
    tasks: tuple[str, ...] | Literal["all"] = Field(
        "all", description="'all' ordered pairs, or a list like [A->W]"
    )
    has_test_part: bool = Field(False, description="train and test parts are kept apart")
    metric: Literal["accuracy", "mean_class_accuracy"] = "accuracy"
    folder_names: tuple[str, ...] = Field(
        (), description="names the suite's folder may have below the data folder"
    )
    licence: str = "unknown"
    citation: str = ""
    homepage: str = ""
    sources: tuple[Address, ...] = ()
    by_hand: str = Field("", description="what to download by hand and where to put it")
    recipe: Recipe = {}
    options: dict[str, Any] = Field({}, description="loader-specific values")

    @model_validator(mode="after")
    def _consistent(self) -> "Manifest":
        shorts = [domain.short.lower() for domain in self.domains.values()]
        if len(set(shorts)) != len(shorts):
            raise ValueError(f"two domains share a short name: {shorts}")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("a class is listed twice")
        for other, name in self.class_aliases.items():
            if self.classes and name not in self.classes:
                raise ValueError(f"class_aliases.{other}: '{name}' is none of the classes")
        for address in self.sources:
            if set(address.holds) - set(self.domains):
                raise ValueError(f"sources: {address.archive} holds unknown domains {list(address.holds)}")
        for name, domain in self.domains.items():
            if domain.class_counts is not None:
                if self.classes and set(domain.class_counts) != set(self.classes):
                    raise ValueError(f"class_counts of {name} name other classes than the suite's")
                if domain.images is not None and sum(domain.class_counts.values()) != domain.images:
                    raise ValueError(f"class_counts of {name} do not add up to {domain.images}")
        return self


@dataclass(frozen=True)
class Task:
    """An ordered pair of domains."""

    source: str
    target: str
    name: str

    @property
    def slug(self) -> str:
        """The task's name in file names: A2W for A->W."""
        return self.name.replace("->", "2")


def parse_task(text: str, manifest: Manifest) -> Task:
    """Read ``A2W``, ``A:W``, ``A->W`` or ``A→W``, short or full domain names, in any case.

    Raises:
        UserError: no such task in the suite; the message lists those there are.
    """
    names = {key.lower(): name for name, info in manifest.domains.items() for key in (name, info.short)}
    available = {task.name: task for task in _tasks(manifest)}
    cleaned = text.strip().lower()
    for match in re.finditer(r"->|→|:|2", cleaned):
        source, target = cleaned[: match.start()].strip(), cleaned[match.end() :].strip()
        if source in names and target in names:
            for task in available.values():
                if (task.source, task.target) == (names[source], names[target]):
                    return task
    hint = f"{did_you_mean(text, available)} tasks of {manifest.name}: {', '.join(available)}".strip()
    raise UserError(f"'{text}' is no task of suite '{manifest.name}'", hint)


def _tasks(manifest: Manifest) -> list[Task]:
    shorts = {info.short: name for name, info in manifest.domains.items()}
    if manifest.tasks == "all":
        pairs = [(a, b) for a in shorts for b in shorts if a != b]
    else:
        pairs = []
        for text in manifest.tasks:
            source, arrow, target = text.partition("->")
            if not arrow or source not in shorts or target not in shorts or source == target:
                raise UserError(
                    f"suite {manifest.name}: '{text}' is no pair of domains", f"domains: {list(shorts)}"
                )
            pairs.append((source, target))
    return [Task(shorts[a], shorts[b], f"{a}->{b}") for a, b in pairs]


@dataclass(frozen=True)
class DomainData:
    """Images and labels of one part of one domain.

    Rows are sorted by the digest of each image's content, so that an order tells nothing about classes.
    Build it with ``DomainData.sorted_by_content``.

    Attributes:
        name: the domain.
        classes: class names; label i means classes[i].
        labels: (n,) int64 in [0, r).
        digests: (n, 32) uint8, SHA-256 of each image's content (file bytes, or array bytes).
        keys: a name for people of each image (a path below the domain's folder, or a row number).
        read: row to image, uint8 (H, W, 3) RGB; raises UserError naming the file when it cannot be decoded.
    """

    name: str
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    digests: NDArray[np.uint8]
    keys: Sequence[str]
    read: Callable[[int], NDArray[np.uint8]] = field(repr=False)

    @classmethod
    def sorted_by_content(
        cls,
        name: str,
        classes: Sequence[str],
        labels: NDArray[np.int64],
        digests: NDArray[np.uint8],
        keys: Sequence[str],
        read: Callable[[int], NDArray[np.uint8]],
    ) -> "DomainData":
        """Sort rows by digest; ``read`` takes the row numbers of the given, unsorted order."""
        order = np.lexsort(digests.T[::-1])
        return cls(
            name, tuple(classes), labels[order], digests[order], [keys[row] for row in order],
            lambda row: read(int(order[row])),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def content_fingerprint(self) -> str:
        """Digest of the images alone, labels left out: what a cache of decoded images is keyed by."""
        return hashlib.sha256(self.digests.tobytes()).hexdigest()

    @cached_property
    def fingerprint(self) -> str:
        """Digest of images and labels (by class name): part of a run's identity."""
        labels = "\n".join(self.classes[label] for label in self.labels)
        return hashlib.sha256(self.digests.tobytes() + labels.encode()).hexdigest()

    def class_counts(self, rows: NDArray[np.int64] | None = None) -> dict[str, int]:
        """Images of each class, among some rows or all."""
        labels = self.labels if rows is None else self.labels[rows]
        counts = np.bincount(labels, minlength=len(self.classes))
        return {name: int(count) for name, count in zip(self.classes, counts, strict=True)}


@dataclass(frozen=True)
class DomainStatus:
    """Whether a domain's images are on this machine; found says where, or how to get them."""

    domain: str
    present: bool
    found: str
    images: int | None = None


class Loader(Protocol):
    """Finds and opens the domains of a suite. Built as ``LoaderClass(manifest, root, manifest_folder)``.

    Args of the constructor:
        manifest: the suite.
        root: the data folder (it holds one folder a suite), or None where none was given.
        base: the folder of the manifest file for a user's own suite (relative paths start there), else None.
    """

    def status(self) -> list[DomainStatus]:
        """Say quickly what is here, without decoding."""
        ...

    def open(self, domain: str, part: Part) -> DomainData:
        """Open a domain; without parts, "test" gives what "train" gives.

        Raises:
            MissingDataError: not on this machine; the hint says how to get it.
            UserError: there, but wrong (counts, class names), naming what.
        """
        ...

    def check(self) -> list[str]:
        """Verify everything slowly, decoding each image: one sentence a problem, none when all is well."""
        ...


LoaderFactory = Callable[[Manifest, Path | None, Path | None], Loader]
LOADERS: Registry[LoaderFactory] = Registry("loader")
SUITES: Registry["Suite"] = Registry("suite")


def register_loader(name: str) -> Callable[[LoaderFactory], LoaderFactory]:
    """Register a loader class under the name that manifests use."""

    def decorate(factory: LoaderFactory) -> LoaderFactory:
        LOADERS.add(name, factory, origin=getattr(factory, "__module__", "unknown"))
        return factory

    return decorate


@dataclass(frozen=True)
class Suite:
    """A manifest and the folder it came from (None for a shipped one)."""

    manifest: Manifest
    base: Path | None = None
    file: str = ""

    @property
    def name(self) -> str:
        """The suite's name."""
        return self.manifest.name

    def tasks(self) -> list[Task]:
        """All tasks in the manifest's order."""
        return _tasks(self.manifest)

    def loader(self, root: Path | None) -> Loader:
        """Build the loader over a data folder."""
        return LOADERS.get(self.manifest.loader)(self.manifest, root, self.base)
