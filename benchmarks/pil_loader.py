"""dabench's loader against the usual pipeline of PIL and a DataLoader, on the same photos and sizes.

The usual pipeline decodes the file each time: Resize to a square, RandomResizedCrop, flip, ToTensor,
Normalize, in worker processes. Ours reads a warm cache of decoded images. Both give batches of as many images
of both domains together, and use the same processors; nothing is trained meanwhile.

    python benchmarks/pil_loader.py --data DIR --size 160 --batch 32
"""

import argparse
from collections.abc import Iterator
from typing import Any

from photo_folders import compare, field_of, flags, photo_transform, print_ratios, print_settings, script
from torch.utils.data import ConcatDataset, DataLoader, RandomSampler
from torchvision.datasets import ImageFolder

from dabench.bench.contenders import Field
from dabench.bench.timing import Contender

__all__ = ["UsualLoader", "usual_pipeline"]

ENDLESS = 10**12


class UsualLoader:
    """Batches of a DataLoader; its workers live during a block alone.

    Args:
        dataset: of (image, label).
        batch: images a batch.
        workers: processes.
    """

    def __init__(self, dataset: Any, batch: int, workers: int) -> None:
        sampler = RandomSampler(dataset, num_samples=ENDLESS)
        self._loader = DataLoader(dataset, batch, sampler=sampler, num_workers=workers, drop_last=True)
        self._ahead = max(1, 2 * workers)
        self._batches: Iterator[Any] | None = None

    def open(self) -> None:
        """Start the workers, and use up what they load before the clock starts."""
        self._batches = iter(self._loader)
        for _ in range(self._ahead):
            self.next()

    def next(self) -> Any:
        """Return the next batch."""
        assert self._batches is not None
        return next(self._batches)

    def close(self) -> None:
        """Stop the workers: they must not work while others are timed."""
        self._batches = None


def usual_pipeline(field: Field, arguments: argparse.Namespace) -> Contender:
    """Return the usual pipeline over the photos of a field, with its transforms."""
    transform = photo_transform(field.runs[0].config)
    folders = [
        ImageFolder(arguments.data / place, transform) for place in (arguments.source, arguments.target)
    ]
    usual = UsualLoader(ConcatDataset(folders), field.step_images, arguments.workers)
    name = f"PIL + DataLoader, {arguments.workers} workers"
    return Contender(name, lambda: _drop(usual.next()), field.step_images, usual.open, usual.close)


@script
def main() -> None:
    """Measure and print."""
    arguments = flags(__doc__ or "").parse_args()
    field = field_of(arguments, ["source_only"])
    usual = usual_pipeline(field, arguments)
    print_ratios(compare([usual, field.loader()], arguments.rounds, field.device), usual.name)
    print_settings(arguments, field.device)


def _drop(_: object) -> None:
    pass


if __name__ == "__main__":
    main()
