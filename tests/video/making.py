"""Small videos for the tests, made with PyAV so that every property of the file is known."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from patchworld.video import Clip


def scene(num_frames: int, width: int = 48, height: int = 32, seed: int = 0) -> np.ndarray:
    """A smooth coloured texture that drifts: uint8 (frames, height, width, 3). Codecs keep it well, frames differ."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(width, height)
    frames = np.empty((num_frames, height, width, 3), np.uint8)
    waves = rng.uniform(2, 9, (3, 4, 3))
    for number in range(num_frames):
        for channel in range(3):
            value = sum(np.sin(a * x + b * y + c + number * 0.2) for a, b, c in waves[channel])
            frames[number, :, :, channel] = (128 + 30 * value).clip(0, 255)
    return frames


def greys(levels: Sequence[int], width: int = 32, height: int = 32) -> np.ndarray:
    """One flat frame a level: uint8 (frames, height, width, 3). Which frame is shown is read off its brightness."""
    return np.stack([np.full((height, width, 3), level, np.uint8) for level in levels])


def corners(width: int = 48, height: int = 32) -> np.ndarray:
    """One frame, each quarter in its own colour: red, green over blue, white. uint8 (height, width, 3)."""
    frame = np.empty((height, width, 3), np.uint8)
    frame[: height // 2, : width // 2], frame[: height // 2, width // 2 :] = (230, 20, 20), (20, 200, 20)
    frame[height // 2 :, : width // 2], frame[height // 2 :, width // 2 :] = (20, 20, 230), (240, 240, 240)
    return frame


def encode(
    path: Path,
    frames: np.ndarray,
    *,
    fps: float = 10,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    times: Sequence[float] | None = None,
    rotation: float | None = None,
    mirrored: bool = False,
    pixel_shape: Fraction | None = None,
    sound: bool = False,
) -> Path:
    """Write frames, uint8 (frames, height, width, 3 or 4), with any codec. times: seconds at which each begins."""
    with av.open(str(path), "w") as container:
        rate = Fraction(fps).limit_denominator(1001)
        stream = container.add_stream(codec, rate=rate, options=options or {"crf": "4"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixels
        stream.codec_context.thread_count = 1
        if pixel_shape is not None:
            stream.codec_context.sample_aspect_ratio = pixel_shape
        if rotation is not None:
            stream.set_display_rotation(rotation, hflip=mirrored)
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if pixels.startswith("yuva"):
            stream.metadata["alpha_mode"] = "1"
        if sound:
            track = container.add_stream("aac" if path.suffix != ".webm" else "libopus", rate=48000)
            track.layout = "mono"
        for number, frame in enumerate(frames):
            layout = "rgba" if frame.shape[2] == 4 else "rgb24"
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=layout)
            picture.time_base = 1 / rate if times is None else Fraction(1, 1000)
            picture.pts = number if times is None else round(times[number] * 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        if sound:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.float32), format="fltp", layout="mono")
            silence.sample_rate = 48000
            resampler = av.AudioResampler(format=track.codec_context.format, layout="mono", rate=48000)
            for part in resampler.resample(silence):
                container.mux(track.encode(part))
            container.mux(track.encode(None))
    return path


def brightness(clip: Clip) -> list[int]:
    """The mean level of each frame, rounded."""
    return [round(float(frame.mean())) for frame in clip.frames]
