"""Images a second of several ways to augment one batch: python benchmarks/augment.py --threads 1 2.

Random resized crop, flip and normalisation of images of noise, resident as uint8; in one process,
alternating; median and the range of the rounds. Only a quiet machine shows what a second thread is worth.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as vision

from dabench.augment import Augmentation
from dabench.config import ImageConfig
from dabench.streams import Streams

__all__ = ["variants"]

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
JITTER = (0.4, 0.4, 0.4, 0.1)


def variants(side: int, size: int, number: int, threads: list[int]) -> dict[str, Callable[[], Tensor]]:
    """Name the ways to make a batch (number, 3, size, size) from images of side pixels."""
    images = np.random.default_rng(0).integers(0, 256, (number, side, side, 3), dtype=np.uint8)
    draws = Streams(0).uniforms(np.arange(number), Augmentation.DRAWS, "benchmark")
    config = ImageConfig(resize=side, size=size)
    cpu = Augmentation(config, MEAN, STD, torch.device("cpu"))
    jittered = Augmentation(
        config.model_copy(update={"color_jitter": JITTER}), MEAN, STD, torch.device("cpu")
    )
    boxes, flips = cpu._boxes(draws, side), draws[:, 22] < 0.5
    resident = torch.from_numpy(images)
    mean, deviation = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)

    def finish(crops: list[Tensor]) -> Tensor:
        return torch.stack([(crop.float() / 255 - mean) / deviation for crop in crops])

    def torchvision() -> Tensor:
        crops = []
        for image, box, flip in zip(resident.permute(0, 3, 1, 2), boxes.tolist(), flips, strict=True):
            crop = vision.resized_crop(image, *box, [size, size], antialias=True)
            crops.append(vision.horizontal_flip(crop) if flip else crop)
        return finish(crops)

    def pillow() -> Tensor:
        crops = []
        for image, (top, left, height, width), flip in zip(images, boxes.tolist(), flips, strict=True):
            area = (left, top, left + width, top + height)
            crop = Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR, area)
            crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else crop
            crops.append(torch.from_numpy(np.array(crop)).permute(2, 0, 1))
        return finish(crops)

    def with_threads(count: int, work: Callable[[], Tensor]) -> Callable[[], Tensor]:
        def run() -> Tensor:
            torch.set_num_threads(count)
            return work()

        return run

    chosen = {"torchvision, image by image": torchvision, "Pillow, image by image": pillow}
    found = {f"{name}, 1 thread": with_threads(1, work) for name, work in chosen.items()}
    for count in threads:
        ours = {
            "dabench": lambda: cpu.train(images, draws),
            "dabench with colour jitter": lambda: jittered.train(images, draws),
            "dabench test view": lambda: cpu.test(images),
            "dabench, a GPU's way on the CPU": lambda: cpu._on_device(resident, boxes, flips, None),
        }
        found |= {f"{name}, {count} thread(s)": with_threads(count, work) for name, work in ours.items()}
    if torch.cuda.is_available():
        device = torch.device("cuda")
        gpu, there = Augmentation(config, MEAN, STD, device), resident.to(device)

        def synchronised(batch: np.ndarray | Tensor) -> Tensor:
            result = gpu.train(batch, draws)
            torch.cuda.synchronize()
            return result

        found["dabench on CUDA, images there"] = lambda: synchronised(there)
        found["dabench on CUDA, images sent"] = lambda: synchronised(images)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    for side, size in ((256, 224), (182, 160)):
        ways = variants(side, size, arguments.batch, arguments.threads)
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(arguments.rounds + 1):  # the first warms up
            for name, work in ways.items():
                started = time.perf_counter()
                work()
                if turn:
                    seconds[name].append(time.perf_counter() - started)
        print(f"{side} to {size} pixels, batches of {arguments.batch}: images/s, median (slowest to fastest)")
        for name, times in seconds.items():
            rates = sorted(arguments.batch / time_ for time_ in times)
            print(f"  {name:<48}{rates[len(rates) // 2]:8.0f} ({rates[0]:.0f} to {rates[-1]:.0f})")


if __name__ == "__main__":
    main()
