"""Makers of archives: with ``..``, links and bombs, with chains of headers, and downloads without an end."""

import gzip
import io
import random
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hostile import Case, Sound, dumped, manifest, noise, of_kind, put, word
from hostile_servers import serve

__all__: list[str] = []
MEBIBYTE = 2**20
LEFT = ("data", "data/.fetch-*")  # of an archive that is refused


def _fetch(named: str = "a.archive") -> Case:
    return Case(
        ["data", "fetch", "office31", "--data", "data", "--archive", "a.archive"], named, outputs=LEFT
    )


OUTSIDE = ["../", "a/../../", "/{}/", "..\\", "C:\\", "\\", "./../", "a/./.././../"]


@of_kind("archives", *[(kind, name) for kind in ("tar", "zip") for name in OUTSIDE])
def leads_outside(moments: random.Random, folder: Path, sound: Sound, which: tuple[str, str]) -> Case:
    kind, name = which
    name = name.format(folder.parent.as_posix().strip("/")) + word(moments)
    members = [(word(moments), noise(moments, 9)), (name, noise(moments, moments.randint(1, 99)))]
    moments.shuffle(members)
    return _archive(folder, kind, dict(members), moments)


def _archive(folder: Path, kind: str, members: dict[str, bytes], moments: random.Random) -> Case:
    path = folder / "a.archive"
    if kind == "zip":
        with zipfile.ZipFile(path, "w", moments.choice([0, 8, 12])) as file:
            for name, content in members.items():
                file.writestr(name, content)
    else:
        mode: Any = moments.choice(["w", "w:gz", "w:bz2", "w:xz"])
        with tarfile.open(path, mode) as tar:
            for name, content in members.items():
                header = tarfile.TarInfo(name)
                header.size = len(content)
                tar.addfile(header, io.BytesIO(content))
    return _fetch()


LINKS = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]


@of_kind("archives", *LINKS)
def link_in_a_tar(moments: random.Random, folder: Path, sound: Sound, kind: bytes) -> Case:
    name = word(moments)
    with tarfile.open(folder / "a.archive", "w") as file:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, moments.choice(["/etc", "..", "../../evil", "/dev/zero"])
        file.addfile(info)
        inside = tarfile.TarInfo(f"{name}/evil")
        inside.size = 1
        file.addfile(inside, io.BytesIO(b"x"))
    return _fetch()


@of_kind("archives")
def link_in_a_zip(moments: random.Random, folder: Path, sound: Sound) -> Case:
    info = zipfile.ZipInfo(word(moments))
    info.external_attr = (moments.choice([stat.S_IFLNK, stat.S_IFIFO, stat.S_IFBLK]) | 0o777) << 16
    with zipfile.ZipFile(folder / "a.archive", "w") as file:
        file.writestr(info, "/etc")
    return _fetch()


