"""The reader of tar archives against Python's and the system's writers, and against archives made to harm."""

import bz2
import contextlib
import gzip
import io
import lzma
import shutil
import subprocess
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dabench.datasets.tarball import RefusedError, Tarball, decompressed
from dabench.datasets.unpack import unpack
from dabench.errors import UserError

Seen = list[tuple[str, bool, bytes]]
NAMES = [
    "a.jpg",
    "ordner/bäckerei 1.jpg",
    "x" * 97,
    "y/" * 25 + "z" * 80,
    "long/" + "l" * 200,
    "ü" * 70 + "/e",
]
PLENTY = 1 << 40


def quiet(*_: object) -> None:
    pass


def read(content: bytes | BinaryIO, most_bytes: int = PLENTY) -> Seen:
    stream = io.BytesIO(content) if isinstance(content, bytes) else content
    seen: Seen = []
    for entry in Tarball(decompressed(stream), most_bytes):
        parts = []
        while piece := entry.read(100):
            parts.append(piece)
        seen.append((entry.name, entry.is_folder, b"".join(parts)))
    return seen


def by_tarfile(content: bytes) -> Seen:
    with tarfile.open(fileobj=io.BytesIO(content)) as file:
        return [
            (member.name, member.isdir(), stream.read() if (stream := file.extractfile(member)) else b"")
            for member in file
        ]


def header(kind: bytes, size: int, name: str = "h") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def pax(*records: tuple[str, str], kind: bytes = tarfile.XHDTYPE) -> bytes:
    content = b""
    for key, value in records:
        rest = f" {key}={value}\n".encode()
        length = len(rest) + 1
        while len(str(length)) + len(rest) != length:
            length = len(str(length)) + len(rest)
        content += str(length).encode() + rest
    return header(kind, len(content)) + padded(content)


def entry(content: bytes = b"", name: str = "good") -> bytes:
    return header(tarfile.REGTYPE, len(content), name) + padded(content)


END = bytes(1024)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_python_writes(form: int) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as file:
        for number, name in enumerate(NAMES):
            if form == tarfile.USTAR_FORMAT and len(name.encode()) > 150:
                continue
            info = tarfile.TarInfo(name)
            info.size, info.mtime = number * 300, 1.5 if form == tarfile.PAX_FORMAT else 1
            file.addfile(info, io.BytesIO(bytes([number]) * info.size))
            folder = tarfile.TarInfo(f"{number}/")
            folder.type = tarfile.DIRTYPE
            file.addfile(folder)
    assert read(buffer.getvalue()) == by_tarfile(buffer.getvalue())
    assert len(read(buffer.getvalue())) >= 8


