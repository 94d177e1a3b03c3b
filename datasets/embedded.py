"""Loader of the embedded suite ``minidigits``: makes it once, keeps it in the cache folder."""

import io
import zipfile
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from dabench.cache import cache_folder
from dabench.datasets.array_cache import key_of
from dabench.datasets.arrays import domain_from_arrays
from dabench.datasets.minidigits import DOMAINS, Drawn, MiniDigitsOptions, draw, ingredients
from dabench.errors import UserError
from dabench.records import write_atomically
from dabench.suite import DomainData, DomainStatus, Manifest, Part, register_loader

__all__ = ["Embedded"]


@register_loader("minidigits")
class Embedded:
    """Makes the domains D, M and S from the manifest's options; needs no data folder.

    Raises:
        UserError: options or domains that the generator does not know.
    """

    def __init__(self, manifest: Manifest, root: Path | None = None, base: Path | None = None) -> None:
        strange = sorted(set(manifest.domains) - set(DOMAINS))
        if strange:
            raise UserError(
                f"{manifest.name}: no domain {', '.join(strange)} in minidigits; it has D, M and S"
            )
        try:
            self.options = MiniDigitsOptions.model_validate(manifest.options)
        except ValidationError as error:
            lines = [f"options.{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
            raise UserError(
                f"{manifest.name}: " + "; ".join(lines), "docs/suites.md describes them"
            ) from error
        if 2 * self.options.margin >= self.options.side:
            raise UserError(
                f"{manifest.name}: options.margin {self.options.margin} fills side {self.options.side}"
            )
        self.manifest = manifest

    def status(self) -> list[DomainStatus]:
        """Say that each domain is embedded: always here."""
        text = "embedded: made on this machine, nothing to download"
        return [DomainStatus(name, True, text, info.images) for name, info in self.manifest.domains.items()]

    def open(self, domain: str, part: Part) -> DomainData:
        """Open a domain, making it the first time (about a second)."""
        drawn = self._stored(domain) or self._made(domain)
        classes = self.manifest.classes or tuple(str(digit) for digit in range(10))
        return domain_from_arrays(domain, classes, drawn.images, drawn.labels, drawn.keys)

    def check(self) -> list[str]:
        """Make every domain anew and compare it with what the cache holds, byte by byte."""
        problems = []
        for name in self.manifest.domains:
            stored, fresh = self._stored(name), draw(name, self.options)
            if stored is not None and not (
                np.array_equal(stored.images, fresh.images)
                and np.array_equal(stored.labels, fresh.labels)
                and stored.keys == fresh.keys
            ):
                problems.append(
                    f"{name}: {self._path(name)} differs from what its recipe gives; delete the file"
                )
        return problems

    def _path(self, domain: str) -> Path:
        return cache_folder() / "minidigits" / f"{domain}-{key_of(**ingredients(self.options))}.npz"

    def _stored(self, domain: str) -> Drawn | None:
        try:
            with self._path(domain).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                return Drawn(file["images"], file["labels"], [str(key) for key in file["keys"]])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):  # missing or broken
            return None

    def _made(self, domain: str) -> Drawn:
        drawn = draw(domain, self.options)
        buffer = io.BytesIO()
        np.savez(buffer, images=drawn.images, labels=drawn.labels, keys=np.array(drawn.keys))
        write_atomically(self._path(domain), buffer.getvalue())
        return drawn
