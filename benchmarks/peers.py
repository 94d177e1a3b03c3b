"""DANN of pytorch-adapt 0.0.83 against dabench's, on the same photos, backbone, head, batch and size.

In the same run: the bare backbone, the usual pipeline of PIL and a DataLoader, and dabench's loader alone.

Needs an environment with both: see benchmarks/README.md. The peer runs as its documentation shows:
DANNHook in a plain loop, its combined dataset in the DataLoader of its DataloaderCreator, float32, usual
memory layout. In its favour: the loader never comes to the end of a pass, which would start new workers.

    python benchmarks/peers.py --data DIR --size 160 --batch 32
"""

import argparse
import warnings
from dataclasses import replace
from typing import Any

import torch
from photo_folders import compare, field_of, flags, photo_transform, print_ratios, print_settings, script
from pil_loader import usual_pipeline
from torch import nn
from torch.utils.data import RandomSampler
from torchvision.datasets import ImageFolder

from dabench.bench.contenders import LOADER, PRECISIONS, Field
from dabench.bench.report import best_bare
from dabench.bench.timing import Contender

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the old torchmetrics that it asks for
    from pytorch_adapt.datasets import (
        CombinedSourceAndTargetDataset,
        DataloaderCreator,
        SourceDataset,
        TargetDataset,
    )
    from pytorch_adapt.hooks import DANNHook
    from pytorch_adapt.utils.common_functions import batch_to_device

__all__ = ["Peer"]

ENDLESS = 10**12
FILLING_STEPS = 2  # until the queue of its loader is as in the middle of a pass


class Peer:
    """DANN as pytorch-adapt's documentation shows it.

    Args:
        field: dabench's runs, the last of them DANN: gives modules of the same shapes, and rates.
        arguments: of the command line.
    """

    def __init__(self, field: Field, arguments: argparse.Namespace) -> None:
        self._device = field.device
        config = field.runs[-1].config
        training = field.training(field.runs[-1])  # its modules, of which nobody else makes use
        network, discriminator = training.network, training.method.discriminator
        self._models = {
            "G": nn.Sequential(network.backbone, network.bottleneck),
            "C": network.classifier,
            "D": nn.Sequential(discriminator, nn.Flatten(0)),  # its losses expect logits (N,)
        }
        slow = config.optimiser.lr * config.optimiser.backbone_lr_factor
        optimisers = []
        for name, model in self._models.items():
            model.to(memory_format=torch.contiguous_format).train()
            rate = slow if name == "G" else config.optimiser.lr
            optimisers.append(
                torch.optim.SGD(
                    model.parameters(), rate, config.optimiser.momentum, nesterov=config.optimiser.nesterov,
                    weight_decay=config.optimiser.weight_decay,
                )
            )  # fmt: skip
        self._hook = DANNHook(optimisers)
        transform = photo_transform(config)
        dataset = CombinedSourceAndTargetDataset(
            SourceDataset(ImageFolder(arguments.data / arguments.source, transform)),
            TargetDataset(ImageFolder(arguments.data / arguments.target, transform)),
        )
        creator = DataloaderCreator(
            train_kwargs={
                "batch_size": arguments.batch,
                "num_workers": arguments.workers,
                "sampler": RandomSampler(dataset, num_samples=ENDLESS),
                "drop_last": True,
            }
        )
        self._loader = creator(train=dataset)["train"]
        self._batches: Any = None
        self._resident: dict[str, Any] | None = None

    def open(self) -> None:
        """Start the workers and take the first steps untimed."""
        self._batches = iter(self._loader)
        for _ in range(FILLING_STEPS):
            self.step()

    def close(self) -> None:
        """Stop the workers: they must not work while others are timed."""
        self._batches = None

    def step(self) -> None:
        """Load a batch and take an optimisation step."""
        self._optimise(batch_to_device(next(self._batches), self._device))

    def resident_step(self) -> None:
        """Take an optimisation step on a batch that was loaded once."""
        if self._resident is None:
            self._resident = batch_to_device(next(iter(self._loader)), self._device)
        self._optimise(self._resident)

    def _optimise(self, data: dict[str, Any]) -> None:
        self._hook({**self._models, **data})


@script
def main() -> None:
    """Measure and print."""
    arguments = flags(__doc__ or "").parse_args()
    field = field_of(arguments, ["dann"])
    plain = field_of(arguments, ["dann"], "precision=float32")
    peer, images = Peer(plain, arguments), 2 * arguments.batch
    precision = field.runs[-1].config.precision
    contenders = [field.bare(precision) for precision in PRECISIONS]
    contenders.append(_named(field.method(field.runs[-1]), f"dabench DANN, auto: {precision}"))
    if precision != "float32":
        contenders.append(_named(plain.method(plain.runs[-1]), "dabench DANN, float32"))
    workers = f"{arguments.workers} workers"
    contenders += [
        Contender(f"pytorch-adapt DANN, {workers}", peer.step, images, peer.open, peer.close),
        Contender("pytorch-adapt DANN, batch resident", peer.resident_step, images),
        usual_pipeline(field, arguments),
        field.loader(),
    ]
    seconds = compare(contenders, arguments.rounds, field.device)
    print_ratios(seconds, best_bare(seconds))
    usual = contenders[-2].name
    print_ratios({name: seconds[name] for name in (usual, LOADER)}, usual)
    print_settings(arguments, field.device)


def _named(contender: Contender, name: str) -> Contender:
    return replace(contender, name=name)


if __name__ == "__main__":
    main()
