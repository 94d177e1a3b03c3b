"""Makers of files of arrays: bombs, pickles, headers that lie; as images of a suite and beside records."""

import hashlib
import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hostile import WRITTEN, Case, Payload, Sound, copied, dumped, manifest, noise, of_kind, put, run, word
from hostile_suites import paths

__all__ = ["ARRAYS"]

ARRAYS: dict[str, Callable[[random.Random], bytes]] = {}
NAMES = ("steps", "predictions", "labels", "images", "target_logits", "target_features", "probabilities")


def arrays(make: Callable[[random.Random], bytes]) -> Callable[[random.Random], bytes]:
    """Register a file of arrays that is none."""
    ARRAYS[make.__name__] = make
    return make


def npz(members: dict[str, Any], pickle: bool = False) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, value in members.items():
            with file.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, np.asanyarray(value), allow_pickle=pickle)
    return buffer.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode("latin1")


def described(shape: str, kind: str = "<f8") -> bytes:
    return header(f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n")


def of_all(content: bytes) -> bytes:
    """A file whose every array is these bytes."""
    return zipped({f"{name}.npy": content for name in NAMES})


@arrays
def any_bytes(moments: random.Random) -> bytes:
    return noise(moments, moments.randint(0, 5000))


@arrays
def truncated(moments: random.Random) -> bytes:
    whole = npz({name: np.arange(500) * moments.randint(1, 9) for name in NAMES})
    return whole[: moments.randrange(len(whole) - 1)]


@arrays
def pickled(moments: random.Random) -> bytes:
    return npz({name: np.array([Payload(moments)], dtype=object) for name in NAMES}, pickle=True)


@arrays
def pickle_alone(moments: random.Random) -> bytes:
    """No arrays at all: what ``numpy.load`` unpickles as a whole."""
    import pickle

    return pickle.dumps(Payload(moments), protocol=moments.randint(0, 5))


@arrays
def bomb(moments: random.Random) -> bytes:
    size = moments.randint(300, 400) * 2**20
    buffer, block = io.BytesIO(), bytes(2**20)
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for name in ("target_logits", "images"):
            with file.open(f"{name}.npy", "w") as member:
                member.write(described(f"({size},)", "|u1"))
                for _ in range(size // 2**20):
                    member.write(block)
    return buffer.getvalue()


@arrays
def paid_bomb(moments: random.Random) -> bytes:
    """What nobody asked for, made honest by as much noise as the ratio of a bomb asks for."""
    buffer, block = io.BytesIO(), bytes(2**20)
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        file.writestr(zipfile.ZipInfo("pad.bin"), noise(moments, 11 * 2**20))
        for name in ("images", "target_logits", "source_logits"):
            with file.open(f"{name}.npy", "w", force_zip64=True) as member:
                member.write(described(f"({800 * 2**20},)", "|u1"))
                for _ in range(800):
                    member.write(block)
    return buffer.getvalue()


@arrays
def long_header(moments: random.Random) -> bytes:
    """A header of version 2, whose length has no limit."""
    size, buffer, block = moments.randint(600, 1000) * 2**20, io.BytesIO(), b" " * 2**20
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        with file.open("images.npy", "w", force_zip64=True) as member:
            member.write(b"\x93NUMPY\x02\x00" + struct.pack("<I", size))
            for _ in range(size // 2**20):
                member.write(block)
        file.writestr("labels.npy", b"x")
    return buffer.getvalue()


@arrays
def lying_header(moments: random.Random) -> bytes:
    huge = f"({moments.randrange(10**11, 10**12)},)"
    shape = moments.choice([huge, "(-1,)", "(2**63,)", "(1, 2, 3, 4, 5, 6, 7, 8, 9)", "'x'", "('a',)"])
    return of_all(described(shape) + noise(moments, 16))


@arrays
def strange_header(moments: random.Random) -> bytes:
    text = moments.choice([
        f"__import__('os').system('{word(moments)}')", "(" * moments.randint(100, 9000), "{'shape': (1,)}",
        "\0" * moments.randint(1, 99), "{'descr': '<f8', 'fortran_order': False, 'shape': ((((  ",
        f"{{'descr': '{word(moments)}', 'fortran_order': False, 'shape': (1,), }}",
    ])  # fmt: skip
    return of_all(header(text) + noise(moments, 8))


@arrays
def objects(moments: random.Random) -> bytes:
    """A header that says objects, and a pickle that runs code behind it."""
    import pickle

    return of_all(described("(1,)", "|O") + pickle.dumps(Payload(moments)))


@arrays
def strange_names(moments: random.Random) -> bytes:
    name = moments.choice(["../executed.npy", "/executed.npy", "a\\b.npy", "x"])
    return zipped({name: noise(moments, 100)})


@arrays
def wrong_types(moments: random.Random) -> bytes:
    value = moments.choice([
        np.array([word(moments)]), np.array([1j * moments.random()]),
        np.zeros((2, 2, 2, moments.randint(1, 9))),
        np.float64(moments.random()), np.empty((0, moments.randint(0, 99))),
        np.array([moments.random(), np.nan]),
    ])  # fmt: skip
    return npz(dict.fromkeys(NAMES, value))


def patched(moments: random.Random, at: bytes, offset: int, value: bytes) -> bytes:
    """A sound file with some bytes changed, so many after a mark."""
    content = bytearray(of_all(described("(3,)") + noise(moments, 24)))
    place = content.index(at) + offset
    content[place : place + len(value)] = value
    return bytes(content)


@arrays
def no_method(moments: random.Random) -> bytes:
    """A way of packing that nobody knows."""
    return patched(moments, b"PK\x01\x02", 10, bytes([moments.randint(20, 90)]))


@arrays
def encrypted(moments: random.Random) -> bytes:
    return patched(moments, b"PK\x01\x02", 8, b"\x01")


@arrays
def broken_stream(moments: random.Random) -> bytes:
    return patched(moments, b"steps.npy", 20, b"\xff" * moments.randint(20, 50))


@of_kind("arrays", *ARRAYS)
def suite_of_arrays(moments: random.Random, folder: Path, sound: Sound, kind: str) -> Case:
    """The images of a suite in such a file."""
    (folder / "bad.npz").write_bytes(ARRAYS[kind](moments))
    dumped(folder / "my.yaml", manifest(moments, sound) | {"domains": paths("bad.npz")})
    command = moments.choice([run("--suite", "my.yaml", "--method", "dann"), ["data", "check", "my.yaml"]])
    return Case(command, "bad.npz", (1, 2))


@of_kind("arrays", *ARRAYS)
def status_of_arrays(moments: random.Random, folder: Path, sound: Sound, kind: str) -> Case:
    """The state of such a suite is told, whatever the file is."""
    (folder / "bad.npz").write_bytes(ARRAYS[kind](moments))
    dumped(folder / "my.yaml", manifest(moments, sound) | {"domains": paths("bad.npz")})
    return Case(["data", "status", "my.yaml"], codes=(0, 1, 2))


@of_kind("predictions", *ARRAYS)
def wrong_arrays(moments: random.Random, folder: Path, sound: Sound, kind: str) -> Case:
    """Arrays beside a record that names them with their true digest, so that they are looked at."""
    content = ARRAYS[kind](moments)
    return _with_arrays(moments, folder, sound, lambda path: path.write_bytes(content), content)


@of_kind("predictions", "folder", "pipe", "device", "loop", "huge")
def no_arrays(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    return _with_arrays(moments, folder, sound, lambda path: put(path, which, moments))


NOWHERE: dict[str, Callable[[random.Random], str]] = {
    "above": lambda m: "../" * m.randint(1, 20) + f"{word(m)}.npz", "root": lambda m: f"/etc/{word(m)}",
    "below": lambda m: f"{word(m)}/b.npz", "folder": lambda m: m.choice(["..", ".", ""]),
    "nul": lambda m: f"{word(m)}\0", "long": lambda m: "x" * m.randint(300, 9000),
}  # fmt: skip


@of_kind("predictions", *NOWHERE)
def arrays_elsewhere(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    """A record that names arrays outside its folder."""
    path, content, layout = copied(moments, folder, sound)
    content["predictions_file"] = NOWHERE[which](moments)
    content["timing"]["total_seconds"] = moments.random()
    path.write_text(json.dumps(content), encoding="utf-8")
    return Case(["verify", "results", "--jobs", "1"], path.stem, (1, 2), layout)


def _with_arrays(
    moments: random.Random, folder: Path, sound: Sound, place: Callable[[Path], object], content: bytes = b""
) -> Case:
    path, record, layout = copied(moments, folder, sound)
    part = moments.choice(["predictions", "validation"])
    file = path.with_name(record[f"{part}_file"])
    file.unlink()
    place(file)
    record[f"{part}_sha256"] = hashlib.sha256(content).hexdigest()
    path.write_text(json.dumps(record), encoding="utf-8")
    if part == "predictions":  # what is no file leaves a record as the word of who made it
        codes = (1, 2) if content else (0, 1, 2)
        return Case(["verify", "results", "--jobs", "1"], path.stem, codes, layout)
    command = ["select", "--results", "results", "--rule", moments.choice(["infomax", "snd"]), "--runs"]
    return Case([*command, "--jobs", "1"], file.name, (0, 1, 2), layout, outputs=WRITTEN)


@of_kind("predictions", *ARRAYS)
def page_of_arrays(moments: random.Random, folder: Path, sound: Sound, kind: str) -> Case:
    """A table is made by a rule that reads them."""
    path, record, layout = copied(moments, folder, sound)
    file, content = path.with_name(record["validation_file"]), ARRAYS[kind](moments)
    file.write_bytes(content)
    record["validation_sha256"] = hashlib.sha256(content).hexdigest()
    path.write_text(json.dumps(record), encoding="utf-8")
    path.with_name(f"{path.stem}.scores.json").unlink(missing_ok=True)
    command = ["leaderboard", "--results", "results", "--select", "infomax", "--format", "csv"]
    return Case(command, "", (0, 1, 2), layout, outputs=WRITTEN)
