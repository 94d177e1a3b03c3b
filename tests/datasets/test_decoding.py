import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dabench.datasets.decoding import LARGEST_FILE_BYTES, decode
from dabench.errors import UserError

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "1", "CMYK"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str, suffix: str) -> None:
    if (mode, suffix) == ("CMYK", ".png"):
        pytest.skip("PNG has no CMYK")
    path = tmp_path / f"x{suffix}"
    Image.fromarray(PIXELS).convert(mode).save(path)
    image = decode(path)
    assert image.shape == (4, 6, 3)
    assert image.dtype == np.uint8
    assert image.flags.writeable
    if mode in ("RGB", "RGBA"):
        assert np.array_equal(image, PIXELS)


def test_palette_with_transparency_gives_its_colours(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8), mode=None).convert("P")
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.save(tmp_path / "x.png", transparency=b"\x00\x80")
    assert decode(tmp_path / "x.png").tolist() == [[[255, 0, 0], [0, 255, 0]]]


def test_orientation_is_left_alone(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.fromarray(PIXELS).save(tmp_path / "x.jpg", exif=exif)
    assert decode(tmp_path / "x.jpg").shape == (4, 6, 3)


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".gif", ".bmp"])
def test_cut_files_are_named(tmp_path: Path, part: float, suffix: str) -> None:
    path = tmp_path / f"cut{suffix}"
    Image.fromarray(np.tile(PIXELS, (30, 30, 1))).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(UserError, match=rf"cut\{suffix}: cannot be decoded"):
        decode(path)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [12_000, 60_000])
def test_decompression_bombs_are_refused(tmp_path: Path, side: int) -> None:
    """12,000 squared lies between Pillow's warning and its error."""
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(side, side))
    with pytest.raises(UserError, match=r"bomb\.png: cannot be decoded"):
        decode(path)


def test_only_the_formats_of_data_sets_are_decoded(tmp_path: Path) -> None:
    """For EPS Pillow would start Ghostscript, a PDF or an icon are no photos: a name does not decide."""
    for kind in ("EPS", "ICO", "TGA"):
        Image.fromarray(PIXELS).save(tmp_path / "x", format=kind)
        (tmp_path / "x").rename(tmp_path / "x.jpg")
        with pytest.raises(UserError, match="cannot be decoded"):
            decode(tmp_path / "x.jpg")


def test_other_things_than_files_and_huge_files_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(UserError, match="no regular file"):
        decode(tmp_path / "pipe.jpg")
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(LARGEST_FILE_BYTES + 1)
    with pytest.raises(UserError, match="larger than"):
        decode(tmp_path / "huge.jpg")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: No such file"):
        decode(tmp_path / "none.jpg")


def test_bytes_that_are_no_image(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(io.BytesIO(b"<html>not found</html>").getvalue())
    with pytest.raises(UserError, match="22 bytes"):
        decode(tmp_path / "x.jpg")
