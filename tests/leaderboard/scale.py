"""Write a large, realistic results folder of made-up records, and time the leaderboard on it.

    python tests/leaderboard/scale.py write FOLDER --records 20000
    python tests/leaderboard/scale.py time FOLDER

Nothing in these records was measured: they only have the size and the shape of real ones.
"""

import argparse
import hashlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dabench.leaderboard.reading import known_suites
from dabench.records import Record, RecordStore

BACKBONES = ("resnet50.tv_in1k", "vit_base_patch16_224", "mobilenetv2_100")
SUITES = ("office31", "officehome", "visda2017", "digits", "minidigits")
METHODS = ("source_only", "target_only", "dann", "cdan", "gsda")
SEEDS = 10
EVALUATIONS = 10
LEVEL = {"office31": 0.82, "officehome": 0.65, "visda2017": 0.60, "digits": 0.85, "minidigits": 0.65}


def records(count: int) -> Iterator[Record]:
    """Made-up records: 28 tasks, 3 backbones, 10 seeds, and as many methods as it takes."""
    infos = known_suites()
    made = 0
    for number in range(10_000):
        name = (
            ("source_only", "target_only", "dann", "cdan", "gsda")[number]
            if number < 5
            else f"method-{number}"
        )
        for suite in SUITES:
            for backbone in BACKBONES:
                for task in infos[suite].tasks:
                    for seed in range(SEEDS):
                        if made == count:
                            return
                        made += 1
                        yield record(name, number, suite, infos[suite], backbone, task, seed)


def record(name: str, number: int, suite: str, info: Any, backbone: str, task: str, seed: int) -> Record:
    """One of them; all numbers follow from its names."""
    digest = hashlib.sha256(f"{name} {suite} {backbone} {task} {seed}".encode()).hexdigest()
    stream = np.random.default_rng(int(digest[:8], 16))
    failed = int(digest[8:11], 16) % 200 == 0
    r = len(info.classes) or 10
    classes = list(info.classes) or [str(k) for k in range(r)]
    level = 0.97 if name == "target_only" else LEVEL[suite] + 0.004 * (number % 25)
    values = np.clip(level + stream.normal(0, 0.01, EVALUATIONS), 0, 1).round(6).tolist()
    counts = stream.multinomial(1500, np.full(r, 1 / r))
    right = np.minimum(counts, (counts * values[-1]).astype(int))
    confusion = np.zeros((r, r), dtype=int)
    np.fill_diagonal(confusion, right)
    confusion[np.arange(r), (np.arange(r) + 1) % r] += counts - right
    paths = [f"group{k // 8}.setting{k}" for k in range(64)]
    config: dict[str, Any] = {
        "suite": suite, "task": task, "method": name, "seed": seed, "backbone": backbone, "steps": 5000,
        "protocol": "transductive", "selection": "last",
        **{f"group{k}": {f"setting{8 * k + j}": 0.1 * (k + j) for j in range(8)} for k in range(8)},
    }  # fmt: skip
    source, _, target = task.partition("->")
    base: dict[str, Any] = {
        "run_id": digest[:16], "suite": suite, "task": task, "source": source, "target": target,
        "method": name, "backbone": backbone, "seed": seed, "protocol": "transductive", "config": config,
        "uses_target_labels": name == "target_only",
        "metric": "mean_class_accuracy" if suite == "visda2017" else "accuracy",
        "provenance": dict.fromkeys(paths, "default: as in the recipe that all methods share"),
        "method_info": {"version": 1, "source_sha256": "ab" * 32, "title": name.upper(), "paper": "Made up"},
        "suite_info": {"title": info.title, "tasks": list(info.tasks), "classes": classes},
        "dataset": {
            part: {"fingerprint": hashlib.sha256(part.encode()).hexdigest(), "images": 1500,
                   "class_counts": dict(zip(classes, counts.tolist(), strict=True))}
            for part in ("source", "target", "target_test")
        },
        "environment": {"python": "3.11", "packages": {"torch": "2.15.0"}, "platform": "Linux x86_64"},
        "code": {"version": "0.1.0", "commit": "0" * 40, "dirty": False},
        "timing": {
            "started_at": "2026-01-01T10:00:00+00:00", "total_seconds": 3600.0 + number,
            "training_seconds": 3500.0 + number, "images_per_second": 90.0, "peak_memory_bytes": 2**33,
        },
        "command": f"dabench run --method {name} --suite {suite} --task '{task}' --seed {seed}",
    }  # fmt: skip
    if failed:
        failure = {"kind": "FloatingPointError", "message": "the loss is not finite at step 120"}
        return Record.model_validate({**base, "status": "failed", "failure": failure})
    per_class = {name: float(right[k] / max(counts[k], 1)) for k, name in enumerate(classes)}
    evaluations = [
        {"step": 500 * (k + 1), "accuracy": value, "mean_class_accuracy": value, "target_entropy": 0.5,
         "losses": {name: 0.123456789 for name in ("classification", "domain", "group", "class", "sync")},
         "seconds": 350.0 * (k + 1)}
        for k, value in enumerate(values)
    ]  # fmt: skip
    best = int(np.argmax(values))
    metrics = {"accuracy": values[-1], "mean_class_accuracy": values[-1], "per_class": per_class,
               "confusion": confusion.tolist()}  # fmt: skip
    return Record.model_validate({
        **base, "status": "done", "value": values[-1], "oracle": values[best],
        "oracle_step": 500 * (best + 1), "metrics": metrics, "evaluations": evaluations,
    })  # fmt: skip


def write(folder: Path, count: int) -> None:
    """Write records as the record store lays them out, without its fsync for each."""
    store = RecordStore(folder)
    for one in records(count):
        path = store.path(one)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(one.model_dump_json(indent=1) + "\n", encoding="utf-8")


def measure(folder: Path, arguments: list[str]) -> None:
    """Run the real command on a folder; print seconds, peak memory, and how large the pages are."""
    with tempfile.TemporaryDirectory() as out:
        began = time.perf_counter()
        command = [sys.executable, "-m", "dabench", "leaderboard", "--results", str(folder), "--out", out]
        subprocess.run([*command, *arguments], check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        sizes = {path: path.stat().st_size for path in Path(out).rglob("*.html")}
        largest = max(sizes, key=lambda path: sizes[path])
        print(f"{seconds:.1f} s, peak {peak:.2f} GiB in one process, {len(sizes)} pages")
        print(
            f"index {sizes[Path(out) / 'index.html'] / 1000:.0f} kB, all {sum(sizes.values()) / 1e6:.1f} MB"
        )
        print(f"largest {largest.relative_to(out)}: {sizes[largest] / 1000:.0f} kB")


def main() -> None:
    """Parse and do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("action", choices=["write", "time"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", type=int, default=20_000)
    known, rest = parser.parse_known_args()
    if known.action == "write":
        write(known.folder, known.records)
    else:
        measure(known.folder, rest)


if __name__ == "__main__":
    main()
