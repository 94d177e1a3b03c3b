"""Makers of results folders whose records are sound by their form and steer what reads them."""

import html.parser
import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from hostile import (
    CANARY,
    READERS,
    WRITTEN,
    Case,
    Sound,
    clean,
    every,
    lay,
    noise,
    of_kind,
    put,
    records,
    rewritten,
    word,
)

__all__ = ["page"]

Content = dict[str, Any]
TEXTS = ("suite", "method", "backbone", "protocol", "task", "source", "target", "command")
SCRIPT = f"<script>{CANARY}()</script>\"'><img src=x onerror={CANARY}()>"


def all_texts(change: Callable[[str], str], content: Content) -> None:
    for key in TEXTS:
        content[key] = change(content[key])


def steering(moments: random.Random) -> Callable[[Content], object]:
    sign = moments.choice(["\x1b[2J", "\x1b]0;evil\x07", "\u202e", "\x9b2J", "\r", "\x08\x08"])
    return lambda c: all_texts(lambda text: sign + text + sign, c)


def script(moments: random.Random) -> Callable[[Content], object]:
    """Markup in all that a page may show."""
    text = f"{SCRIPT}{word(moments)}"

    def change(content: Content) -> None:
        all_texts(lambda old: old + text, content)
        link = f"javascript:{CANARY}()"
        content["suite_info"] |= {"title": text, "homepage": link}
        content["method_info"] |= {"title": text, "paper": link, "source_sha256": text}
        content["provenance"] = {text: text}
        content["environment"] = {text: text, "hardware": text}
        content["code"] = {"commit": text, "url": link}
        content["config"][text] = text
        content["metrics"]["per_class"] = {
            text + key: v for key, v in content["metrics"]["per_class"].items()
        }

    return change


def pasted(moments: random.Random) -> Callable[[Content], object]:
    """Commands that a reader is to paste."""
    path = f"/tmp/{word(moments)}{CANARY}"
    bad = moments.choice([
        f"--method {path}.py", f"--set backbone_args.checkpoint_path={path}", f"--weights {path}.pth",
        f"--suite {path}.yaml", f"--recipe {path}.yaml; touch {path}", f"--results {path} --data {path}",
    ])  # fmt: skip

    def change(content: Content) -> None:
        content["command"] = f"dabench run --suite tiny {bad}"
        value = 0.6 + 0.01 * len(content["method"]) / 4 + moments.uniform(-0.01, 0.01)  # hardly told apart
        content.update(value=value, oracle=value)
        content["metrics"]["accuracy"] = content["metrics"]["mean_class_accuracy"] = value
        for evaluation in content["evaluations"]:
            evaluation["accuracy"] = evaluation["mean_class_accuracy"] = value

    return change


def odd(moments: random.Random) -> Callable[[Content], object]:
    """Free-form parts with other kinds of values than ours have."""
    value: Any = moments.choice([3, [1, 2], {"a": {}}, None, word(moments) * 1000, 1e308, True])
    parts = moments.sample(["config", "suite_info", "dataset", "environment", "method_info", "code"], k=2)

    def change(content: Content) -> None:
        for part in parts:
            for key in [*(content[part] or {})][: moments.randint(1, 30)]:
                content[part][key] = value

    return change


def empty(moments: random.Random) -> Callable[[Content], object]:
    keys = moments.sample(TEXTS, k=moments.randint(1, 4))
    return lambda c: c.update(dict.fromkeys(keys, "") | {"command": word(moments)})


def upwards(moments: random.Random) -> Callable[[Content], object]:
    name = "../" * moments.randint(1, 9) + word(moments)
    return lambda c: c.update(
        method=name, suite="..", task="/etc/passwd", predictions_file=f"{name}.npz", validation_file=name
    )


def failed(moments: random.Random) -> Callable[[Content], object]:
    text = moments.choice(["\x1b[2J[/red]", "", "\n\n\n", "\0", SCRIPT]) + word(moments)
    failure = {"kind": text, "message": text * moments.randint(1, 99), "traceback": text}
    return lambda c: c.update(status="failed", metrics=None, failure=failure)


WORDS: dict[str, Callable[[random.Random], Callable[[Content], object]]] = {
    "markup": lambda m: lambda c: c.update(suite=f"tiny\\[/{word(m, 2)}]"),
    "brackets": lambda m: lambda c: all_texts(lambda text: f"[/{word(m, 3)}][bold]{text}\\", c),
    "steering": steering, "script": script, "pasted": pasted, "odd": odd, "empty": empty, "upwards": upwards,
    "failed": failed,
}  # fmt: skip


def more_seeds(moments: random.Random, folder: Path) -> None:
    """Each record twice more, of other seeds: only then more of them are suggested."""
    for number, path in enumerate(records(folder / "results")):
        for seed in (2 + number % 2, 4 + number % 2):
            content = json.loads(path.read_text(encoding="utf-8"))
            content |= {"seed": seed, "run_id": noise(moments, 8).hex(), "value": moments.uniform(0.6, 0.63)}
            content["config"]["seed"] = seed
            for evaluation in content["evaluations"]:
                evaluation["accuracy"] = content["value"]
            content["metrics"]["accuracy"] = content["oracle"] = content["value"]
            other = path.with_name(f"seed{seed}-{content['run_id']}.json")
            other.write_text(json.dumps(content), encoding="utf-8")


PAGE = ("leaderboard", "--results", "results", "--out", "site", "--pages", "all")
COMMANDS: dict[str, tuple[str, ...]] = {
    **READERS,
    "json": ("status", "--results", "results", "--json"),
    "rules": ("select", "--results", "results", "--rule", "entropy", "--jobs", "1"),
    "page": PAGE, "markdown": ("leaderboard", "--results", "results", "--format", "markdown"),
    "suggest": ("suggest", "--results", "results", "--most", "50"),
    "compare": ("stats", "compare", "dann", "source_only", "--results", "results"),
}  # fmt: skip


