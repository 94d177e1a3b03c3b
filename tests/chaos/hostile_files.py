"""More makers of malformed inputs: records and their arrays, image lists, images, archives."""

import gzip
import hashlib
import io
import json
import os
import random
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from hostile import ARRAYS, Case, Sound, copied, noise, of_kind
from PIL import Image

__all__: list[str] = []

Content = dict[str, Any]
REQUIRED = (
    "run_id",
    "status",
    "suite",
    "task",
    "source",
    "target",
    "method",
    "backbone",
    "seed",
    "protocol",
    "metric",
)
WRONG_RECORDS: dict[str, Callable[[random.Random, Content], object]] = {
    "missing": lambda m, c: c.pop(m.choice([*REQUIRED, "config"])),
    "type": lambda m, c: c.update({m.choice(REQUIRED): m.choice([{}, [1], None, 1.5])}),
    "extra": lambda m, c: c.update({f"key{m.random()}": 1}),
    "number": lambda m, c: c.update(value=m.choice([87.5, -1, float("nan"), float("inf"), "much"])),
    "percentage": lambda m, c: c["metrics"].update(accuracy=87.5),
    "status": lambda m, c: c.update(m.choice([{"status": "failed"}, {"metrics": None}, {"evaluations": []}])),
    "schema": lambda m, c: c.update(schema_version=m.choice([0, 2, 999, "1", None, [1]])),
    "identity": lambda m, c: c.update(run_id=m.choice(["../../evil", "x" * 16, "", "0" * 15, "A" * 16])),
    "deep": lambda m, c: c.update(config={"a": _deep(m.randint(2000, 50_000))}),
    "large": lambda m, c: c.update(oracle_step="9" * m.randint(5000, 50_000)),
    "escape": lambda m, c: c.update(method="\x1b[2J" * m.randint(1, 9), status="\x1b[31m"),
}  # fmt: skip


def _deep(levels: int) -> str:
    """A text that ``dumps`` leaves alone, put in as nested lists afterwards."""
    return f"DEEP{levels}"


@of_kind("records", *WRONG_RECORDS)
def wrong_record(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    path, content = copied(sound, folder)
    WRONG_RECORDS[which](moments, content)
    text = json.dumps(content)
    if which == "deep":
        levels = int(content["config"]["a"].removeprefix("DEEP"))
        text = text.replace(f'"{content["config"]["a"]}"', "[" * levels + "]" * levels)
    path.write_text(text, encoding="utf-8")
    return _told(moments, path)


def _told(moments: random.Random, path: Path) -> Case:
    """A results folder is judged or summed up; what cannot be read is named, and the rest still counts."""
    command = ["verify", "results"]
    if path.is_file() and moments.random() < 0.5:
        command = ["status", "--results", "results"]
    return Case(command, path.name, (0, 1, 2))


RECORD_BYTES: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "cut": lambda m, whole: whole[: m.randrange(len(whole) - 3)],
    "noise": lambda m, whole: b"{" + noise(m, m.randint(1, 5000)),
    "latin": lambda m, whole: whole.replace(b"tiny", b"t\xe9ny"),
    "nested": lambda m, whole: b'{"schema_version":' * m.randint(500, 100_000),
    "number": lambda m, whole: b'{"schema_version": ' + b"9" * m.randint(5000, 50_000) + b"}",
    "empty": lambda m, whole: b"" if m.random() < 0.5 else b"null",
    "zeros": lambda m, whole: bytes(m.randint(1, 10_000)),
}


