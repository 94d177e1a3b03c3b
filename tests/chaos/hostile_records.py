"""Makers of records that are none, are too large, or something else in a record's place."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hostile import Case, Sound, copied, noise, of_kind, put, told, word

__all__: list[str] = []

Content = dict[str, Any]
REQUIRED = (
    "run_id", "status", "suite", "task", "source", "target", "method", "backbone", "seed", "protocol",
    "metric",
)  # fmt: skip
LEVELS = "LEVELS"
BIG = 2**53
WRONG_RECORDS: dict[str, Callable[[random.Random, Content], object]] = {
    "missing": lambda m, c: c.pop(m.choice([*REQUIRED, "config"])),
    "type": lambda m, c: c.update({m.choice(REQUIRED): m.choice([{}, [m.random()], None, m.random()])}),
    "extra": lambda m, c: c.update({f"key{m.random()}": 1}),
    "number": lambda m, c: c.update(value=m.choice([87 + m.random(), -1, float("nan"), float("inf"), "x"])),
    "percentage": lambda m, c: c["metrics"].update(accuracy=m.uniform(2, 100)),
    "status": lambda m, c: c.update(m.choice([{"status": "failed"}, {"metrics": None}, {"evaluations": []}])),
    "schema": lambda m, c: c.update(schema_version=m.choice([0, m.randint(2, 999), "1", None, [1]])),
    "identity": lambda m, c: c.update(run_id=m.choice(["../../evil", "x" * 16, "", "0" * 15, "A" * 16])),
    "deep": lambda m, c: c.update(config={"a": f"{LEVELS}{m.randint(2000, 50_000)}"}),
    "deep enough": lambda m, c: c["suite_info"].update(a=f"{LEVELS}{m.randint(200, 900)}"),
    "digits": lambda m, c: c.update(oracle_step="9" * m.randint(5000, 50_000)),
    "escape": lambda m, c: c.update(method="\x1b[2J" * m.randint(1, 9), status="\x1b[31m"),
    "seconds": lambda m, c: c["timing"].update(total_seconds=m.choice([1e308, 1e11 * (1 + m.random())])),
    "training": lambda m, c: c["timing"].update(training_seconds=m.uniform(1e12, 1e300)),
    "memory": lambda m, c: c["timing"].update(peak_memory_bytes=m.randint(BIG, 10**30)),
    "step": lambda m, c: c["evaluations"][-1].update(step=m.randint(2**64, 2**80)),
    "oracle": lambda m, c: c.update(oracle_step=m.randint(2**63, 2**80)),
    "losses": lambda m, c: c["evaluations"][0].update(losses={word(m): float(m.choice(["nan", "inf"]))}),
    "confusion": lambda m, c: c["metrics"].update(confusion=[[m.randint(BIG, 2**70)] * 3] * 3),
    "negative": lambda m, c: c["metrics"].update(confusion=[[-m.randint(1, 9)] * 3] * 3),
    "seed": lambda m, c: c.update(seed=m.choice([-1, m.randint(2**31, 2**70)])),
    "classes": lambda m, c: c["suite_info"].update(classes=[*map(str, range(m.randint(30_000, 90_000)))]),
    "tasks": lambda m, c: c["suite_info"].update(tasks=[f"t{k}" for k in range(m.randint(30_000, 90_000))]),
}  # fmt: skip


@of_kind("records", *WRONG_RECORDS)
def wrong_record(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    path, content, layout = copied(moments, folder, sound)
    content["command"] = f"dabench run --method {word(moments)}"
    WRONG_RECORDS[which](moments, content)
    text = json.dumps(content)
    if LEVELS in text:
        inside = text[text.index(f'"{LEVELS}') :].split('"')[1]
        levels = int(inside.removeprefix(LEVELS))
        text = text.replace(f'"{inside}"', "[" * levels + "]" * levels)
    path.write_text(text, encoding="utf-8")
    return told(moments, path.name, layout)


def many(moments: random.Random, whole: bytes) -> bytes:
    """Few bytes a value, and millions of them."""
    values = b"{}," * 10**6 * moments.randint(2, 3) + json.dumps({word(moments): 1}).encode()
    return whole.replace(b'"config": {', b'"config": {"a": [' + values + b"], ")


RECORD_BYTES: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "cut": lambda m, whole: whole[: m.randrange(len(whole) - 3)],
    "noise": lambda m, whole: b"{" + noise(m, m.randint(1, 5000)),
    "latin": lambda m, whole: whole.replace(b"tiny", b"t\xe9ny" + word(m).encode()),
    "nested": lambda m, whole: b'{"schema_version":' * m.randint(500, 100_000),
    "number": lambda m, whole: b'{"schema_version": ' + b"9" * m.randint(5000, 50_000) + b"}",
    "empty": lambda m, whole: m.choice([b"", b"null", b" "]) + b"\n" * m.randint(0, 999),
    "zeros": lambda m, whole: bytes(m.randint(1, 10_000)),
    "many": lambda m, whole: many(m, whole),
    "twice": lambda m, whole: whole + whole[: m.randint(1, 900)],
}  # fmt: skip


@of_kind("records", *RECORD_BYTES)
def record_bytes(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    path, _, layout = copied(moments, folder, sound)
    path.write_bytes(RECORD_BYTES[which](moments, path.read_bytes()))
    return told(moments, path.name, layout)


@of_kind("records", "folder", "pipe", "device", "huge", "loop")
def no_record(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    """Something else in a record's place."""
    path, _, layout = copied(moments, folder, sound)
    path.unlink()
    put(path, which, moments)
    command = ["verify"] if which in ("folder", "device", "loop") else []
    return told(moments, path.name, layout, *command)


