"""Makers of what a real run finds in a results folder: checkpoints, claims, lists, journals of searches."""

import json
import random
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from hostile import RUN, TUNE, Case, Payload, Sound, lay, noise, of_kind, put, records, shell, word

__all__ = ["as_sound", "killed", "real_run"]
ANYTHING = ("results", "results/*")
TIMES = ("timing", "environment", "code", "command")


def as_sound(expected: Path, folder: Path, said: str) -> str:
    """The run's record is that of an undisturbed run, but for times."""
    found = records(folder / "results")
    wanted = _without_times(expected)
    if len(found) != 1:
        return f"{len(found)} records, expected one"
    content = _without_times(found[0])
    differing = [key for key in wanted if content.get(key) != wanted[key]]
    return f"the record differs in {differing}" if differing else ""


def _without_times(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for evaluation in content["evaluations"] or ():
        evaluation.pop("seconds")
    return {key: value for key, value in content.items() if key not in TIMES}


def real_run(sound: Sound, *words: str, **changes: Any) -> Case:
    """A run that takes a tenth of a second; nothing may keep it from its end."""
    command = ["run", "--suite", str(sound.suite), *RUN, "--lease", "1", "--checkpoint-every", "0", *words]
    check = partial(as_sound, records(sound.run)[0])
    given: dict[str, Any] = {"codes": (0,), "outputs": ANYTHING, "check": check} | changes
    return Case(command, **given)


def killed(folder: Path, sound: Sound) -> tuple[Path, str]:
    """The folder of a killed run, and its record's stem."""
    lay("killed", folder, sound)
    stem = records(sound.run)[0].stem
    return folder / "results" / records(sound.run)[0].relative_to(sound.run).parent, stem


def saved(place: Path) -> Path:
    """The checkpoint of a killed run."""
    return next(place.glob(".*.safetensors"))


Change = Callable[[random.Random, dict[str, Any], dict[str, str]], object]
FACTS: dict[str, Change] = {
    "identity": lambda m, about, given: about["identity"].update({m.choice([*about["identity"]]): word(m)}),
    "step": lambda m, about, given: about.update(step=m.randint(5, 10**9)),
    "facts": lambda m, about, given: about.update(facts={word(m): [m.random()]}),
    "deep": lambda m, about, given: about.update(facts=f"LEVELS{m.randint(2000, 90_000)}"),
    "format": lambda m, about, given: given.update(format=word(m)),
    "none": lambda m, about, given: about.clear(),
    "numbers": lambda m, about, given: about.update(facts=_spoilt(m, about["facts"])),
}


def _spoilt(moments: random.Random, value: Any) -> Any:
    """The same with some leaves that are other things."""
    if isinstance(value, dict):
        return {key: _spoilt(moments, item) for key, item in value.items()}
    if isinstance(value, list):
        return [_spoilt(moments, item) for item in value]
    odd = [float("nan"), -1, 2**70, word(moments), None, [], {}, True]
    return moments.choice(odd) if moments.random() < 0.2 else value


@of_kind("checkpoints", *FACTS)
def forged(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    """A checkpoint whose facts are another's, with a true digest."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    from dabench.checkpoint import _digest

    place, _ = killed(folder, sound)
    path = saved(place)
    with safe_open(path, "pt") as file:
        given = dict(file.metadata())
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  no dict
    about = json.loads(given["about"])
    FACTS[which](moments, about, given)
    text = json.dumps(about)
    if "LEVELS" in text:
        levels = int(about["facts"].removeprefix("LEVELS"))
        text = text.replace(f'"{about["facts"]}"', "[" * levels + "]" * levels)
    save_file(tensors, path, given | {"about": text, "sha256": _digest(tensors, text)})
    return real_run(sound)


BYTES: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "noise": lambda m, whole: noise(m, m.randint(1, 5000)),
    "cut": lambda m, whole: whole[: m.randrange(len(whole) - 1)],
    "flipped": lambda m, whole: bytes(byte ^ (m.random() < 0.001) for byte in whole),
    "header": lambda m, whole: struct.pack("<Q", m.randint(2**26, 2**63)) + whole[8:],
    "small header": lambda m, whole: struct.pack("<Q", m.randint(0, 99)) + whole[8:],
    "empty": lambda m, whole: b"" * m.randint(0, 1),
    "json": lambda m, whole: (lambda text: struct.pack("<Q", len(text)) + text)(
        b"[" * m.randint(1000, 10**6)
    ),
    "lie": lambda m, whole: (lambda text: struct.pack("<Q", len(text)) + text)(
        json.dumps({word(m): {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    ),
}


@of_kind("checkpoints", *BYTES)
def damaged(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    place, _ = killed(folder, sound)
    path = saved(place)
    path.write_bytes(BYTES[which](moments, path.read_bytes()))
    return real_run(sound)


@of_kind("checkpoints", "pickle", "pipe", "folder", "device", "loop", "link", "many", "names")
def no_checkpoint(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    """Something else in a checkpoint's place."""
    import pickle

    place, stem = killed(folder, sound)
    path = saved(place)
    if which == "many":
        for step in moments.sample(range(2, 10**9), k=moments.randint(50, 200)):
            place.joinpath(f".{stem}.checkpoint-{step}.safetensors").write_bytes(noise(moments, 9))
        return real_run(sound)
    if which == "names":
        for name in ("0", "-1", "9" * 60, "1e3", "²"):
            place.joinpath(f".{stem}.checkpoint-{name}.safetensors").write_bytes(noise(moments, 9))
        return real_run(sound)
    path.unlink()
    if which == "pickle":
        path.write_bytes(pickle.dumps(Payload(moments)))
    elif which == "link":
        path.symlink_to(moments.choice([sound.suite, sound.suite.parent, Path("/etc/passwd")]))
    else:
        put(path, which, moments)
    return real_run(sound)


CLAIMS: dict[str, Callable[[random.Random, dict[str, Any]], bytes]] = {
    "noise": lambda m, claim: noise(m, m.randint(1, 5000)),
    "empty": lambda m, claim: b" " * m.randint(0, 600),
    "deep": lambda m, claim: b"[" * m.randint(1000, 100_000),
    "odd": lambda m, claim: json.dumps(
        claim | {m.choice([*claim]): m.choice([None, [], {}, "x", 1e99])}
    ).encode(),
    "numbers": lambda m, claim: json.dumps(
        claim | {"pid": m.choice([1, 0, -1, 2**40]), "deaths": m.choice([-5, 2**70]), "born": 2**65}
    ).encode(),
    "escape": lambda m, claim: json.dumps(
        claim | {"host": f"\x1b[2J{word(m)}\u202e", "token": "../.."}
    ).encode(),
    "lease": lambda m, claim: json.dumps(claim | {"lease": m.choice([-1.0, 1e300, 0])}).encode(),
}


@of_kind("claims", *CLAIMS, "pipe", "folder", "device", "loop")
def claim(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    """A claim of nobody: the run is made all the same, or it is said who has it."""
    place, stem = killed(folder, sound)
    path = place / f".{stem}.claim"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["host"] = word(moments)
    path.unlink()
    if which in CLAIMS:
        path.write_bytes(CLAIMS[which](moments, content))
    else:
        put(path, which, moments)
    if moments.random() < 0.3:
        return Case(["status", "--results", "results"], "", (0, 1), outputs=())
    return real_run(sound)


@of_kind("claims", "events", "scores", "parts", "sweeps", "forced", "weird")
def beside(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    """Files beside a run that are not what they are called."""
    place, stem = killed(folder, sound)
    hidden = folder / "results" / ".dabench"
    names = {
        "events": [place / f"{stem}.events.jsonl"], "scores": [place / f"{stem}.scores.json"],
        "parts": [place / f".{stem}.{word(moments)}.part",
            place / f".{stem}.claim.{noise(moments, 8).hex()}.part"],
        "sweeps": [hidden / "sweeps" / path.name for path in (hidden / "sweeps").iterdir()],
        "forced": [hidden / "forced" / f"{noise(moments, 6).hex()}.json"],
        "weird": [place / f"{stem}.json.part", place / f"{stem}.tensorboard", place / f"{stem}.traceback"],
    }[which]  # fmt: skip
    for path in names:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        what = moments.choice(["noise", "deep", "pipe", "link", "folder"])
        if what == "noise":
            path.write_bytes(noise(moments, moments.randint(1, 5000)))
        elif what == "deep":
            path.write_bytes(b"[" * moments.randint(1000, 90_000))
        elif what == "link":
            path.symlink_to(sound.suite.parent.parent / "all" / word(moments))
        else:
            put(path, what, moments)
    words = ("--force",) if which == "forced" else ()
    return real_run(sound, *words, codes=(0, 1, 2), check=None)


@of_kind("claims", "json", "noise", "folder", "pipe", "device")
def record_in_place(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    """Something that is no record where the run's own is to be."""
    place, stem = killed(folder, sound)
    path = place / f"{stem}.json"
    if which in ("json", "noise"):
        path.write_bytes(b"{}" if which == "json" else noise(moments, 999))
        place.joinpath(f"{word(moments)}.json").write_bytes(noise(moments, 99))
    else:
        put(path, which, moments)
    return real_run(sound, codes=(0, 1, 2), check=None)


TRIALS: dict[str, Callable[[random.Random], bytes]] = {
    "noise": lambda m: noise(m, m.randint(1, 5000)),
    "empty trial": lambda m: json.dumps({"trial": m.randint(0, 1), "values": {}, "numbers": {}}).encode(),
    "far": lambda m: json.dumps(
        {"trial": 1, "values": {}, "numbers": {"optimiser.lr": m.uniform(2, 1e9)}}
    ).encode(),
    "keys": lambda m: json.dumps({"trial": 1, "values": {word(m): "x"}, "numbers": {word(m): 0.5}}).encode(),
    "deep": lambda m: b'{"trial": ' * m.randint(1000, 90_000),
    "many": lambda m: b"".join(b'{"trial": %d, "values": {}}\n' % k for k in range(m.randint(9000, 90_000))),
    "code": lambda m: json.dumps(
        {"trial": 1, "values": {"weights": shell(m)}, "numbers": {"steps": 0.1}}
    ).encode(),
    "lines": lambda m: b"\n" * m.randint(1000, 10**6),
}


@of_kind("journals", *TRIALS, "pipe", "device", "folder", "link", "huge")
def journal(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    """A search goes on from a journal of a stranger, whatever it is called."""
    place = folder / "results"
    place.mkdir()
    path = place / sound.journal
    if which in TRIALS:
        path.write_bytes(TRIALS[which](moments))
    elif which == "link":
        path.symlink_to(sound.suite if moments.random() < 0.5 else sound.suite.parent / word(moments))
    else:
        put(path, which, moments)
    words = ["tune", "--suite", str(sound.suite), *TUNE, "--out", "recipes"]
    codes = (0,) if which in TRIALS else (0, 1, 2)
    return Case(words, "", codes, outputs=(*ANYTHING, "recipes", "recipes/*"))
