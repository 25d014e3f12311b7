"""Words as a picture: how much of each pixel the letters cover."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

# Looked for in the folders of the system; where none is installed, Pillow's own font stands in.
STYLES = {
    "plain": (),
    "bold": ("DejaVuSans-Bold.ttf", "LiberationSans-Bold.ttf", "Arial Bold.ttf", "arialbd.ttf"),
    "serif": ("DejaVuSerif.ttf", "LiberationSerif-Regular.ttf", "Times New Roman.ttf", "times.ttf"),
    "mono": ("DejaVuSansMono.ttf", "LiberationMono-Regular.ttf", "Courier New.ttf", "cour.ttf"),
}
# Pillow's own font has no Chinese: these, where installed, do.
CHINESE = ("NotoSansCJK-Regular.ttc", "wqy-microhei.ttc", "DroidSansFallbackFull.ttf", "PingFang.ttc", "msyh.ttc")


def lettering(lines: list[str], height: int, style: str = "plain") -> np.ndarray:
    """Lines of text as a mask: float32 (rows, columns), 1 where a letter covers the pixel, 0 beside it.

    height: of a letter, in pixels. style: a key of STYLES.
    """
    from PIL import Image, ImageDraw

    text = "\n".join(lines)
    chinese = None if text.isascii() else _font(CHINESE, height)
    font = chinese or _font(STYLES[style], height) or _pillow_font(height)
    left, top, right, bottom = ImageDraw.Draw(Image.new("L", (1, 1))).multiline_textbbox((0, 0), text, font=font)
    image = Image.new("L", (max(1, round(right - left) + 2), max(1, round(bottom - top) + 2)))
    ImageDraw.Draw(image).multiline_text((1 - left, 1 - top), text, fill=255, font=font)
    return np.asarray(image, np.float32) / 255


def has_chinese() -> bool:
    """Whether a font with Chinese letters is installed."""
    return _font(CHINESE, 12) is not None


def _font(names: tuple[str, ...], size: int) -> "FreeTypeFont | None":
    from PIL import ImageFont

    for name in names:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return None


def _pillow_font(size: int) -> "FreeTypeFont | ImageFont":
    from PIL import ImageFont

    return ImageFont.load_default(size)
