import functools
import hashlib
import http.server
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dabench.datasets.fetch import fetch, install
from dabench.datasets.files import Files
from dabench.errors import MissingDataError, UserError
from dabench.suite import Address, Manifest, Suite

Shipped = Callable[..., Manifest]
Fill = Callable[..., int]


def quiet(*_: object) -> None:
    pass


@pytest.fixture
def archives(tmp_path: Path, shipped: Shipped, make_domain: Fill) -> Path:
    """VisDA's two archives, scaled down, as files of a server."""
    folder = tmp_path / "archives"
    folder.mkdir()
    manifest = shipped("visda2017", 2000)
    for domain in manifest.domains:
        make_domain(tmp_path / "made" / domain, manifest, domain)
        with tarfile.open(folder / f"{domain}.tar", "w") as file:
            file.add(tmp_path / "made" / domain, domain)
    return folder


@pytest.fixture
def served(archives: Path) -> Iterator[str]:
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    handler = functools.partial(Handler, directory=str(archives))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


@pytest.fixture
def suite(shipped: Shipped, archives: Path) -> Suite:
    manifest = shipped("visda2017", 2000)
    sizes = {"sources": tuple(a.model_copy(update={"size_bytes": None}) for a in manifest.sources)}
    return Suite(manifest.model_copy(update=sizes))


def addresses(served: str) -> list[Address]:
    return [
        Address(archive=f"{name}.tar", address=f"{served}/{name}.tar", seen_in="this test", holds=(name,))
        for name in ("train", "validation")
    ]


def test_fetches_what_is_missing(tmp_path: Path, suite: Suite, served: str) -> None:
    root = tmp_path / "data"
    done = fetch(suite, root, quiet, addresses(served))
    assert len(done) == 2
    assert sorted(path.name for path in root.iterdir()) == ["visda2017"]  # nothing temporary is left
    assert Files(suite.manifest, root).check() == []
    assert fetch(suite, root, quiet, addresses(served)) == ["visda2017: everything is here already"]


def test_only_the_missing_domain_is_fetched(
    tmp_path: Path, suite: Suite, served: str, archives: Path
) -> None:
    root = tmp_path / "data"
    install(suite, root, archives / "train.tar", quiet)
    (archives / "train.tar").unlink()
    assert len(fetch(suite, root, quiet, addresses(served))) == 1


def test_dead_address_says_what_to_do_by_hand(
    tmp_path: Path, suite: Suite, served: str, archives: Path
) -> None:
    (archives / "train.tar").unlink()
    root = tmp_path / "data"
    with pytest.raises(
        MissingDataError, match=r"visda2017: train still missing\. train\.tar: .*404"
    ) as caught:
        fetch(suite, root, quiet, addresses(served), pause_seconds=0.0)
    assert f"{root}/visda2017/train/aeroplane/" in caught.value.hint
    assert "Done: validation.tar: unpacked to" in str(caught.value), "what came is not kept quiet"


def test_forms_are_not_tried(tmp_path: Path, shipped: Shipped) -> None:
    suite = Suite(shipped("office31"))
    with pytest.raises(MissingDataError, match=r"asks for the resource key.*dead since 2024") as caught:
        fetch(suite, tmp_path / "data", quiet)
    assert "--archive domain_adaptation_images.tar.gz" in caught.value.hint
    assert not (tmp_path / "data").exists()


def test_nothing_is_overwritten(tmp_path: Path, suite: Suite, archives: Path) -> None:
    root = tmp_path / "data"
    (root / "visda2017" / "train").mkdir(parents=True)
    with pytest.raises(UserError, match="is there already; nothing was moved in"):
        install(suite, root, archives / "train.tar", quiet)
    assert list((root / "visda2017" / "train").iterdir()) == []
    assert sorted(path.name for path in root.iterdir()) == ["visda2017"]