@of_kind("records", "against", "reruns", "csv")
def compared_with(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    """What a page is compared with: a folder of records, or the table of an older page."""
    if which == "csv":
        (folder / "old.csv").write_bytes(_table(moments))
        words = ["--against", "old.csv"]
        return Case(_page(sound, words), "old.csv", (2,), outputs=("site", "site/*"))
    path, content, _ = copied(moments, folder, sound)
    how = moments.choice(list(WRONG_RECORDS.values())[:5])
    how(moments, content)
    path.write_text(json.dumps(content), encoding="utf-8")
    return Case(_page(sound, [f"--{which}", "results"]), path.name, (0, 1, 2), outputs=("site", "site/*"))


def _table(moments: random.Random) -> bytes:
    return moments.choice([
        noise(moments, moments.randint(1, 5000)), b"a,b\n" + b'"' + word(moments).encode() * 99,
        b"\0" * moments.randint(1, 999), b"method," * moments.randint(2, 50_000), b"",
        f"suite,task,method,seed,value\n{word(moments)},x,y,z,{'9' * moments.randint(1, 5000)}\n".encode(),
    ])  # fmt: skip


def _page(sound: Sound, words: list[str]) -> list[str]:
    return ["leaderboard", "--results", str(sound.results), "--out", "site", "--pages", "tables", *words]


@of_kind("records", "text", "chain", "pipe", "huge", "deep", "link")
def ledger(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    """The list of what changed in a results folder."""
    path, _, layout = copied(moments, folder, sound)
    file = folder / "results" / "ledger.jsonl"
    if which in ("pipe", "huge"):
        put(file, which, moments)
    elif which == "link":
        file.symlink_to(path)
    else:
        lines = {"text": word(moments), "chain": json.dumps({"previous": "0" * 64, word(moments): 1})}
        file.write_text(lines.get(which, "[" * moments.randint(2000, 90_000)) + "\n", encoding="utf-8")
    words = ["verify", "results", "--jobs", "1", "--ledger", "results/ledger.jsonl"]
    return Case(words, "ledger", (1, 2), layout)
