"""dabench's loader against the usual pipeline of PIL and a DataLoader, on the same photos and sizes.

The usual pipeline decodes the file each time: Resize to a square, RandomResizedCrop, flip, ToTensor,
Normalize, in worker processes. Ours reads a warm cache of decoded images. Both give batches of as many images
of both domains together, and use the same processors; nothing is trained meanwhile.

    python benchmarks/pil_loader.py --data DIR --size 160 --batch 32
"""

from collections.abc import Iterator
from typing import Any

from photo_folders import compare, field_of, flags, photo_transform, print_ratios
from torch.utils.data import ConcatDataset, DataLoader, RandomSampler
from torchvision.datasets import ImageFolder

from dabench.bench.timing import Contender

__all__ = ["UsualLoader"]

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


def main() -> None:
    """Measure and print."""
    arguments = flags(__doc__ or "").parse_args()
    field = field_of(arguments, ["source_only"])
    transform = photo_transform(field.runs[0].config)
    folders = [
        ImageFolder(arguments.data / place, transform) for place in (arguments.source, arguments.target)
    ]
    usual = UsualLoader(ConcatDataset(folders), 2 * arguments.batch, arguments.workers)
    name = f"PIL + DataLoader, {arguments.workers} workers"
    contenders = [
        Contender(name, lambda: _drop(usual.next()), 2 * arguments.batch, usual.open, usual.close),
        field.loader(),
    ]
    print_ratios(compare(contenders, arguments.rounds, field.device), name, arguments)


def _drop(_: object) -> None:
    pass


if __name__ == "__main__":
    main()
