"""GSDA's alignment with r = 65 classes and b = 13 groups: the bank, a loop over single networks, DANN's loss.

Forward and backward pass, without backbone and optimiser: 32 + 32 images, D = 256, a global discriminator of
1024 + 1024 hidden units. The loop has plain linear layers and autograd with a graph of each gradient, and
passes every network once. Before the clock starts, the gradients for the features are compared. Then the
contenders take turns in random order.

    python benchmarks/gsda_bank.py --threads 1
"""

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from dabench.bench.memory import MemoryWatch, how_memory_is_taken
from dabench.bench.timing import Contender, alternate, calls_within, spread
from dabench.layers import domain_labels, mlp, scale_gradient
from dabench.method import Spec
from dabench.methods.dann import adversarial_loss
from dabench.methods.gsda import GSDA, GSDAConfig, sample_weights, synchronisation_loss

__all__ = ["Loop", "main"]

CLASSES, GROUPS, SOURCE, TARGET, FEATURES = 65, 13, 32, 32, 256
GLOBAL, REVERSAL = (1024, 1024), 0.7
Losses = Callable[[Tensor], Tensor]


class Loop(nn.Module):
    """The discriminators of a method as separate networks, one after the other.

    Args:
        method: with all levels; its weights are copied.
    """

    def __init__(self, method: GSDA) -> None:
        super().__init__()
        self.members = method.members
        self.networks = nn.ModuleList()
        for bank, hidden in (("global", GLOBAL), ("local", method.config.local_hidden)):
            weights, biases = method.discriminators[bank].weights, method.discriminators[bank].biases
            for k in range(len(weights[0])):
                network = mlp((FEATURES, *hidden, 1)).to(weights[0].device)
                for layer, weight, bias in zip(network[::2], weights, biases, strict=True):
                    layer.weight.data.copy_(weight[k])
                    layer.bias.data.copy_(bias[k, 0])
                self.networks.append(network)

    def forward(self, features: Tensor, weights: Tensor) -> Tensor:
        """Return what has the gradients of all losses, for features (N, D) and class weights (r, N)."""
        seen = scale_gradient(features, REVERSAL)
        shares = torch.cat([torch.ones_like(weights[:1]), self.members @ weights, weights])
        labels = domain_labels(SOURCE, TARGET, features.device)
        losses, gradients = [], []
        for network, share in zip(self.networks, shares, strict=True):
            logits = network(seen).squeeze(1)
            losses.append(functional.binary_cross_entropy_with_logits(logits, labels, weight=share))
            gradients += torch.autograd.grad(losses[-1], [seen], create_graph=True)
        m = torch.stack([torch.linalg.vector_norm(gradient, dim=1).sum() for gradient in gradients])
        together = synchronisation_loss(m[0], m[1 : 1 + GROUPS], m[1 + GROUPS :], self.members)
        reverse = -2 * REVERSAL * torch.stack(gradients).detach().sum(dim=0)  # the losses want -lambda
        return torch.stack(losses).sum() + together + (features * reverse).sum()


def contestants(hidden: int, device: torch.device) -> dict[str, tuple[nn.Module, Losses]]:
    """By name: a module, and the sum of its losses for features (N, D)."""
    torch.manual_seed(0)
    draws = torch.Generator().manual_seed(0)
    sizes = (GLOBAL, 1000, 1000, SOURCE, TARGET, 100)
    spec = Spec(CLASSES, FEATURES, FEATURES, *sizes, {}, draws)
    bank = GSDA(spec, GSDAConfig(groups=GROUPS, local_hidden=(hidden,))).to(device)
    discriminator = spec.discriminator().to(device)
    labels = torch.randint(CLASSES, (SOURCE,), generator=draws)
    logits = 3 * torch.randn(TARGET, CLASSES, generator=draws)
    weights = sample_weights(labels, logits).contiguous().to(device)
    loop = Loop(bank)

    def of_bank(features: Tensor) -> Tensor:
        return torch.stack(list(bank.alignment(features, weights, SOURCE, REVERSAL).values())).sum()

    return {
        "DANN": (discriminator, lambda features: adversarial_loss(features, discriminator, SOURCE, REVERSAL)),
        "bank": (bank, of_bank),
        "loop": (loop, lambda features: loop(features, weights)),
    }


def step(module: nn.Module, losses: Losses, features: Tensor) -> None:
    """Forward and backward pass."""
    features.grad = None
    module.zero_grad(set_to_none=True)
    losses(features).backward()


def compare(hidden: int, device: torch.device, arguments: argparse.Namespace) -> None:
    """Print milliseconds and peak memory of each contestant for one width of the local discriminators."""
    features = torch.randn(SOURCE + TARGET, FEATURES, device=device).relu().requires_grad_()
    entries, gradients, memory, watch = [], {}, {}, MemoryWatch(device)
    for name, (module, losses) in contestants(hidden, device).items():
        entry = Contender(name, partial(step, module, losses, features), 1)
        memory[name] = watch.added(entry.work)[1]
        gradients[name] = features.grad
        module.zero_grad(set_to_none=True)
        entries.append(entry)
    off = float((gradients["bank"] - gradients["loop"]).norm() / gradients["loop"].norm())
    print(f"hidden {hidden}: bank and loop differ by {off:.1e} of the gradient's norm")
    wait = partial(torch.cuda.synchronize, device) if device.type == "cuda" else lambda: None
    calls = {entry.name: calls_within(entry, arguments.seconds, wait) for entry in entries}
    seconds = alternate(entries, calls, arguments.rounds, np.random.default_rng(0), wait)
    for name, values in seconds.items():
        ms = spread(1000 * values)
        quartiles = f"quartiles {ms.lower:.2f} to {ms.upper:.2f}"
        added = memory[name]
        peak = "" if added is None else f"{added / 2**20:7.0f} MiB"
        print(f"  {name}  {ms.median:8.2f} ms  ({quartiles})  {peak}")


def main() -> None:
    """Read the flags and run every width, on a GPU also with TF32."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.1, help="length of a block")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    print(f"memory: {how_memory_is_taken(device)}")
    for tf32 in (False, True) if device.type == "cuda" else (False,):
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        print(f"{device}, torch {torch.__version__}, threads: {arguments.threads}, TF32: {tf32}")
        for hidden in (256, 1024):
            compare(hidden, device, arguments)


if __name__ == "__main__":
    main()
