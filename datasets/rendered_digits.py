"""Digits drawn from fonts, with varied position, size, angle, colour and blur: domain S of minidigits.

The fonts are those that matplotlib ships (DejaVu, STIX and BaKoMa's Computer Modern).
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from dabench.errors import UserError

__all__ = ["FONTS", "Look", "font_files", "render"]

FONTS = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique",
    "DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique",
    "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic",
    "STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta",
    "cmr10", "cmb10", "cmss10", "cmtt10", "cmti10",
)  # fmt: skip
"""Fonts whose digits look like digits: no symbol fonts, and not cmmi10, whose digits are old-style."""

OVERSAMPLING = 4  # digits are drawn so many times larger and averaged down, which smooths their edges
GLYPH_PX = 64  # font size at which a digit is first drawn; it is then scaled to the wanted height


@dataclass(frozen=True)
class Look:
    """Within what limits a drawn digit varies. Each value is drawn uniformly.

    Attributes:
        height: least and largest height of the digit, as a part of the image's side.
        shift: largest offset of the digit's centre in each direction, as a part of the side.
        angle: largest rotation either way, degrees.
        blur: least and largest radius of the Gaussian blur, pixels of the final image.
        ink: range of each channel of the digit's colour, in [0, 1].
        paper: range of each channel of the background's colour, in [0, 1].
    """

    height: tuple[float, float]
    shift: float
    angle: float
    blur: tuple[float, float]
    ink: tuple[float, float]
    paper: tuple[float, float]


def font_files() -> dict[str, Path]:
    """The fonts' files, by name, in the order of ``FONTS``.

    Raises:
        UserError: the installed matplotlib lacks one.
    """
    import matplotlib  # not pyplot: only the folder of its data is wanted

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    files = {name: folder / f"{name}.ttf" for name in FONTS}
    missing = [name for name, file in files.items() if not file.is_file()]
    if missing:
        raise UserError(
            f"minidigits: matplotlib {matplotlib.__version__} has no font {', '.join(missing)} in {folder}",
            "install another version of matplotlib (3.8 or later)",
        )
    return files


@cache
def _glyph(font: Path, digit: int) -> Image.Image:
    """The digit, white on black, cut to its outline."""
    drawing = ImageFont.truetype(str(font), GLYPH_PX, layout_engine=ImageFont.Layout.BASIC)
    left, top, right, bottom = (round(edge) for edge in drawing.getbbox(str(digit)))
    canvas = Image.new("L", (right - left, bottom - top), 0)
    ImageDraw.Draw(canvas).text((-left, -top), str(digit), fill=255, font=drawing)
    return canvas


def render(font: Path, digit: int, side: int, look: Look, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw one digit on a coloured background.

    Args:
        font: TrueType file.
        digit: 0 to 9.
        side: of the image, pixels.
        look: within what limits the digit varies.
        rng: where the variation comes from.

    Returns:
        uint8 (side, side, 3).
    """
    large = side * OVERSAMPLING
    glyph = _glyph(font, digit)
    height = max(1, round(rng.uniform(*look.height) * large))
    width = max(1, round(glyph.width * height / glyph.height))
    angle = rng.uniform(-look.angle, look.angle)
    right, down = rng.uniform(-look.shift, look.shift, size=2) * large
    radius = rng.uniform(*look.blur) * OVERSAMPLING
    ink = 255 * rng.uniform(*look.ink, size=3)
    paper = 255 * rng.uniform(*look.paper, size=3)

    mask = Image.new("L", (large, large), 0)
    mask.paste(
        glyph.resize((width, height), Image.Resampling.LANCZOS), ((large - width) // 2, (large - height) // 2)
    )
    mask = mask.rotate(angle, Image.Resampling.BICUBIC, translate=(round(right), round(down)))
    mask = mask.filter(ImageFilter.GaussianBlur(radius)).resize((side, side), Image.Resampling.BOX)
    cover = np.asarray(mask, dtype=np.float64)[..., None] / 255  # (side, side, 1)
    return np.rint(paper + cover * (ink - paper)).astype(np.uint8)
