"""What the comparisons with other libraries share: two folders of photos as a task, flags, and the table."""

import argparse
import functools
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from rich.table import Table
from torchvision import transforms

from dabench.bench.contenders import Field
from dabench.bench.planning import BenchPlan, open_domains, plan_runs
from dabench.bench.timing import Contender, alternate, calls_within, ratio_to, spread
from dabench.config import RunConfig
from dabench.environment import environment
from dabench.errors import UserError
from dabench.hardware import processors, resolve_device
from dabench.streams import Streams
from dabench.terminal import error_console, print_error, standard_console

__all__ = ["compare", "field_of", "flags", "photo_transform", "print_ratios", "print_settings", "script"]

BLOCK_SECONDS = 1.0


def script(main: Callable[[], None]) -> Callable[[], None]:
    """Let a script's main function end with a message and exit code 2 where the user can mend something."""

    @functools.wraps(main)
    def run() -> None:
        try:
            main()
        except UserError as error:
            print_error(error_console(), str(error), error.hint)
            sys.exit(2)

    return run


def flags(about: str) -> argparse.ArgumentParser:
    """Return a parser with the flags of every comparison."""
    real = os.environ.get("DABENCH_REAL_DATA")
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(real, "office31_shared10") if real else None,
        required=real is None,
        help="folder with both domains",
    )
    parser.add_argument("--source", default="amazon/images", help="class folders of the source, in --data")
    parser.add_argument("--target", default="webcam/images", help="class folders of the target, in --data")
    parser.add_argument("--backbone", default="mobilenetv2_100", help="timm name; weights are random")
    parser.add_argument("--size", type=int, default=160, help="side of the crops")
    parser.add_argument("--batch", type=int, default=32, help="images of each domain")
    parser.add_argument("--workers", type=int, default=2, help="worker processes of a DataLoader")
    parser.add_argument("--threads", type=int, default=processors(), help="of the training process")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--device", default="cpu")
    return parser


def field_of(arguments: argparse.Namespace, methods: Sequence[str], *settings: str) -> Field:
    """Plan dabench's runs on the two folders and open their images; the cache is warm afterwards."""
    resize = round(arguments.size * 256 / 224)
    batch = arguments.batch
    given = {
        "image.size": arguments.size, "image.resize": resize, "batch.source": batch, "batch.target": batch,
        "threads": arguments.threads,
    }  # fmt: skip
    device = resolve_device(arguments.device)
    with tempfile.TemporaryDirectory() as folder:
        suite = Path(folder, "photos.yaml")
        suite.write_text(yaml.safe_dump(_manifest(arguments)), encoding="utf-8")
        request = BenchPlan(
            suite=str(suite),
            data=arguments.data,
            methods=methods,
            backbone=arguments.backbone,
            weights="none",
            assignments=[*(f"{key}={value}" for key, value in given.items()), *settings],
        )
        domains = open_domains(request)
        runs = plan_runs(request, domains, device)
        first = runs[0]
        images = domains.images(first.suite, first.task, first.config, False, first.weights, device)
    field = Field(runs, images, device)
    field.prepare()
    return field


def _manifest(arguments: argparse.Namespace) -> dict[str, object]:
    domains = {
        name: {"short": name[0], "paths": {"all": str((arguments.data / getattr(arguments, name)).resolve())}}
        for name in ("source", "target")
    }
    return {"name": "photos", "title": "Two folders of photos", "loader": "files", "domains": domains,
            "tasks": ["s->t"]}  # fmt: skip


def photo_transform(config: RunConfig) -> transforms.Compose:
    """The run's training transforms as torchvision's users write them, for PIL images."""
    image = config.image
    return transforms.Compose(
        [
            transforms.Resize((image.resize, image.resize)),
            transforms.RandomResizedCrop(image.size, scale=image.scale, ratio=image.ratio),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(image.mean, image.std),
        ]
    )


def compare(
    contenders: Sequence[Contender], rounds: int, device: torch.device
) -> dict[str, NDArray[np.float64]]:
    """Warm the contenders up and let them alternate; seconds an image of each round, by name."""

    def synchronise() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    calls = {one.name: calls_within(one, BLOCK_SECONDS, synchronise) for one in contenders}
    order = np.random.default_rng(Streams(0).number("bench", "order"))
    return alternate(contenders, calls, rounds, order, synchronise)


def print_ratios(seconds: Mapping[str, NDArray[np.float64]], base: str) -> None:
    """Print images per second, and the speed as a multiple of the base's, round by round."""
    shown = Table()
    shown.add_column("")
    for column in ("images/s", f"times '{base}'", "quartiles"):
        shown.add_column(column, justify="right")
    for name, own in seconds.items():
        ratio = spread(ratio_to(seconds[base], own))
        shown.add_row(
            name,
            f"{spread(1 / own).median:.1f}",
            f"{ratio.median:.3f}",
            f"{ratio.lower:.3f} to {ratio.upper:.3f}",
        )
    standard_console().print(shown)


def print_settings(arguments: argparse.Namespace, device: torch.device) -> None:
    """Print the flags but for the folder, the machine and torch's version."""
    place = environment(device)
    settings = [f"{key} {value}" for key, value in vars(arguments).items() if key != "data"]
    machine = f"{place['device_name']}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    for line in (", ".join(settings), machine):
        standard_console().print(line, soft_wrap=True, markup=False, highlight=False)
