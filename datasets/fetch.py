"""Get a suite's images: download, check, unpack into a temporary folder, move in whole."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dabench.datasets.download import Report, download, verify_archive
from dabench.datasets.places import by_hand
from dabench.datasets.unpack import BadArchiveError, unpack
from dabench.errors import MissingDataError, UserError
from dabench.suite import Address, Suite

__all__ = ["fetch", "install"]

TORCHVISION = "torchvision.datasets"  # an address of the digits: torchvision knows the real ones


def fetch(
    suite: Suite,
    root: Path,
    report: Report,
    addresses: Sequence[Address] | None = None,
    pause_seconds: float = 2.0,
) -> list[str]:
    """Download what is missing of a suite from the addresses in its manifest.

    Args:
        suite: what to get.
        root: the data folder; the suite's own folder is made in it.
        report: told of the progress.
        addresses: in place of the manifest's.
        pause_seconds: before a second try; see ``download``.

    Returns:
        What was done, one sentence each.

    Raises:
        MissingDataError: a domain is still missing; says why each address did not help, and what to download
            by hand and where to put it.
    """
    done, reasons = [], []
    for address in suite.manifest.sources if addresses is None else addresses:
        missing = _missing(suite, root)
        if not missing & set(address.holds or missing):
            continue
        if address.manual:
            reasons.append(f"{address.archive}: {address.note or 'no direct download'} ({address.address})")
            continue
        try:
            done.append(_get(suite, root, address, report, pause_seconds))
        except UserError as error:
            reasons.append(f"{address.archive}: {error} {error.hint}".strip())
    _require_all(suite, root, reasons, done)
    return done or [f"{suite.name}: everything is here already"]


def install(suite: Suite, root: Path, archive: Path, report: Report) -> str:
    """Unpack an archive that was downloaded by hand; check size and checksum where its name is known.

    Raises:
        UserError: no such file, not the archive that it should be, or its content is there already.
    """
    if not archive.is_file():
        raise UserError(f"{archive}: no such file", "--archive takes the archive that you downloaded")
    for address in suite.manifest.sources:
        if address.archive == archive.name:
            verify_archive(archive, address)
            return _move_in(suite, root, archive, address.extract_to, report)
    return _move_in(suite, root, archive, ".", report)


def _require_all(suite: Suite, root: Path, reasons: Sequence[str], done: Sequence[str]) -> None:
    missing = _missing(suite, root)
    if missing:
        why = "; ".join(reasons) or "the manifest has no address for it"
        why += f". Done: {'; '.join(done)}" if done else ""
        raise MissingDataError(
            f"{suite.name}: {', '.join(sorted(missing))} still missing. {why}", by_hand(suite.manifest, root)
        )


def _missing(suite: Suite, root: Path) -> set[str]:
    return {status.domain for status in suite.loader(root).status() if not status.present}


def _get(suite: Suite, root: Path, address: Address, report: Report, pause_seconds: float) -> str:
    if address.address == TORCHVISION:
        return _from_torchvision(suite, root)
    folder = root / f".fetch-{suite.name}"
    archive = download(address, folder, report, pause_seconds)
    try:
        message = _move_in(suite, root, archive, address.extract_to, report)
    except BadArchiveError:  # the next try would find the same file here
        archive.unlink()
        _remove_if_empty(folder)
        raise
    archive.unlink()
    _remove_if_empty(folder)
    return message


def _move_in(suite: Suite, root: Path, archive: Path, extract_to: str, report: Report) -> str:
    with _temporary(suite, root) as folder:
        unpack(archive, folder, report)
        target = _adopt(suite, root, folder, extract_to)
    return f"{archive.name}: unpacked to {target}"


def _from_torchvision(suite: Suite, root: Path) -> str:
    from torchvision.datasets import MNIST, USPS

    with _temporary(suite, root) as folder:
        try:
            missing = _missing(suite, root)
            if "MNIST" in missing:
                MNIST(str(folder), download=True)
            for train in (True, False) if "USPS" in missing else ():
                USPS(str(folder), train=train, download=True)
        except (OSError, RuntimeError) as error:
            raise UserError(f"torchvision could not download MNIST and USPS: {error}") from error
        target = _adopt(suite, root, folder, ".")
    return f"MNIST and USPS: torchvision downloaded them to {target}"


@contextmanager
def _temporary(suite: Suite, root: Path) -> Iterator[Path]:
    """A new folder below the data folder (so that moving is renaming); what is left in it is deleted."""
    work = root / f".fetch-{suite.name}"
    try:
        work.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=work, prefix="unpacking-"))
    except OSError as error:
        raise UserError(
            f"{work}: cannot be written: {error.strerror or error}", "choose another --data"
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _remove_if_empty(work)


def _adopt(suite: Suite, root: Path, folder: Path, extract_to: str) -> Path:
    """Move what lies in a folder into the suite's, each entry whole, and nothing if one is there already."""
    target = (root / suite.name / extract_to).resolve()
    if not target.is_relative_to((root / suite.name).resolve()):
        raise UserError(f"{suite.name}: extract_to '{extract_to}' leads outside the suite's folder")
    entries = sorted(folder.iterdir())
    present = [target / entry.name for entry in entries if (target / entry.name).exists()]
    if present:
        raise UserError(
            f"{', '.join(map(str, present))} is there already; nothing was moved in",
            f"look at it with 'dabench data check {suite.name}', or move it away and run the command again",
        )
    target.mkdir(parents=True, exist_ok=True)
    for entry in entries:
        entry.rename(target / entry.name)
    return target


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
