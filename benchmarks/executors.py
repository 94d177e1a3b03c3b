"""What the engine costs beside the runs, inline and on Ray, and what Ray gains on several processors.

python benchmarks/executors.py --runs 200 --seconds 1 --jobs 2

A sweep of source_only on coloured squares whose steps are chosen so that a run takes about the seconds given,
with one thread each. ``dabench run`` does it in a process of its own, inline and then on Ray. A run's own
time is what its record says; the engine's is what else there is between the first record and the last.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from dabench.records import RecordStore

__all__ = ["main"]

TRIAL_STEPS = 400


def suite(folder: Path) -> Path:
    """Write a suite of two domains of grey noise with a coloured square, 16 pixels a side."""
    for name, seed in (("alpha", 1), ("beta", 2)):
        rng = np.random.default_rng(seed)
        labels = np.repeat(np.arange(3), 12)
        images = rng.integers(0, 160, (36, 16, 16, 3), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[4:12, 4:12, label] = 255
        np.savez(folder / f"{name}.npz", images=images, labels=labels)
    recipe: dict[str, Any] = {
        "backbone": "dann_mnist", "weights": "none", "batch.source": 6, "batch.target": 6,
        "head.bottleneck": 8, "image.resize": 16, "image.size": 16, "evaluations": 2, "threads": 1,
        "precision": "float32",
    }  # fmt: skip
    domains = {
        name: {"short": name[0].upper(), "paths": {"all": f"{name}.npz"}} for name in ("alpha", "beta")
    }
    manifest = {
        "name": "squares", "title": "Coloured squares", "loader": "files", "classes": ["r", "g", "b"],
        "domains": domains, "tasks": ["A->B"],
        "recipe": {path: {"value": value, "source": "our choice"} for path, value in recipe.items()},
    }  # fmt: skip
    path = folder / "squares.yaml"
    path.write_text(yaml.safe_dump(manifest), encoding="utf-8")
    return path


def sweep(folder: Path, name: str, runs: int, steps: int, *options: str) -> dict[str, float]:
    """Do a sweep; return seconds of the whole process, between first and last record, and of all runs."""
    results = folder / name
    command = [
        sys.executable, "-W", "ignore", "-m", "dabench", "run", "--suite", str(folder / "squares.yaml"),
        "--method", "source_only", "--seeds", str(runs), "--set", f"steps={steps}", "--results", str(results),
        *options,
    ]  # fmt: skip
    begun = time.perf_counter()
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "DABENCH_CACHE": str(folder / "cache")},
    )  # fmt: skip
    whole = time.perf_counter() - begun
    records, problems = RecordStore(results).read_all()
    assert (len(records), problems) == (runs, [])
    ends = sorted(path.stat().st_mtime for path in RecordStore(results).paths())
    return {
        "whole": whole,
        "between": ends[-1] - ends[0],
        "own": sum(record.timing.total_seconds for record in records if record.timing),
    }


def main() -> None:
    """Measure and print; the last line is JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a run")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    runs, jobs = arguments.runs, arguments.jobs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        suite(folder)
        trial = sweep(folder, "trial", 5, TRIAL_STEPS)
        steps = max(round(TRIAL_STEPS * arguments.seconds / (trial["own"] / 5)), 2)
        found = {
            "inline": sweep(folder, "inline", runs, steps),
            "ray": sweep(folder, "ray", runs, steps, "--executor", "ray", "--jobs", str(jobs)),
        }
    print(f"{runs} runs of {steps} steps, one thread each")
    for name, seconds in found.items():
        at_once = jobs if name == "ray" else 1
        own = seconds["own"] / runs
        # Between the first record and the last there are runs - 1 of them, at_once at a time.
        each = seconds["between"] * at_once / (runs - 1)
        seconds["engine"] = each - own
        print(
            f"{name}: {seconds['whole']:.1f} s in all, {seconds['whole'] - seconds['between']:.1f} s of it "
            f"before the first record and after the last; a run {own:.3f} s, the engine "
            f"{1000 * seconds['engine']:.0f} ms a run ({100 * seconds['engine'] / own:.1f} %)"
        )
    between = found["inline"]["between"] / found["ray"]["between"]
    whole = found["inline"]["whole"] / found["ray"]["whole"]
    print(
        f"ray with {jobs} jobs: {between:.2f} times as fast between first and last record, {whole:.2f} in all"
    )
    print(json.dumps({"runs": runs, "steps": steps, "jobs": jobs, **found}))


if __name__ == "__main__":
    main()