@of_kind("records", *RECORD_BYTES)
def record_bytes(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    path, _ = copied(sound, folder)
    path.write_bytes(RECORD_BYTES[which](moments, path.read_bytes()))
    return _told(moments, path)


@of_kind("records", "folder", "pipe", "device", "huge", "loop")
def no_record(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    """Something else in a record's place."""
    path, _ = copied(sound, folder)
    path.unlink()
    _put(path, which)
    return _told(moments, path)


def _put(path: Path, which: str) -> None:
    if which == "folder":
        path.mkdir()
    elif which == "pipe":
        os.mkfifo(path)
    elif which == "device":
        path.symlink_to("/dev/zero")
    elif which == "loop":
        path.symlink_to(path.name)
    else:
        with path.open("wb") as file:
            file.truncate(70 * 2**20)


@of_kind("predictions", *ARRAYS)
def wrong_arrays(moments: random.Random, folder: Path, sound: Sound, kind: str) -> Case:
    """Arrays beside a record that names them with their true digest, so that they are looked at."""
    content = ARRAYS[kind](moments)
    return _with_arrays(moments, folder, sound, lambda path: path.write_bytes(content) and None, content)


@of_kind("predictions", "folder", "pipe", "device", "loop")
def no_arrays(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    return _with_arrays(moments, folder, sound, lambda path: _put(path, which))


@of_kind("predictions", "../../../evil.npz", "/etc/passwd", "a/b.npz", "..", "\0", "x" * 5000)
def arrays_elsewhere(moments: random.Random, folder: Path, sound: Sound, name: str) -> Case:
    """A record that names arrays outside its folder."""
    path, content = copied(sound, folder)
    content["predictions_file"] = name
    path.write_text(json.dumps(content), encoding="utf-8")
    return Case(["verify", "results"], path.stem, (1, 2))


def _with_arrays(
    moments: random.Random, folder: Path, sound: Sound, put: Callable[[Path], None], content: bytes = b""
) -> Case:
    path, record = copied(sound, folder)
    part = moments.choice(["predictions", "validation"])
    file = path.with_name(record[f"{part}_file"])
    file.unlink()
    put(file)
    record[f"{part}_sha256"] = hashlib.sha256(content).hexdigest()
    path.write_text(json.dumps(record), encoding="utf-8")
    if part == "predictions":
        return Case(["verify", "results"], path.stem, (0, 1, 2))
    command = ["select", "--results", "results", "--rule", "infomax", "--runs", "--jobs", "1"]
    return Case(command, file.name, (0, 1, 2))


def picture(path: Path, moments: random.Random, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.frombuffer(noise(moments, 30 * 30 * 3), np.uint8).reshape(30, 30, 3)).save(
        path, **options
    )
    return path


def folders(moments: random.Random, folder: Path) -> Path:
    """A suite of four images in class folders; returns one of the images."""
    for domain in ("left", "right"):
        for name in ("cat", "dog"):
            last = picture(folder / domain / name / "1.png", moments)
    content = {
        "name": "mine", "title": "Mine", "loader": "files",
        "domains": {name: {"short": name[0], "paths": {"all": name}} for name in ("left", "right")},
    }  # fmt: skip
    (folder / "my.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return last


LISTS: dict[str, Callable[[random.Random], str | bytes]] = {
    "no label": lambda m: "left/cat/1.png\n" * m.randint(1, 9),
    "words": lambda m: f"left/cat/1.png {m.choice(['one', '-1', '1.5', '²', '0x1', '1e3', 'NaN'])}",
    "huge label": lambda m: f"left/cat/1.png {m.choice([999_999_999, 10**30, 5])}",
    "nowhere": lambda m: f"{m.choice(['nowhere', '../' * 30, '/etc', '~root', 'x' * 5000])}/1.png 0",
    "twice": lambda m: "left/cat/1.png 0\n" * m.randint(2, 50),
    "device": lambda m: "left/cat/1.png 0\n/dev/zero 0\n",
    "absolute device": lambda m: (
        f"{os.getcwd()}/left/cat/1.png 0\n/dev/{m.choice(['zero', 'stdin', 'tty'])} 0\n"
    ),
    "other file": lambda m: f"{os.getcwd()}/left/cat/1.png 0\n/etc/passwd 1\n",
    "empty": lambda m: "\n " * m.randint(0, 9),
    "noise": lambda m: b"\xff" + noise(m, m.randint(1, 5000)),
    "nul": lambda m: "left/\0cat/1.png 0",
    "long": lambda m: "a" * m.randint(10**6, 10**7),
    "escape": lambda m: "\x1b[2J\x1b]0;evil\x07",
}


@of_kind("image lists", *LISTS)
def image_list(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    folders(moments, folder)
    text = LISTS[which](moments)
    (folder / "left.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    content = yaml.safe_load((folder / "my.yaml").read_text(encoding="utf-8"))
    content["domains"]["left"]["paths"]["all"] = "left.txt"
    content["classes"] = ["cat", "dog"]
    (folder / "my.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    elsewhere = {"absolute device": "/dev/", "other file": "/etc/passwd"}
    return Case(["data", "check", "my.yaml"], elsewhere.get(which, "left"), (1, 2))


@of_kind("image lists", "folder", "pipe", "device", "loop")
def no_list(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    case = image_list(moments, folder, sound, "empty")
    (folder / "left.txt").unlink()
    _put(folder / "left.txt", which)
    return case


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG that claims a size, with some chunks."""
    first = (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    parts = [
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in (first, *chunks)
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def zeros(size: int) -> bytes:
    """So many zeros, packed."""
    packer = zlib.compressobj(1)
    pieces = [packer.compress(bytes(2**20)) for _ in range(size // 2**20)]
    return b"".join([*pieces, packer.compress(bytes(size % 2**20)), packer.flush()])


END = (b"IEND", b"")
IMAGES: dict[str, Callable[[random.Random], bytes]] = {
    "noise": lambda m: noise(m, m.randint(0, 5000)),
    "page": lambda m: b"<html>sign in</html>" * m.randint(1, 50),
    "program": lambda m: (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%touch evil) (w) file\nshowpage\n"
    ),
    "vector": lambda m: b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "too many pixels": lambda m: png(m.randint(9500, 65_000), m.randint(9500, 65_000), (b"IDAT", b""), END),
    "true bomb": lambda m: png(12_000, 12_000, (b"IDAT", zeros(12_000 * 36_001)), END),
    "negative": lambda m: png(2**31 + m.randint(0, 9), 4, END),
    "no data": lambda m: png(m.randint(1, 3000), m.randint(1, 3000), END),
    "text bomb": lambda m: png(9, 9, (b"zTXt", b"k\0\0" + zeros(80 * 2**20)), END),
    "nothing": lambda m: b"",
}


@of_kind("images", *IMAGES)
def wrong_image(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    path = folders(moments, folder)
    path.write_bytes(IMAGES[which](moments))
    return Case(["data", "check", "my.yaml"], str(Path("right") / "dog" / "1.png"), (1, 2))


@of_kind("images", "JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
def cut_image(moments: random.Random, folder: Path, sound: Sound, kind: str) -> Case:
    path = folders(moments, folder)
    picture(path, moments, format=kind)
    content = path.read_bytes()
    path.write_bytes(content[: moments.randrange(len(content) * 8 // 10)])
    return Case(["data", "check", "my.yaml"], str(Path("right") / "dog" / "1.png"), (1, 2))


@of_kind("images", "pipe", "device", "huge", "loop")
def no_image(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    path = folders(moments, folder)
    path.unlink()
    _put(path, which)
    if which == "huge":
        with path.open("r+b") as file:
            file.truncate(300 * 2**20)
    return Case(["data", "check", "my.yaml"], str(Path("right") / "dog"), (1, 2))


OUTSIDE = ["../evil", "a/../../evil", "/{}/evil", "..\\evil", "C:\\evil", "\\evil", "./../evil"]


@of_kind("archives", *[(kind, name) for kind in ("tar", "zip") for name in OUTSIDE])
def leads_outside(moments: random.Random, folder: Path, sound: Sound, which: tuple[str, str]) -> Case:
    kind, name = which
    name = name.format(folder.parent.as_posix().strip("/"))
    return _archive(folder, kind, {"good": noise(moments, 9), name: b"evil"}, moments)


def _archive(folder: Path, kind: str, members: dict[str, bytes], moments: random.Random) -> Case:
    path = folder / "a.archive"
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in members.items():
                file.writestr(name, content)
    else:
        with tarfile.open(path, moments.choice(["w", "w:gz", "w:bz2", "w:xz"])) as tar:
            for name, content in members.items():
                header = tarfile.TarInfo(name)
                header.size = len(content)
                tar.addfile(header, io.BytesIO(content))
    return _fetch()


def _fetch() -> Case:
    return Case(["data", "fetch", "office31", "--data", "data", "--archive", "a.archive"], "a.archive")


LINKS = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]


@of_kind("archives", *LINKS)
def link_in_a_tar(moments: random.Random, folder: Path, sound: Sound, kind: bytes) -> Case:
    with tarfile.open(folder / "a.archive", "w") as file:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = kind, moments.choice(["/etc", "..", "../../evil", "/dev/zero"])
        file.addfile(info)
        inside = tarfile.TarInfo("link/evil")
        inside.size = 1
        file.addfile(inside, io.BytesIO(b"x"))
    return _fetch()


@of_kind("archives")
def link_in_a_zip(moments: random.Random, folder: Path, sound: Sound) -> Case:
    info = zipfile.ZipInfo("link")
    info.external_attr = (moments.choice([stat.S_IFLNK, stat.S_IFIFO, stat.S_IFBLK]) | 0o777) << 16
    with zipfile.ZipFile(folder / "a.archive", "w") as file:
        file.writestr(info, "/etc")
    return _fetch()


@of_kind("archives", "tar", "zip")
def bomb(moments: random.Random, folder: Path, sound: Sound, kind: str) -> Case:
    content = bytes(moments.randint(70, 90) * 2**20)
    if kind == "zip":
        return _archive(folder, kind, {"zeros": content}, moments)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        header = tarfile.TarInfo("zeros")
        header.size = len(content)
        file.addfile(header, io.BytesIO(content))
    (folder / "a.archive").write_bytes(gzip.compress(buffer.getvalue(), 1))
    return _fetch()


@of_kind("archives", tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
def long_header(moments: random.Random, folder: Path, sound: Sound, kind: bytes) -> Case:
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, moments.randint(2, 400) * 2**20
    content = info.tobuf(tarfile.GNU_FORMAT) + bytes(min(info.size, 50 * 2**20))
    (folder / "a.archive").write_bytes(gzip.compress(content, 1))
    return _fetch()


@of_kind("archives", "noise", "page", "cut tar", "cut zip", "twice", "nothing", "pipe", "folder")
def no_archive(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    path = folder / "a.archive"
    if which in ("pipe", "folder"):
        _put(path, which)
    elif which == "twice":
        with tarfile.open(path, "w") as file:
            for _ in range(2):
                file.addfile(tarfile.TarInfo("same"), io.BytesIO())
    elif which.startswith("cut"):
        _archive(folder, which[4:], {f"{k}.jpg": noise(moments, 5000) for k in range(8)}, moments)
        content = path.read_bytes()
        path.write_bytes(content[: moments.randint(len(content) // 10, len(content) // 2)])
    else:
        path.write_bytes({"noise": noise(moments, 2000), "page": b"<html></html>", "nothing": b""}[which])
    return _fetch()
