"""Frozen features: what a pretrained backbone says of each image's test view, extracted once and cached.

Methods then train bottleneck, classifier and their own modules on them. That is a protocol of its own: no
crop, no flip, a backbone that does not adapt.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dabench.augment import Augmentation
from dabench.backbones import Backbone, build_backbone
from dabench.cache import cache_folder
from dabench.config import OURS, RunConfig
from dabench.errors import UserError
from dabench.hardware import arithmetic, set_matrix_products
from dabench.images import Advance, Images
from dabench.recipe import Recipe, Sourced
from dabench.sealed import sealed_file

__all__ = ["FROZEN_RECIPE", "Extractor"]

FEATURES_VERSION = 1
BATCH = 64  # images a pass: fixed, because it may decide the last bits
QUICK = f"{OURS}: a whole suite with five seeds in minutes on two processor cores"
FROZEN_RECIPE: Recipe = {
    "steps": Sourced(value=500, source=QUICK),
    "evaluations": Sourced(value=5, source=OURS),
    "batch.source": Sourced(value=32, source="the field's common recipe"),
    "batch.target": Sourced(value=32, source="the field's common recipe"),
    "head.discriminator_hidden": Sourced(value=[256], source=QUICK),
    "threads": Sourced(value=1, source=f"{OURS}: on layers this small, two threads are slower than one"),
}


@lru_cache(maxsize=1)  # a sweep goes through its backbones one after the other
def _built(name: str, args: str, weights: str | Path, size: int) -> tuple[Backbone, str]:
    """A backbone and the digest of its weights."""
    backbone = build_backbone(name, json.loads(args), weights, size)
    digest = hashlib.sha256()
    for key, value in backbone.module.state_dict().items():
        digest.update(key.encode())
        digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return backbone, digest.hexdigest()


class Extractor:
    """Gives the features of whole domains under one run's configuration.

    Args:
        config: of a run; its backbone, transforms and precision count.
        weights: "default" or a local file.
        device: to extract on.
    """

    def __init__(self, config: RunConfig, weights: str | Path, device: torch.device) -> None:
        self._config = config
        self._device = device
        torch.set_num_threads(config.threads or torch.get_num_threads())
        set_matrix_products(device, config.tf32)
        arguments = json.dumps(config.backbone_args, sort_keys=True)
        self._backbone, self._digest = _built(config.backbone, arguments, weights, config.image.size)
        self._mean = config.image.mean or self._backbone.mean
        self._std = config.image.std or self._backbone.std

    def path(self, content: str) -> Path:
        """Where the features of a domain lie, or would lie.

        Args:
            content: fingerprint of the domain's images.
        """
        config = self._config
        key = {
            "version": FEATURES_VERSION,
            "images": content,
            "transform": [
                config.image.resize,
                config.image.size,
                config.image.storage,
                self._mean,
                self._std,
            ],
            "backbone": [config.backbone, config.backbone_args, self._digest],
            # These decide the last bits.
            "arithmetic": [config.precision, config.tf32, config.threads, self._device.type, arithmetic()],
        }
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        return cache_folder() / "features" / f"v{FEATURES_VERSION}-{digest[:32]}.npy"

    def features(
        self, content: str, images: Callable[[], Images], label: str, advance: Advance | None = None
    ) -> NDArray[np.float32]:
        """Return a domain's features (n, backbone_dim), memory-mapped read-only; extract them if needed.

        Args:
            content: fingerprint of the domain's images.
            images: opens the images, if they are needed.
            label: what people call the domain.
            advance: called with (images done, images in all).
        """
        path = self.path(content)
        about = {"kind": "features", "label": label, "backbone": self._config.backbone}
        for _ in range(3):
            sealed_file(path, about, lambda part: self._extract(part, images(), advance))
            with contextlib.suppress(FileNotFoundError):  # dropped a moment ago
                features: NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
                return features
        raise UserError(f"{path} was removed while it was opened", "run the command again")

    def _extract(self, path: Path, images: Images, advance: Advance | None) -> None:
        """Write the features as a ``.npy`` file, batch by batch."""
        augmentation = Augmentation(self._config.image, self._mean, self._std, self._device)
        module: nn.Module = self._backbone.module.to(self._device).eval()
        module = module.to(memory_format=torch.channels_last)
        half = self._config.precision == "bfloat16"
        with path.open("wb") as file:
            for start in range(0, len(images), BATCH):
                rows = np.arange(start, min(start + BATCH, len(images)))
                with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=half):
                    pooled = module(augmentation.test(images.take(rows))).float().cpu().numpy()
                if start == 0:
                    shape = (len(images), pooled.shape[1])
                    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(file, header)
                file.write(np.ascontiguousarray(pooled, "<f4").data)
                if advance is not None:
                    advance(int(rows[-1]) + 1, len(images))
        self._backbone.module.cpu()  # training has the device's memory for itself
