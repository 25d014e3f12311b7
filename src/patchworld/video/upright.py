"""A decoded frame becomes the picture a viewer sees: true colours, no transparency, square pixels, upright."""

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import numpy as np

from patchworld.shapes import round_up
from patchworld.video.recipe import Note
from patchworld.video.source import check_picture_size, on_white, turned

if TYPE_CHECKING:
    import av
    from av.sidedata.sidedata import SideDataContainer

_HD_HEIGHT = 720  # video without a colour tag is BT.709 by custom from this height on, BT.601 below it
_UNTAGGED = 2  # AVCOL_SPC_UNSPECIFIED


@dataclass(frozen=True)
class View:
    """How the frames of one file are shown. All sizes are (width, height).

    pixel_shape: width of a pixel divided by its height. crop: the part at the top left to keep, None for all of it.
    transposed, mirrored, upended: swap x and y, then reverse x, then reverse y. size: of the finished picture.
    """

    pixel_shape: Fraction
    crop: tuple[int, int] | None
    transposed: bool
    mirrored: bool
    upended: bool
    size: tuple[int, int]


def view_of(name: str, frame: "av.VideoFrame", pixel_shape: Fraction | None, note: Note | None) -> View:
    """The view of a file from its first frame. Raises MediaError when the picture is too large."""
    shape = pixel_shape or Fraction(1)
    width, height = _square_pixels(frame.width, frame.height, shape)
    check_picture_size(name, width, height)
    crop = None
    if note and note.size != (width, height) == tuple(round_up(side, 2) for side in note.size):
        crop = width, height = note.size  # the writer repeated an edge because H.264 takes even sizes only
    transposed, mirrored, upended = _display_matrix(frame)
    return View(shape, crop, transposed, mirrored, upended, (height, width) if transposed else (width, height))


def upright(frame: "av.VideoFrame", view: View) -> np.ndarray:
    """The picture of `frame`: uint8 (height, width, 3), RGB, of `view.size`.

    A frame whose size is not that of the file's first frame (calls and screen recordings change it on the way) is
    scaled without stretching, on black.
    """
    from av.video.reformatter import Colorspace, Interpolation

    width, height = _square_pixels(frame.width, frame.height, view.pixel_shape)
    has_alpha = frame.format.name == "pal8" or any(component.is_alpha for component in frame.format.components)
    untagged_hd = frame.colorspace == _UNTAGGED and frame.height >= _HD_HEIGHT and not frame.format.is_rgb
    # Full chroma and exact rounding: without them swscale loses up to 14 dB on smooth pictures. BITEXACT: the same
    # pixels on every processor.
    exact = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.BITEXACT
    array = frame.to_ndarray(
        format="rgba" if has_alpha else "rgb24",
        width=width,
        height=height,
        src_colorspace=Colorspace.ITU709 if untagged_hd else None,
        interpolation=exact,
        threads=1,
    )
    if has_alpha:
        array = on_white(array)
    if view.crop:
        array = array[: view.crop[1], : view.crop[0]]
    array = turned(array, view.transposed, view.mirrored, view.upended)
    if (array.shape[1], array.shape[0]) != view.size:
        from patchworld.video.resize import fit_frame

        array = fit_frame(array, view.size, "pad")
    return np.ascontiguousarray(array)


def _square_pixels(width: int, height: int, pixel_shape: Fraction) -> tuple[int, int]:
    """The size with square pixels: the side that is too short is drawn out, so that no detail is lost."""
    if pixel_shape > 1:
        return round(width * pixel_shape), height
    return width, round(height / pixel_shape)


def _display_matrix(frame: "av.VideoFrame") -> tuple[bool, bool, bool]:
    """(transposed, mirrored, upended) from the display matrix of a phone's video, to the nearest quarter turn.

    The matrix holds nine integers in rows, (a b u) (c d v) (x y w); it puts the pixel (x, y) at (ax + cy, bx + dy)
    (ISO/IEC 14496-12, 6.2.2).
    """
    from av.sidedata.sidedata import Type

    matrix = cast("SideDataContainer", frame.side_data).get(Type.DISPLAYMATRIX)
    if matrix is None:
        return False, False, False
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].astype(np.int64)
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return False, bool(a < 0), bool(d < 0)
    return True, bool(c < 0), bool(b < 0)