@pytest.mark.skipif(shutil.which("tar") is None, reason="no tar here")
@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_what_tar_writes(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "in"
    for number, name in enumerate(NAMES[:3] if form in ("v7", "ustar") else NAMES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(bytes([number]) * 700)
    (folder / "empty").mkdir()
    subprocess.run(
        ["tar", "-C", str(folder), f"--format={form}", "-czf", str(tmp_path / "a.tar.gz"), "."], check=True
    )
    unpack(tmp_path / "a.tar.gz", tmp_path / "out", quiet)
    found = [
        {path.relative_to(base): path.read_bytes() for path in base.rglob("*") if path.is_file()}
        for base in (folder, tmp_path / "out")
    ]
    assert found[0] == found[1]
    assert (tmp_path / "out" / "empty").is_dir()


@given(
    st.lists(st.tuples(st.text("aé/.\n\0 ", min_size=1, max_size=300), st.binary(max_size=1500)), max_size=6)
)
def test_it_agrees_with_tarfile(files: list[tuple[str, bytes]]) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as file:
        for name, content in files:
            info = tarfile.TarInfo(name.replace("\0", "") or "x")
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    found, wanted = read(buffer.getvalue()), by_tarfile(buffer.getvalue())
    assert [(name.rstrip("/"), *rest) for name, *rest in found] == [
        (name.rstrip("/"), *rest) for name, *rest in wanted
    ]


@given(st.binary(max_size=3000), st.integers(0, 2999), st.binary(min_size=1, max_size=40))
def test_whatever_is_in_it_no_other_error_comes(content: bytes, at: int, other: bytes) -> None:
    whole = bytearray(pax(("path", "p"), ("size", "3000")) + entry(content.ljust(3000, b"x")) + END)
    whole[at : at + len(other)] = other
    with contextlib.suppress(ValueError, tarfile.TarError, EOFError):
        read(bytes(whole))


def test_headers_that_honest_archives_have() -> None:
    """That of git archive, GNU's two long names, and sizes beyond 8 GiB, which POSIX states in a header."""
    names = [
        header(kind, 5) + padded(b"long\0") for kind in (tarfile.GNUTYPE_LONGLINK, tarfile.GNUTYPE_LONGNAME)
    ]
    content = b"".join([
        pax(("comment", "0123abcd"), kind=tarfile.XGLTYPE),
        *names, entry(b"1"),
        pax(("mtime", "1.25"), ("path", "päth"), ("SCHILY.xattr.user.x", "a\nb")), entry(b"2"),
        pax(("size", "3")), header(tarfile.REGTYPE, 0, "sized"), padded(b"abc"),
        entry(b"", "last"),
    ])  # fmt: skip
    wanted = [("long", False, b"1"), ("päth", False, b"2"), ("sized", False, b"abc"), ("last", False, b"")]
    for tail in (END, b""):
        assert read(content + tail) == wanted


def test_content_that_was_not_read_is_passed_over() -> None:
    content = b"".join(entry(bytes([65 + number]) * 3000, str(number)) for number in range(3)) + END
    assert [found.name for found in Tarball(io.BytesIO(content), PLENTY)] == ["0", "1", "2"]


SPARSE_1 = (("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", "s"))
LONG_NAME = header(tarfile.GNUTYPE_LONGNAME, 5) + padded(b"name\0")
HOSTILE = {
    "old sparse": (header(tarfile.GNUTYPE_SPARSE, 0), "a sparse file"),
    "sparse 1.0": (pax(*SPARSE_1) + entry(b"9" * 512), "a sparse file"),
    "sparse 0.1": (pax(("GNU.sparse.map", "0,1")) + entry(), "a sparse file"),
    "sparse for all": (pax(*SPARSE_1, kind=tarfile.XGLTYPE) + entry(), "a sparse file"),
    "chain of POSIX": (pax(("comment", "x")) * 3000 + entry(), "more than 4 headers"),
    "chain of GNU": (LONG_NAME * 3000 + entry(), "more than 4 headers"),
    "long header": (header(tarfile.XHDTYPE, 2**20 + 1), "a header of 1048577 bytes"),
    "negative header": (header(tarfile.XHDTYPE, -512), "a header of -512 bytes"),
    "negative entry": (header(tarfile.REGTYPE, -1024), "an entry of -1024 bytes"),
    "negative size": (pax(("size", "-1024")) + entry(), "no number"),
    "endless size": (pax(("size", "9" * 5000)) + entry(), "no number"),
    "size of text": (pax(("size", "1_0")) + entry(), "no number"),
    "size that lies": (pax(("size", "99999")) + entry(b"x"), "ends in the middle"),
    "no list": (header(tarfile.XHDTYPE, 8) + padded(b"99 a=bb\n") + entry(), "no list"),
    "only digits": (header(tarfile.XHDTYPE, 2**20) + b"1" * 2**20 + entry(), "no list"),
    "cut": (entry(b"x" * 1000)[:900], "ends in the middle"),
    "cut header": (entry() + entry()[:300], "truncated"),
    "damaged header": (entry() + b"x" * 512, "invalid|bad checksum"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_refused(tmp_path: Path, kind: str) -> None:
    content, message = HOSTILE[kind]
    (tmp_path / "evil.tar.gz").write_bytes(
        gzip.compress(entry(name="first") + content + (b"" if "cut" in kind else END))
    )
    with pytest.raises(UserError, match=f"evil.tar.gz: .*({message})"):
        unpack(tmp_path / "evil.tar.gz", tmp_path / "out", quiet)


def sparse_blocks(file: BinaryIO) -> None:
    first = bytearray(header(tarfile.GNUTYPE_SPARSE, 0))
    number = b"00000000001\0"
    first[386:482], first[482], first[483:495] = number * 8, 1, number
    first[148:156] = b" " * 8
    first[148:156] = b"%06o\0 " % sum(first)
    file.write(bytes(first))
    for _ in range(100):
        file.write((number * 42 + b"\1" + bytes(7)) * 2048)


def sparse_map(file: BinaryIO) -> None:
    file.write(pax(*SPARSE_1) + header(tarfile.REGTYPE, 0) + b"900000000000\n".ljust(512, b"1\n"[:1]))
    for _ in range(100):
        file.write(b"7\n" * 2**19)


def globals_of(file: BinaryIO) -> None:
    for number in range(100):
        file.write(pax((f"key{number}", "A" * 1_000_000), kind=tarfile.XGLTYPE) + entry(name=f"{number}"))


def one_path_each(file: BinaryIO) -> None:
    for number in range(100):
        file.write(pax(("path", f"{number}/" + "A" * 1_000_000)) + entry())


@pytest.mark.parametrize("make", [sparse_blocks, sparse_map, globals_of, one_path_each])
def test_bombs_of_headers_take_no_memory(tmp_path: Path, make: Callable[[BinaryIO], None]) -> None:
    with gzip.open(tmp_path / "evil.tar.gz", "wb", 1) as file:
        file.write(entry(name="first"))
        make(file)
        file.write(END)
    tracemalloc.start()
    with pytest.raises(UserError):
        unpack(tmp_path / "evil.tar.gz", tmp_path / "out", quiet)
    assert tracemalloc.get_traced_memory()[1] < 12_000_000
    tracemalloc.stop()


def test_headers_about_headers_have_a_limit_for_all() -> None:
    each = pax(("comment", "A" * 1_000_000)) + entry()
    assert len(read(each * 60 + END)) == 60
    with pytest.raises(RefusedError, match="bytes of headers about headers"):
        read(each * 70 + END)


def test_every_byte_counts_not_only_those_that_are_written() -> None:
    """Names of one entry each, and nothing in any: the disk gets nothing, the processor much."""
    content = pax(("comment", "A" * 100_000)) + entry()
    assert read(content + END, most_bytes=200_000)
    with pytest.raises(RefusedError, match="unpacks to more than"):
        read(content * 3 + END, most_bytes=200_000)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, bytes])
def test_packed_in_two_pieces(pack: Callable[[bytes], bytes]) -> None:
    content = entry(bytes(range(256)) * 300) + END
    wanted = [("good", False, bytes(range(256)) * 300)]
    assert read(pack(content[:5000]) + pack(content[5000:])) == wanted
    if pack is not bytes:
        with pytest.raises((EOFError, ValueError)):
            read(pack(content)[: len(pack(content)) // 2])


def test_xz_with_zeros_between_and_behind() -> None:
    content = entry(b"x" * 3000) + END
    packed = lzma.compress(content[:2000]) + bytes(8) + lzma.compress(content[2000:]) + bytes(20_000)
    assert read(packed) == [("good", False, b"x" * 3000)]


def test_xz_that_asks_for_memory(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 30}]
    try:
        packed = lzma.compress(entry() + END, filters=filters)
    except MemoryError:
        pytest.skip("no memory to make it")
    (tmp_path / "a.tar.xz").write_bytes(packed)
    with pytest.raises(UserError, match=r"a\.tar\.xz"):
        unpack(tmp_path / "a.tar.xz", tmp_path / "out", quiet)
