"""Makers of links that lead out of a folder, and of trees that are very deep or very wide."""

import os
import random
import shutil
from pathlib import Path

from hostile import READERS, TUNE, WRITTEN, Case, Sound, lay, noise, of_kind, records, word
from hostile_runs import killed, real_run

__all__: list[str] = []

INSIDE = ("tiny", "tiny/A2B", "tiny/A2B/source_only")
HIDDEN = (".dabench", ".dabench/sweeps", ".dabench/forced")


def _linked(moments: random.Random, folder: Path, sound: Sound, inside: str) -> Path:
    """A folder of results becomes a link to that of somebody else; some are relative, or lead over others."""
    link = folder / "results" / inside
    if link.is_dir():
        shutil.rmtree(link)
    link.parent.mkdir(parents=True, exist_ok=True)
    target = sound.victim / inside
    if moments.random() < 0.5:
        target = Path(os.path.relpath(target, link.parent.resolve()))
    if moments.random() < 0.5:
        between = folder / word(moments)
        between.symlink_to(sound.victim / inside)
        target = between
    link.symlink_to(target)
    return link


@of_kind("links", *INSIDE, *HIDDEN)
def linked_folder(moments: random.Random, folder: Path, sound: Sound, inside: str) -> Case:
    """A run is not carried out through a link: it would write, and clear away, elsewhere."""
    if moments.random() < 0.7:
        lay("killed", folder, sound)
    link = _linked(moments, folder, sound, inside)
    words = ["--force"] if inside.endswith("forced") else []
    if inside == ".dabench":
        words = moments.choice([[], ["--force"]])
    return real_run(sound, *words, codes=(2,), named=link.name, check=None)


@of_kind("links", *INSIDE)
def dangling(moments: random.Random, folder: Path, sound: Sound, inside: str) -> Case:
    link = folder / "results" / inside
    link.parent.mkdir(parents=True)
    link.symlink_to(sound.victim / word(moments))
    return real_run(sound, codes=(2,), named=link.name, check=None)


@of_kind("links", "tensorboard", "events", "record", "claim", "checkpoint", "predictions")
def linked_file(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    """Links in the place of what a run writes."""
    place, stem = killed(folder, sound)
    theirs = sound.victim / place.relative_to(folder / "results")
    name = {
        "tensorboard": f"{stem}.tensorboard", "events": f"{stem}.events.jsonl", "record": f"{stem}.json",
        "claim": f".{stem}.claim", "checkpoint": next(place.glob(".*.safetensors")).name,
        "predictions": f"{stem}.00000000.npz",
    }[which]  # fmt: skip
    (place / name).unlink(missing_ok=True)
    target = theirs / name
    if not target.exists() and moments.random() < 0.7:
        target = sound.suite
    (place / name).symlink_to(target)
    (place / f"{word(moments)}.txt").symlink_to(target)
    words = ["--tracker", "tensorboard"] if which == "tensorboard" else []
    if which in ("checkpoint", "claim", "predictions"):
        return real_run(sound)
    return real_run(sound, *words, codes=(0, 1, 2), check=None)


@of_kind("links", *[(command, inside) for command in READERS for inside in (*INSIDE, ".dabench")])
def read_through(moments: random.Random, folder: Path, sound: Sound, which: tuple[str, str]) -> Case:
    """Who only reads may follow a link; nothing is written there."""
    command, inside = which
    lay(moments.choice(["run", "all", "one:0"]), folder, sound)
    _linked(moments, folder, sound, inside)
    return Case([*READERS[command]], "", (0, 1, 2), outputs=WRITTEN)


SITE = ("index.html", ".index.html.part", "results.csv", "assets", "runs", "robots.txt")


@of_kind("links", *SITE)
def linked_page(moments: random.Random, folder: Path, sound: Sound, name: str) -> Case:
    """A published folder whose files lead elsewhere."""
    lay("all", folder, sound)
    link = folder / "site" / name
    link.parent.mkdir(parents=True)
    target = sound.victim if moments.random() < 0.5 else sound.suite
    link.symlink_to(target if moments.random() < 0.8 else sound.victim / word(moments))
    words = ["leaderboard", "--results", "results", "--out", "site", "--pages", "tables"]
    return Case(words, "", (0, 1, 2), outputs=WRITTEN)


@of_kind("links", "scores", "ledger", "journal", "recipes")
def linked_notes(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    """Links in the place of what other commands write."""
    paths = lay("all", folder, sound)
    target = moments.choice([sound.suite, records(sound.run)[0], sound.victim / word(moments)])
    if which == "scores":
        for path in paths:
            file = path.with_name(f"{path.stem}.scores.json")
            file.unlink(missing_ok=True)
            file.symlink_to(target)
        return Case([*READERS["select"]], "", (0, 1, 2), outputs=WRITTEN)
    if which == "ledger":
        (folder / "results" / "ledger.jsonl").symlink_to(target)
        words = ["verify", "results", "--jobs", "1", "--ledger", "results/ledger.jsonl"]
        return Case(words, "", (0, 1, 2), outputs=("results", "results/ledger.jsonl"))
    link = folder / "results" / sound.journal if which == "journal" else folder / "recipes"
    link.symlink_to(target if which == "journal" else sound.victim / word(moments))
    words = ["tune", "--suite", str(sound.suite), *TUNE, "--out", "recipes"]
    return Case(words, "", (0, 1, 2), outputs=("results", "results/*", "recipes", "recipes/*"))


@of_kind("trees", *READERS)
def deep_tree(moments: random.Random, folder: Path, sound: Sound, command: str) -> Case:
    """Folders in folders, as deep as the system has them."""
    lay("one:0", folder, sound)
    name, levels = word(moments, moments.randint(1, 2)), moments.randint(1000, 1200)
    here = os.getcwd()
    os.chdir(folder / "results")
    for _ in range(levels):
        os.mkdir(name)
        os.chdir(name)
    with open("seed0.json", "wb") as file:
        file.write(noise(moments, 9))
    os.chdir(here)
    return Case([*READERS[command]], f"{name}/{name}/{name}", (0, 1, 2), outputs=WRITTEN)


@of_kind("trees", *READERS)
def wide_tree(moments: random.Random, folder: Path, sound: Sound, command: str) -> Case:
    """Very many files that are no records."""
    place = lay("one:0", folder, sound)[0].parent
    for number in range(moments.randint(1000, 4000)):
        name = moments.choice(["{}.txt", ".{}.part", "seed{}.json", "{}.claim"]).format(number)
        place.joinpath(name).touch()
    return Case([*READERS[command]], "", (0, 1, 2), outputs=WRITTEN)


@of_kind("trees", "run", "status")
def links_in_circles(moments: random.Random, folder: Path, sound: Sound, which: str) -> Case:
    """Folders that lead to those above them."""
    for path in (folder / "results", *lay("one:1", folder, sound)[0].parents[:3]):
        (path / word(moments)).symlink_to(moments.choice([".", "..", "../..", str(folder)]))
    if which == "status":
        return Case([*READERS["status"]], "", (0, 1, 2))
    return real_run(sound, codes=(0, 2), check=None)
