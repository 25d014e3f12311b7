"""Pixels: reading, writing, resizing and comparing clips. The only place that knows codecs.

A file becomes a `Clip` by `read`, or frame by frame by `frames`; a clip becomes a file by `write`. Nothing heavy is
imported here: FFmpeg and Pillow are loaded by the functions that use them.
"""

from patchworld.video.clip import Clip
from patchworld.video.metrics import psnr, ssim
from patchworld.video.reading import frames, probe, read, read_recipe
from patchworld.video.resize import fit, resize, retime
from patchworld.video.sheet import contact_sheet
from patchworld.video.source import VideoInfo
from patchworld.video.writing import Writer, check_output, write

__all__ = [
    "Clip",
    "VideoInfo",
    "Writer",
    "check_output",
    "contact_sheet",
    "fit",
    "frames",
    "probe",
    "psnr",
    "read",
    "read_recipe",
    "resize",
    "retime",
    "ssim",
    "write",
]