def test_broken_archive_leaves_nothing(tmp_path: Path, suite: Suite, archives: Path) -> None:
    archive = archives / "train.tar"
    archive.write_bytes(archive.read_bytes()[:20_000])
    with pytest.raises(UserError, match="broken archive"):
        install(suite, tmp_path / "data", archive, quiet)
    assert list((tmp_path / "data").iterdir()) == []


def test_a_download_that_is_broken_is_not_kept(
    tmp_path: Path, suite: Suite, served: str, archives: Path
) -> None:
    whole = (archives / "train.tar").read_bytes()
    (archives / "train.tar").write_bytes(whole[:20_000])
    root = tmp_path / "data"
    with pytest.raises(MissingDataError, match=r"train still missing.*broken archive"):
        fetch(suite, root, quiet, addresses(served))
    assert sorted(path.name for path in root.iterdir()) == ["visda2017"]
    (archives / "train.tar").write_bytes(whole)
    assert len(fetch(suite, root, quiet, addresses(served))) == 1, "the sound one is downloaded"


def test_a_download_without_a_place_is_kept(tmp_path: Path, suite: Suite, served: str) -> None:
    root = tmp_path / "data"
    (root / "visda2017").mkdir(parents=True)
    (root / "visda2017" / "train").write_text("a file of the user's")
    with pytest.raises(MissingDataError, match="is there already"):
        fetch(suite, root, quiet, addresses(served))
    assert [path.name for path in (root / ".fetch-visda2017").iterdir()] == ["train.tar"]


def test_archive_by_hand_is_checked_where_its_checksum_is_known(
    tmp_path: Path, suite: Suite, archives: Path
) -> None:
    archive = archives / "train.tar"
    known = Address(archive="train.tar", address="x", seen_in="y", checksum="md5:" + "0" * 32)
    wrong = Suite(suite.manifest.model_copy(update={"sources": (known,)}))
    with pytest.raises(UserError, match="has md5"):
        install(wrong, tmp_path / "data", archive, quiet)
    right = known.model_copy(update={"checksum": "md5:" + hashlib.md5(archive.read_bytes()).hexdigest()})
    suite = Suite(suite.manifest.model_copy(update={"sources": (right,)}))
    assert "unpacked to" in install(suite, tmp_path / "data", archive, quiet)
    with pytest.raises(UserError, match="no such file"):
        install(suite, tmp_path / "data", tmp_path / "nothing.tar", quiet)


def test_extract_to_stays_inside(tmp_path: Path, suite: Suite, archives: Path) -> None:
    address = Address(archive="train.tar", address="x", seen_in="y", extract_to="../..")
    evil = Suite(suite.manifest.model_copy(update={"sources": (address,)}))
    with pytest.raises(UserError, match="leads outside"):
        install(evil, tmp_path / "deep" / "data", archives / "train.tar", quiet)


def test_torchvision_gets_the_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision.datasets

    from dabench.discovery import discover_suites
    from dabench.suite import SUITES

    def mnist(root: str, download: bool) -> None:
        raw = Path(root) / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for prefix in ("train", "t10k"):
            for kind in ("images-idx3", "labels-idx1"):
                (raw / f"{prefix}-{kind}-ubyte").write_bytes(b"x")

    def usps(root: str, train: bool, download: bool) -> None:
        (Path(root) / ("usps.bz2" if train else "usps.t.bz2")).write_bytes(b"x")

    monkeypatch.setattr(torchvision.datasets, "MNIST", mnist)
    monkeypatch.setattr(torchvision.datasets, "USPS", usps)
    discover_suites()
    root = tmp_path / "data"
    with pytest.raises(MissingDataError, match="digits: MNIST-M still missing") as caught:
        fetch(SUITES.get("digits"), root, quiet)
    assert "BSDS500" in caught.value.hint
    assert (root / "digits" / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").is_file()
    assert (root / "digits" / "usps.t.bz2").is_file()
