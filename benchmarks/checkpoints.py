"""Bytes and seconds of a checkpoint of DANN with 65 classes, before any evaluation, on one processor core.

python benchmarks/checkpoints.py --folder DIR --backbones mobilenetv2_100.ra_in1k resnet50.tv_in1k
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch

from dabench.checkpoint import Checkpoints, identity
from dabench.config import BatchConfig, RunConfig
from dabench.discovery import discover_methods
from dabench.evaluation import Evaluator
from dabench.method import METHODS
from dabench.resume import Clock
from dabench.train import Training, TrainingData

__all__ = ["main"]

CLASSES, REPEATS = 65, 7


def seconds(act: Callable[[], object]) -> float:
    """Wall time of a call."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def measure(backbone: str, folder: Path) -> str:
    """Take two steps, then write and read seven checkpoints; one line of figures."""
    config = RunConfig(
        suite="none", task="A->B", method="dann", seed=0, backbone=backbone, precision="float32", threads=1,
        batch=BatchConfig(source=4, target=4),
    )  # fmt: skip
    labels = np.arange(CLASSES)
    images = np.random.default_rng(0).integers(0, 256, (CLASSES, 256, 256, 3), dtype=np.uint8)
    data = TrainingData(images, labels, images)
    training = Training(config, METHODS.get("dann"), "none", CLASSES, data, torch.device("cpu"))
    training.begin()
    for step in range(2):
        training.step(step)
    test = training.inputs(images, "test")
    evaluator = Evaluator(test, labels, [str(label) for label in labels], "accuracy", 16)
    checkpoints = Checkpoints(folder / "run.json", identity("benchmark", None), 0)
    progress = training._progress(evaluator, Clock(), checkpoints)
    written, read = [], []
    for step in range(1, REPEATS + 1):
        written.append(seconds(lambda step=step: progress.keep(step)))
        read.append(seconds(checkpoints.latest))
    (file, _) = sorted(folder.iterdir())
    parts = [
        f"{name} {median(times):.2f} s ({min(times):.2f} to {max(times):.2f})"
        for name, times in (("write", written), ("read", read))
    ]
    return f"{backbone}: {file.stat().st_size / 1e6:.0f} MB; {', '.join(parts)}"


def main() -> None:
    """Read the command line and print a line a backbone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: the temporary folder")
    parser.add_argument("--backbones", nargs="+", default=["mobilenetv2_100.ra_in1k", "resnet50.tv_in1k"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    discover_methods()
    for backbone in arguments.backbones:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            print(measure(backbone, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
