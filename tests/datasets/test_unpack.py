import io
import shutil
import stat
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dabench.datasets.unpack import DEEPEST, BadArchiveError, Limits, unpack
from dabench.errors import UserError


def quiet(*_: object) -> None:
    pass


def tar(path: Path, entries: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as file:
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return path


def zipped(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


GOOD = {"suite/a/1.jpg": b"one", "suite/b/2 x.jpg": b"two", "./suite/c.txt": b""}


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz", "a.zip"])
def test_unpacks_the_usual_archives(tmp_path: Path, name: str) -> None:
    if name.endswith("zip"):
        archive = zipped(tmp_path / name, GOOD)
    else:
        archive = tar(tmp_path / name, GOOD, "w:" + name.partition("tar.")[2])
    unpack(archive, tmp_path / "out", quiet)
    assert tree(tmp_path / "out") == {name.removeprefix("./"): content for name, content in GOOD.items()}


OUTSIDE = ["../evil", "a/../../evil", "/tmp/dabench-evil", "..\\evil", "C:\\evil", "a/..", "\\evil", "C:evil"]


@pytest.mark.parametrize("make", [tar, zipped])
@pytest.mark.parametrize("name", OUTSIDE)
def test_paths_outside_are_refused(tmp_path: Path, make: Callable[..., Path], name: str) -> None:
    archive = make(tmp_path / "evil.archive", {"good": b"x", name: b"evil"})
    with pytest.raises(UserError, match="leads outside"):
        unpack(archive, tmp_path / "deep" / "out", quiet)
    assert set(tree(tmp_path)) <= {"evil.archive", "deep/out/good"}
    assert not Path("/tmp/dabench-evil").exists()


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as file:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = kind, "/etc"
        file.addfile(info)
        inside = tarfile.TarInfo("link/passwd")
        inside.size = 1
        file.addfile(inside, io.BytesIO(b"x"))
    with pytest.raises(UserError, match="'link' is a link or a device"):
        unpack(tmp_path / "evil.tar", tmp_path / "out", quiet)
    assert list((tmp_path / "out").iterdir()) == []


def test_links_in_a_zip_are_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as file:
        file.writestr(info, "/etc")
    with pytest.raises(UserError, match="'link' is a link or a device"):
        unpack(tmp_path / "evil.zip", tmp_path / "out", quiet)


SMALL = Limits(files=5, bytes=1 << 30, ratio=10, small_bytes=1000)


@pytest.mark.parametrize("name", ["bomb.tar.gz", "bomb.zip"])
def test_bombs_are_refused(tmp_path: Path, name: str) -> None:
    entries = {"zeros": bytes(5_000_000)}
    archive = (
        zipped(tmp_path / name, entries) if name.endswith("zip") else tar(tmp_path / name, entries, "w:gz")
    )
    with pytest.raises(UserError, match="unpacks to more than"):
        unpack(archive, tmp_path / "out", quiet, SMALL)
    assert sum(len(content) for content in tree(tmp_path / "out").values()) <= 10 * archive.stat().st_size


def test_a_zip_that_lies_about_its_size(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "lie.zip", {"zeros": bytes(5_000_000)})
    content = archive.read_bytes().replace(struct.pack("<I", 5_000_000), struct.pack("<I", 10))
    archive.write_bytes(content)
    with pytest.raises(UserError):
        unpack(archive, tmp_path / "out", quiet, SMALL)
    assert sum(len(content) for content in tree(tmp_path / "out").values()) <= 10 * archive.stat().st_size


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE])
@pytest.mark.parametrize("first", [True, False])
def test_a_header_that_fills_the_memory(tmp_path: Path, kind: bytes, first: bool) -> None:
    """tarfile reads what a name is stretched by at once, whatever size it has."""
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as file:
        if not first:
            file.addfile(tarfile.TarInfo("good"))
        info = tarfile.TarInfo("x")
        info.type, info.size = kind, 100_000_000
        file.addfile(info)
        for _ in range(100):
            file.fileobj.write(bytes(1_000_000))
    tracemalloc.start()
    with pytest.raises(UserError, match="a header of 100000000 bytes"):
        unpack(tmp_path / "evil.tar.gz", tmp_path / "out", quiet)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_too_many_files(tmp_path: Path) -> None:
    archive = tar(tmp_path / "many.tar", {f"{number}": b"" for number in range(6)})
    with pytest.raises(UserError, match="more than 5 files"):
        unpack(archive, tmp_path / "out", quiet, SMALL)


def test_one_place_twice(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "twice.tar", "w") as file:
        for content in (b"a", b"b"):
            info = tarfile.TarInfo("same")
            info.size = 1
            file.addfile(info, io.BytesIO(content))
    with pytest.raises(UserError, match="same place"):
        unpack(tmp_path / "twice.tar", tmp_path / "out", quiet)


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tar.xz", "a.zip"])
def test_cut_archives(tmp_path: Path, name: str) -> None:
    entries = {f"{number}.jpg": bytes(range(256)) * 40 for number in range(8)}
    mode = "w:" + name.partition("tar.")[2]
    archive = (
        zipped(tmp_path / name, entries) if name.endswith("zip") else tar(tmp_path / name, entries, mode)
    )
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size * 6 // 10])
    with pytest.raises(UserError, match=r"a\."):
        unpack(archive, tmp_path / "out", quiet)


@pytest.mark.parametrize("content", [b"", b"<html>sign in</html>", bytes(10240)])
def test_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "page").write_bytes(content)
    with pytest.raises(UserError, match=r"neither a tar nor a zip archive|holds no file"):
        unpack(tmp_path / "page", tmp_path / "out", quiet)


@pytest.mark.parametrize("make", [tar, zipped])
def test_folders_in_folders_in_folders(tmp_path: Path, make: Callable[..., Path]) -> None:
    unpack(make(tmp_path / "good", {"a/" * (DEEPEST - 1) + "x": b""}), tmp_path / "good-out", quiet)
    with pytest.raises(BadArchiveError, match="more than 32 folders deep"):
        unpack(make(tmp_path / "evil", {"a/" * DEEPEST + "x": b""}), tmp_path / "out", quiet)


def test_a_zip_that_is_packed_in_a_way_that_takes_any_memory(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_LZMA) as file:
        file.writestr("x", b"x")
    with pytest.raises(BadArchiveError, match="'x' is packed by method 14"):
        unpack(tmp_path / "a.zip", tmp_path / "out", quiet)


@pytest.mark.parametrize("error", [RecursionError, MemoryError, NotImplementedError, ValueError])
def test_whatever_goes_wrong_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fails(*_: object) -> None:
        raise error

    archive = tar(tmp_path / "a.tar", GOOD)
    monkeypatch.setattr(tarfile.TarInfo, "frombuf", fails)
    with pytest.raises(BadArchiveError, match=f"broken archive: {error.__name__}"):
        unpack(archive, tmp_path / "out", quiet)


def test_a_full_disk_does_not_make_the_archive_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tar(tmp_path / "a.tar", {"x": bytes(5000)})
    room = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: room)
    with pytest.raises(UserError, match="the 100 bytes that the disk has room for") as caught:
        unpack(archive, tmp_path / "out", quiet)
    assert not isinstance(caught.value, BadArchiveError)
