"""From an image file to an array."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dabench.errors import UserError
from dabench.limited import read_limited

__all__ = ["IMAGE_SUFFIXES", "LARGEST_FILE_BYTES", "decode", "decode_bytes"]

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}
)
# Of Pillow's some fifty formats, and whatever a file is called. For EPS, to name one that is missing here, it
# starts Ghostscript, which runs the program that such a file is.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
LARGEST_FILE_BYTES = 256 * 2**20
LARGEST_IMAGE_PIXELS = 89_478_485  # Pillow's own limit, which by itself only warns up to twice as many


def decode(path: Path) -> NDArray[np.uint8]:
    """Decode a file to RGB, uint8 (H, W, 3).

    The first frame counts; transparency is dropped; an EXIF orientation is left alone, as the field's loaders
    do (``PIL.Image.open(path).convert("RGB")``), so that images are those that published results saw.

    Raises:
        UserError: missing, no image, truncated, or larger than any honest image; the message names the file.
    """
    try:
        content = read_limited(path, LARGEST_FILE_BYTES)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    return decode_bytes(content, str(path))


def decode_bytes(content: bytes, name: str) -> NDArray[np.uint8]:
    """Decode a file's content; ``name`` is what errors call it. See ``decode``."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > LARGEST_IMAGE_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels are too many")
            # A palette with transparency goes by way of RGBA: the same colours, without Pillow's warning.
            whole = image.convert("RGBA") if "transparency" in image.info else image
            return np.array(whole.convert("RGB"), dtype=np.uint8)
    # Pillow's decoders raise whatever a broken file makes them stumble over: OSError, SyntaxError,
    # struct.error, zlib.error, DecompressionBombError and more. Each means the same to the user.
    except Exception as error:
        size = f"{len(content)} bytes"
        raise UserError(
            f"{name}: cannot be decoded as an image ({size}): {error}",
            "the file is broken or was not unpacked whole: replace it from the archive",
        ) from error