def header(name: str, kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def pair(key: str, value: str) -> bytes:
    """A line of an extended header, which begins with its own length."""
    body = f" {key}={value}\n".encode()
    size = len(body) + 1
    while len(str(size)) + len(body) != size:
        size = len(str(size)) + len(body)
    return str(size).encode() + body


def packed(path: Path, *parts: tuple[bytes, int]) -> None:
    """Write bytes so many times each, packed piece by piece: gzip allows that, and it is quick."""
    with path.open("wb") as file:
        for content, times in parts:
            piece = gzip.compress(content, 1)
            for _ in range(times):
                file.write(piece)


END = (bytes(1024), 1)
PLAIN = tarfile.REGTYPE


def sparse_old(moments: random.Random, path: Path) -> None:
    """The map of a sparse file in blocks without an end."""
    first = bytearray(header(word(moments), tarfile.GNUTYPE_SPARSE, 0))
    number = b"00000000001\0"
    first[386:482] = number * 8
    first[482] = 1
    first[483:495] = number
    first[148:156] = b" " * 8
    first[148:156] = f"{sum(first):06o}\0 ".encode()
    block = (number * 42 + b"\1" + bytes(7)) * 2048
    packed(path, (bytes(first), 1), (block, moments.randint(200, 400)), (number * 42 + bytes(8), 1), END)


def sparse_new(moments: random.Random, path: Path) -> None:
    """The map of a sparse file in front of its content, as long as it likes."""
    pairs = {"major": "1", "minor": "0", "name": word(moments), "realsize": "10"}
    lines = b"".join(pair(f"GNU.sparse.{key}", value) for key, value in pairs.items())
    start = header("p", tarfile.XHDTYPE, len(lines)) + padded(lines) + header("s", PLAIN, 0)
    size = moments.randint(100, 300)
    if moments.random() < 0.5:
        packed(path, (start, 1), (b"1" * MEBIBYTE, size), END)
    else:
        packed(path, (start + b"900000000000\n", 1), (b"7\n" * (MEBIBYTE // 2), size), END)


def sparse_pairs(moments: random.Random, path: Path) -> None:
    """As above, of the first formats: the map is in the header."""
    version = moments.choice(["0.0", "0.1"])
    numbers = ",".join(str(k) for k in range(moments.randint(1000, 90_000)))
    lines = pair("GNU.sparse.map", numbers) if version == "0.1" else pair("GNU.sparse.offset", "1") * 30_000
    lines += pair("GNU.sparse.size", "9")
    packed(
        path,
        (header("p", tarfile.XHDTYPE, len(lines)) + padded(lines) + header(word(moments), PLAIN, 0), 1),
        END,
    )


def many_globals(moments: random.Random, path: Path) -> None:
    parts = [(header("first", PLAIN, 0), 1)]
    for number in range(moments.randint(200, 400)):
        line = pair(f"key{number}{word(moments, 3)}", "A" * 1_000_000)
        parts.append(
            (header("g", tarfile.XGLTYPE, len(line)) + padded(line) + header(f"f{number}", PLAIN, 0), 1)
        )
    packed(path, *parts, END)


def chain(moments: random.Random, path: Path) -> None:
    """Headers that say something of the next, which is such a header."""
    kind = moments.choice([tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
    text = pair("comment", word(moments)) if kind == tarfile.XHDTYPE else word(moments).encode() + b"\0"
    link = header("././@LongLink", kind, len(text)) + padded(text)
    packed(path, (link, moments.randint(900, 4000)), (header("x", PLAIN, 0), 1), END)


def large_chain(moments: random.Random, path: Path) -> None:
    """As above, few of them, and large."""
    text = b"n" * moments.randint(900_000, 1_000_000)
    packed(
        path,
        (header("x", tarfile.GNUTYPE_LONGNAME, len(text)) + padded(text), moments.randint(300, 600)),
        END,
    )


def many_extended(moments: random.Random, path: Path) -> None:
    """A large header before each of many small files."""
    line = pair("comment" + word(moments), "A" * 1_000_000)
    one = header("p", tarfile.XHDTYPE, len(line)) + padded(line)
    packed(path, *[(one + header(f"f{k}", PLAIN, 0), 1) for k in range(moments.randint(150, 250))], END)


def many_pairs(moments: random.Random, path: Path) -> None:
    lines = b"".join(pair(f"k{k}", "") for k in range(moments.randint(50_000, 70_000)))
    one = header("p", moments.choice([tarfile.XHDTYPE, tarfile.XGLTYPE]), len(lines)) + padded(lines)
    packed(path, (one, moments.randint(100, 200)), (header("x", PLAIN, 0), 1), END)


def wrong_numbers(moments: random.Random, path: Path) -> None:
    """Sizes that are negative, huge or no numbers."""
    key, value = moments.choice(
        [("size", "-5"), ("size", "9" * 30), ("mtime", "nan"), ("size", "x"), ("uid", "1e9")]
    )
    line = pair(key, value)
    content = (
        header("p", tarfile.XHDTYPE, len(line)) + padded(line) + header(word(moments), PLAIN, 5) + bytes(512)
    )
    packed(path, (content, moments.randint(1, 3)), END)


def false_size(moments: random.Random, path: Path) -> None:
    """A file that is said to be larger than all that follows."""
    packed(path, (header(word(moments), PLAIN, moments.randint(2**20, 2**33)) + noise(moments, 512), 1))


TARS = [
    sparse_old, sparse_new, sparse_pairs, many_globals, chain, large_chain, many_extended, many_pairs,
    false_size,
]  # fmt: skip


@of_kind("archives", *TARS)
def headers(
    moments: random.Random, folder: Path, sound: Sound, write: Callable[[random.Random, Path], None]
) -> Case:
    """Headers of a tar that want memory, time or depth."""
    write(moments, folder / "a.archive")
    return _fetch()


@of_kind("archives")
def numbers(moments: random.Random, folder: Path, sound: Sound) -> Case:
    """What may be passed over as well, as far as nothing else happens."""
    wrong_numbers(moments, folder / "a.archive")
    return Case(_fetch().arguments, "a.archive", (0, 2), outputs=("data", "data/*"))


@of_kind("archives", "tar", "zip")
def bomb(moments: random.Random, folder: Path, sound: Sound, kind: str) -> Case:
    size = moments.randint(70, 90)
    if kind == "zip":
        with zipfile.ZipFile(folder / "a.archive", "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr(word(moments), bytes(size * MEBIBYTE))
        return _fetch()
    first = header(word(moments), PLAIN, size * MEBIBYTE)
    packed(folder / "a.archive", (first, 1), (bytes(MEBIBYTE), size), END)
    return _fetch()


@of_kind("archives")
def hidden_bomb(moments: random.Random, folder: Path, sound: Sound) -> Case:
    """Much that is unpacked and never written: padding, and what follows the end."""
    first = header(word(moments), PLAIN, 5) + padded(noise(moments, 5))
    path, size = folder / "a.archive", moments.randint(3000, 5000)
    packed(path, (first, 1), END, (bytes(MEBIBYTE), size))
    return Case(_fetch().arguments, "a.archive", (0, 2), outputs=("data", "data/*"))


@of_kind("archives", tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
def long_header(moments: random.Random, folder: Path, sound: Sound, kind: bytes) -> Case:
    size = moments.randint(2, 400)
    first = header("x", kind, size * MEBIBYTE + moments.randrange(MEBIBYTE))
    packed(folder / "a.archive", (first, 1), (bytes(MEBIBYTE), min(size, 50)))
    return _fetch()


@of_kind("archives", "files", "deep", "long name")
def strange_tree(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    """Folders in folders, names without an end."""
    if which == "deep":
        members = {"/".join(["a"] * moments.randint(1500, 5000)): b"x"}
    elif which == "files":
        members = {f"{word(moments)}/" * 40 + str(k): b"x" for k in range(moments.randint(1, 99))}
    else:
        members = {word(moments) * moments.randint(40, 900): b"x"}
    return _archive(folder, moments.choice(["tar", "zip"]), members, moments)


@of_kind("archives", "noise", "page", "cut tar", "cut zip", "twice", "nothing", "pipe", "folder")
def no_archive(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    path = folder / "a.archive"
    if which in ("pipe", "folder"):
        put(path, which, moments)
    elif which == "twice":
        name = word(moments)
        with tarfile.open(path, "w") as file:
            for _ in range(2):
                file.addfile(tarfile.TarInfo(name), io.BytesIO())
    elif which.startswith("cut"):
        _archive(folder, which[4:], {f"{k}.jpg": noise(moments, 5000) for k in range(8)}, moments)
        content = path.read_bytes()
        path.write_bytes(content[: moments.randint(len(content) // 10, len(content) // 2)])
    else:
        page = f"<html>{word(moments)}</html>".encode()
        path.write_bytes({"noise": noise(moments, 2000), "page": page, "nothing": b""}[which])
    return _fetch()


DOWNLOADS = ("endless", "length", "page", "broken", "bomb", "too long", "type", "scheme", "outside", "name")


def _served(moments: random.Random, which: str) -> tuple[str, dict[str, Any]]:
    """A server, and what a manifest says of its archive."""
    noisy = [noise(moments, MEBIBYTE)]
    if which == "endless":
        return serve({}, noisy, moments.randint(100, 200)), {}
    if which == "length":
        return serve({"Content-Length": str(moments.randint(10**13, 10**30))}, noisy, 1), {}
    if which == "page":
        return serve({"Content-Type": "text/html"}, [f"<html>{word(moments)}</html>".encode()], 1), {}
    if which == "broken":
        return serve({"Content-Length": "5000"}, [noise(moments, 5000)], 1), {}
    if which == "bomb":
        head, zeros = header(word(moments), PLAIN, 90 * MEBIBYTE), bytes(MEBIBYTE)
        whole = gzip.compress(head, 1) + gzip.compress(zeros, 1) * 90 + gzip.compress(zeros[:1024])
        return serve({"Content-Length": str(len(whole))}, [whole], 1), {"archive": "a.tar.gz"}
    if which == "too long":
        return serve({}, noisy, 5000), {"size_bytes": moments.randint(1, 10**6)}
    if which == "sum":
        return serve({}, noisy, 1), {"checksum": f"sha256:{noise(moments, 32).hex()}"}
    return serve({}, noisy, 1), {"archive": f"../../{word(moments)}" if which == "outside" else ".."}


DOWNLOADS = ("endless", "length", "page", "broken", "bomb", "too long", "sum", "scheme", "outside", "name")


@of_kind("downloads", *DOWNLOADS)
def download(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    """An address of a manifest, and a server of this machine behind it."""
    content = manifest(moments, sound) | {"name": "mine"}
    for domain in content["domains"].values():
        domain["paths"] = {"all": f"nowhere/{word(moments)}.npz"}
    source: dict[str, Any] = {"archive": "a.zip", "seen_in": word(moments)}
    port = ""
    if which == "scheme":
        source["address"] = moments.choice(
            [f"file://{sound.suite}", f"/etc/{word(moments)}", "ftp://127.0.0.1:9"]
        )
    else:
        address, more = _served(moments, which)
        port = address.rpartition(":")[2]
        source |= {"address": f"{address}/{word(moments)}", **more}
    content["sources"] = [source]
    dumped(folder / "my.yaml", content)
    words = ["data", "fetch", "my.yaml", "--data", "data"]
    return Case(words, "mine", (2,), outputs=(*LEFT, "data/*"), check=little, blank=(port,) if port else ())


def little(folder: Path, said: str) -> str:
    """What nobody can use does not stay, or is little."""
    left = sum(path.stat().st_size for path in (folder / "data").rglob("*") if path.is_file())
    return f"leaves {left:,} bytes" if left > 2 * MEBIBYTE else ""