class _Scripts(html.parser.HTMLParser):
    """Finds what a browser would run of ours."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag == "script" and ("type", "application/json") not in attrs
        for name, value in attrs:
            code = name.startswith("on") or (value or "").strip().lower().startswith(
                ("javascript:", "data:text")
            )
            if code and CANARY in (value or ""):
                self.found.append(f"{tag} {name}={value}")

    def handle_data(self, data: str) -> None:
        if self._inside and f"{CANARY}()" in data and "<script" not in data:
            self.found.append(data[:80])

    def handle_endtag(self, tag: str) -> None:
        self._inside = False


def page(folder: Path, said: str) -> str:
    """No page runs what a record holds, and nothing is there to be pasted."""
    for path in sorted((folder / "site").rglob("*.html")):
        reader = _Scripts()
        reader.feed(path.read_text(encoding="utf-8"))
        if reader.found:
            return f"{path.relative_to(folder)} runs {reader.found[0]!r:.200}"
    return clean(folder, said)


@of_kind("words", *[(kind, command) for kind in WORDS for command in COMMANDS])
def words(moments: random.Random, folder: Path, sound: Sound, which: tuple[str, str]) -> Case:
    """All records, or some of them, with such words."""
    kind, command = which
    few = 99 if kind == "pasted" else moments.choice([1, 4, 99])
    every(folder, sound, WORDS[kind](moments), few)
    if which == ("pasted", "suggest"):
        more_seeds(moments, folder)
    outputs = ("order.json", *WRITTEN)
    return Case([*COMMANDS[command]], "", (0, 1, 2), outputs=outputs, check=page)


LISTS: dict[str, Callable[[random.Random, Content], object]] = {
    "sweeps": lambda m, c: {"schema_version": 1, "runs": [{**c, "suite": "\x1b[2J"}] * m.randint(1, 99)},
    "above": lambda m, c: {"schema_version": 1, "runs": [{**c, "method": f"../../{word(m)}"}]},
    "keys": lambda m, c: {"schema_version": m.randint(2, 99), "runs": []},
    "none": lambda m, c: [word(m)],
    "identity": lambda m, c: {"schema_version": 1, "runs": [{**c, "run_id": word(m, 16)}]},
}


@of_kind("words", *LISTS, "noise", "deep", "pipe", "device", "folder")
def lists(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    """Lists of expected runs that are none."""
    record = lay("run", folder, sound)[0]
    content = json.loads(record.read_text(encoding="utf-8"))
    run = {key: content[key] for key in ("suite", "task", "method", "backbone", "seed", "run_id")}
    path = folder / "results" / ".dabench" / "sweeps" / f"{word(moments, 12)}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    if which in LISTS:
        path.write_text(json.dumps(LISTS[which](moments, run)), encoding="utf-8")
    elif which in ("noise", "deep"):
        text = noise(moments, 999) if which == "noise" else b"[" * moments.randint(2000, 200_000)
        path.write_bytes(text)
    else:
        put(path, which, moments)
    return Case(["status", "--results", "results"], path.stem, (0, 1, 2), "run")


@of_kind("words", "noise", "scores", "deep", "pipe", "device", "rules", "link")
def scores(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    """Stored scores of selection rules that are none: they are computed again."""
    path = lay("one:0", folder, sound)[0]
    file = path.with_name(f"{path.stem}.scores.json")
    file.unlink(missing_ok=True)
    if which in ("pipe", "device"):
        put(file, which, moments)
    elif which == "link":
        file.symlink_to(sound.suite.parent.parent / "all" / "none" / word(moments))
    else:
        text: dict[str, Any] = {
            "noise": word(moments), "deep": "[" * moments.randint(2000, 90_000),
            "scores": {"schema_version": 1, "run_id": path.stem[-16:], "rules": {word(moments): [1, 2]}},
            "rules": {"schema_version": moments.randint(2, 99), word(moments): {}},
        }  # fmt: skip
        file.write_text(
            text[which] if isinstance(text[which], str) else json.dumps(text[which]), encoding="utf-8"
        )
    outputs = ("results/*/*/*/*.scores.json",)
    return Case([*READERS["select"]], "", (0,), "one:0", outputs=outputs, same=True)


@of_kind("words", "bytes", "escape", "long", "unicode")
def file_names(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    """Files that are called as no file of ours is."""
    record = lay("one:1", folder, sound)[0]
    name = {
        "bytes": b"seed\xff" + word(moments).encode(), "escape": b"seed\x1b[2J\x07" + word(moments).encode(),
        "long": b"seed" + b"x" * moments.randint(200, 240), "unicode": f"seed\u202e{word(moments)}".encode(),
    }[which]  # fmt: skip
    place = bytes(record.parent) + b"/" + name + b".json"
    with open(place, "w", encoding="utf-8") as file:
        file.write(moments.choice(["{", "", record.read_text(encoding="utf-8")[: moments.randint(1, 999)]]))
    command = moments.choice(["verify", "status", "select", "table"])
    return Case([*READERS[command]], "", (0, 1, 2), "one:1", outputs=WRITTEN)


@of_kind("words", "out")
def order_from_strangers(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    """An order file that is made from records of strangers."""
    for path in lay("all", folder, sound):
        rewritten(path, WORDS[moments.choice(["pasted", "steering", "upwards"])](moments))
    words_ = ["suggest", "--results", "results", "--out", "order.json", "--most", str(moments.randint(1, 99))]
    return Case(words_, "", (0, 1, 2), outputs=("order.json", *WRITTEN), check=partial(page))
