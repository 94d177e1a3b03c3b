"""Peak memory while the images of a large domain are decoded into the cache, and while they are read.

    python benchmarks/memory.py --images 200000 --side 96

Images are made from their number, each time one is asked for, so that nothing but the cache takes room on the
disk: coarse colours, enlarged. The same is done with a tenth as many, each phase in a process of its own; the
cache lies in a temporary folder that is removed. The table has, in MiB, what was resident after the imports,
the most that was resident (VmHWM), and the most that belongs to no file (RssAnon, looked at each 20 ms).
Names and digests of the images are held in memory, here as with real files. Linux only.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table

from dabench.images import Images, decoded_images
from dabench.suite import DomainData

__all__ = ["generated", "main", "measure"]

BATCH = 64
PHASES = ("build", "read")


def generated(images: int, side: int) -> DomainData:
    """Make a domain whose images (side, side, 3) come from their number alone."""

    def read(row: int) -> NDArray[np.uint8]:
        coarse = np.random.default_rng(row).integers(0, 256, (side // 12, side // 12, 3), dtype=np.uint8)
        return np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))

    digests = b"".join(hashlib.sha256(str(row).encode()).digest() for row in range(images))
    keys = [f"class/{row:06d}.jpg" for row in range(images)]
    shaped = np.frombuffer(digests, np.uint8).reshape(images, 32)
    return DomainData("generated", ("class",), np.zeros(images, np.int64), shaped, keys, read)


def measure(phase: str, images: int, side: int, storage: str, seconds: float) -> dict[str, float]:
    """Build or read in this process, and return MiB, seconds and images per second.

    Args:
        phase: "build", or "read", which reads random batches for that many seconds from what is built.
        images: in the domain.
        side: in pixels.
        storage: "raw" or "packed".
        seconds: of reading.
    """
    at_start = _status("VmRSS")
    domain = generated(images, int(side * 4 / 3))
    with _Watch() as watch:
        begun = time.perf_counter()
        found = decoded_images(domain, side, "raw" if storage == "raw" else "packed")
        done = images if phase == "build" else _read_randomly(found, seconds)
        spent = time.perf_counter() - begun
    return {
        "imports": at_start, "peak": _status("VmHWM"), "anonymous": watch.highest,
        "seconds": spent, "images_per_second": done / spent,
    }  # fmt: skip


def _read_randomly(images: Images, seconds: float) -> int:
    rng, done, until = np.random.default_rng(0), 0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        done += len(images.take(rng.integers(0, len(images), BATCH)))
    return done


def _status(key: str) -> float:
    """A line of this process's status, in MiB."""
    text = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    found = re.search(rf"^{key}:\s*(\d+) kB", text, re.MULTILINE)
    return int(found.group(1)) / 1024 if found else float("nan")


class _Watch:
    """Highest RssAnon, in MiB, while the block ran."""

    def __init__(self) -> None:
        self.highest = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "_Watch":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(0.02):
            self.highest = max(self.highest, _status("RssAnon"))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--side", type=int, default=96, help="pixels")
    parser.add_argument("--storage", choices=("raw", "packed"), default="packed")
    parser.add_argument("--seconds", type=float, default=30.0, help="of reading")
    parser.add_argument("--folder", type=Path, help="where the temporary cache may lie")
    parser.add_argument("--phase", choices=PHASES, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure a domain and one a tenth as large, each phase in its own process, and print the table."""
    options = _arguments()
    if options.phase:
        print(
            json.dumps(measure(options.phase, options.images, options.side, options.storage, options.seconds))
        )
        return
    table = Table(title=f"{options.storage} images of {options.side} pixels; memory in MiB")
    for column in ("images", "cache, MB", "phase", "imports", "VmHWM", "RssAnon", "seconds", "images/s"):
        table.add_column(column, justify="right")
    for images in (options.images // 10, options.images):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            for phase in PHASES:
                row = _in_a_process(options, phase, images, Path(folder))
                size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()) / 1e6
                shown = (row[key] for key in ("imports", "peak", "anonymous", "seconds", "images_per_second"))
                table.add_row(f"{images:,}", f"{size:,.0f}", phase, *(f"{value:,.0f}" for value in shown))
    Console(width=100).print(table)


def _in_a_process(options: argparse.Namespace, phase: str, images: int, cache: Path) -> dict[str, Any]:
    words = [sys.executable, __file__, "--phase", phase, "--images", images, "--side", options.side]
    words += ["--storage", options.storage, "--seconds", options.seconds]
    done = subprocess.run(
        [str(word) for word in words], env={**os.environ, "DABENCH_CACHE": str(cache)},
        stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    result: dict[str, Any] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    main()
