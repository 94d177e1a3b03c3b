"""The folder of photos from which MNIST-M takes its backgrounds."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dabench.datasets.decoding import decode
from dabench.errors import UserError

__all__ = ["PhotoFolder"]


class PhotoFolder:
    """A folder of ``.jpg`` files, in the order of their names.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = sorted(
            file for file in path.iterdir() if file.suffix.lower() == ".jpg" and not file.name.startswith(".")
        )

    def require(self, count: int) -> None:
        """Raise a UserError unless the folder holds so many photos."""
        if len(self.files) != count:
            raise UserError(
                f"{self.path}: {len(self.files)} photos (.jpg), expected {count}",
                "MNIST-M takes the training photos of BSDS500; put exactly those there",
            )

    def fingerprint(self) -> str:
        """Digest of all photos' bytes."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        return digest.hexdigest()

    def read(self, smallest: int) -> list[NDArray[np.uint8]]:
        """All photos decoded, each uint8 (H, W, 3).

        Raises:
            UserError: a photo that cannot be decoded, or with a side below ``smallest`` pixels.
        """
        photos = []
        for file in self.files:
            photo = decode(file)
            if min(photo.shape[:2]) < smallest:
                raise UserError(
                    f"{file}: {photo.shape[1]} x {photo.shape[0]} pixels; at least {smallest} each"
                )
            photos.append(photo)
        return photos
