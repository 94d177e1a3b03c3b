"""Makers of image lists, images, and the files of MNIST and USPS that are none."""

import bz2
import gzip
import os
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from hostile import Case, Sound, dumped, noise, of_kind, put, run, shell, word
from PIL import Image

__all__: list[str] = []
CHECK = ("data", "check", "my.yaml")


def picture(path: Path, moments: random.Random, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.frombuffer(noise(moments, 30 * 30 * 3), np.uint8).reshape(30, 30, 3)
    Image.fromarray(pixels).save(path, **options)
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
    dumped(folder / "my.yaml", content)
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
    dumped(folder / "my.yaml", content)
    elsewhere = {"absolute device": "/dev/", "other file": "/etc/passwd"}
    command = moments.choice([[*CHECK], run("--suite", "my.yaml", "--method", "dann")])
    return Case(
        [*CHECK] if which in elsewhere or which == "device" else command, elsewhere.get(which, "left"), (1, 2)
    )


@of_kind("image lists", "folder", "pipe", "device", "loop")
def no_list(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    image_list(moments, folder, sound, "empty")
    (folder / "left.txt").unlink()
    put(folder / "left.txt", which, moments)
    return Case([*CHECK], "left", (1, 2))


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


def program(moments: random.Random) -> bytes:
    head = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
    return head + f"(%pipe%{shell(moments)}) (w) file\nshowpage\n".encode()


def true_bomb(moments: random.Random) -> bytes:
    side = moments.randint(9600, 12_000)
    return png(side, side, (b"IDAT", zeros(side * (3 * side + 1))), END)


END = (b"IEND", b"")
IMAGES: dict[str, Callable[[random.Random], bytes]] = {
    "noise": lambda m: noise(m, m.randint(0, 5000)),
    "page": lambda m: b"<html>sign in</html>" * m.randint(1, 50),
    "program": program,
    "vector": lambda m: b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "too many pixels": lambda m: png(m.randint(9500, 65_000), m.randint(9500, 65_000), (b"IDAT", b""), END),
    "true bomb": true_bomb,
    "negative": lambda m: png(2**31 + m.randint(0, 9), 4, END),
    "no data": lambda m: png(m.randint(1, 3000), m.randint(1, 3000), END),
    "text bomb": lambda m: png(9, 9, (b"zTXt", b"k\0\0" + zeros(m.randint(70, 90) * 2**20)), END),
    "nothing": lambda m: b"",
}


@of_kind("images", *IMAGES)
def wrong_image(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    path = folders(moments, folder)
    path.write_bytes(IMAGES[which](moments))
    return Case([*CHECK], "right/dog/1.png", (1, 2))


@of_kind("images", "JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
def cut_image(moments: random.Random, folder: Path, sound: Sound, kind: str) -> Case:
    path = folders(moments, folder)
    picture(path, moments, format=kind)
    content = path.read_bytes()
    path.write_bytes(content[: moments.randrange(len(content) * 8 // 10)])
    return Case([*CHECK], "right/dog/1.png", (1, 2))


@of_kind("images", "pipe", "device", "huge", "loop")
def no_image(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    path = folders(moments, folder)
    path.unlink()
    put(path, which, moments)
    if which == "huge":
        os.truncate(path, moments.randint(300, 400) * 2**20)
    return Case([*CHECK], "right/dog", (1, 2))


@of_kind("images", "noise", "other", "above", "deep", "long", "pipe")
def checksums(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    """Sums that were recorded, of strangers."""
    folders(moments, folder)
    file, digest = folder / "mine.sha256", noise(moments, 32).hex()
    texts = {
        "noise": noise(moments, moments.randint(1, 999)), "other": f"{digest}  left/cat/1.png\n".encode(),
        "above": f"{digest}  ../../../etc/passwd\n".encode(), "long": b"a" * moments.randint(10**6, 10**7),
        "deep": b"\0" * moments.randint(1, 999),
    }  # fmt: skip
    if which == "pipe":
        put(file, which, moments)
    else:
        file.write_bytes(texts[which])
    named = {"other": "left/cat/1.png", "above": "passwd"}.get(which, "mine.sha256")
    return Case([*CHECK], named, (1, 2))


def digits(folder: Path, name: str, content: bytes, size: int = 0) -> None:
    """The digits' folder, with a file that may be sparse."""
    path = folder / "data" / "digits" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if size:
        os.truncate(path, size)


def idx(kind: int, *sizes: int) -> bytes:
    return struct.pack(f">I{len(sizes)}I", kind, *sizes)


DIGITS = (
    "images",
    "sparse",
    "packed",
    "noise",
    "labels",
    "usps bomb",
    "usps words",
    "usps noise",
    "usps pipe",
)


@of_kind("images", *DIGITS)
def wrong_digits(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    raw, count = "MNIST/raw/train-images-idx3-ubyte", moments.randint(10**6, 10**8)
    labels = idx(2049, 60_000) + bytes(60_000)
    if which.startswith("usps"):
        lines = {
            "usps bomb": b"1 ", "usps pipe": b"",
            "usps words": f"{word(moments)} 1:{word(moments)}\n".encode() * moments.randint(1, 99),
            "usps noise": noise(moments, moments.randint(1, 5000)),
        }[which]  # fmt: skip
        more = bz2.compress(b"1:0.5 " * 170_000) * moments.randint(45, 60) if which == "usps bomb" else b""
        digits(folder, "usps.bz2", bz2.compress(lines) + more)
        digits(folder, "usps.t.bz2", bz2.compress(b"1 1:0.5\n"))
        named = "usps.bz2"
    else:
        digits(folder, "MNIST/raw/train-labels-idx1-ubyte", labels if which != "labels" else idx(2049, count))
        whole = idx(2051, count, 28, 28)
        if which == "packed":
            digits(folder, f"{raw}.gz", gzip.compress(whole + bytes(moments.randint(65, 90) * 2**20), 1))
        else:
            size = moments.randint(700, 900) * 2**20 if which == "sparse" else 0
            digits(folder, raw, noise(moments, 99) if which == "noise" else whole, size)
        for name in ("images-idx3", "labels-idx1"):
            digits(folder, f"MNIST/raw/t10k-{name}-ubyte", noise(moments, 20))
        named = "train-"
    if which == "usps pipe":
        (folder / "data" / "digits" / "usps.bz2").unlink()
        put(folder / "data" / "digits" / "usps.bz2", "pipe", moments)
        return Case(["data", "check", "digits", "--data", "data"], "", (1, 2))
    return Case(["data", "check", "digits", "--data", "data"], named, (1, 2))
