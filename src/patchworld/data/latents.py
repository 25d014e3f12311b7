"""Videos encoded once, kept on disk, and read back as the transformer trains."""

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from patchworld.data.dataset import Sample
from patchworld.data.unreadable import Unreadable
from patchworld.errors import InputError, MediaError
from patchworld.shapes import Grid, Shape
from patchworld.vae import Autoencoder, encode_clip
from patchworld.video import Clip, frames, probe
from patchworld.video.resize import resize_frame
from patchworld.video.whole_file import disk_errors, whole_file

MOST_FRAMES = 65  # of one training sample: longer videos are cut into several
MOST_PIXELS = 256 * 256  # of one frame: larger videos are made smaller, keeping their aspect ratio


@dataclass(frozen=True)
class LatentSample:
    """An encoded clip of the data set. Its latent, (c, f, h, w) float16, stays on disk until asked for."""

    path: Path
    shape: Shape  # of the latent
    fps: float
    captions: tuple[str, ...]
    actions: tuple[tuple[str, ...], ...] | None  # names of the actions in each latent frame
    settings: tuple[str, ...] = ()  # captions that leave what happens to the actions

    def latent(self) -> Tensor:
        try:
            latent = torch.from_numpy(np.load(self.path)).float()
        except (ValueError, EOFError) as error:
            raise InputError(
                f"{self.path} is damaged ({error}): delete {self.path.parent} and run the same command again"
            ) from error
        return latent[:, : self.shape.frames]

    def beginning(self, frames: int | None) -> "LatentSample":
        """Its first `frames` latent frames, which know nothing of those after them; all of it for None."""
        shape = Shape(min(frames or self.shape.frames, self.shape.frames), self.shape.height, self.shape.width)
        return replace(self, shape=shape, actions=self.actions and self.actions[: shape.frames])


def training_clips(sample: Sample) -> Iterator[Clip]:
    """The clips a sample is trained on, one after the other: parts of the video, made smaller where it is large."""
    info = probe(sample.path)
    width, height = info.size
    scale = min(1.0, (MOST_PIXELS / (width * height)) ** 0.5)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    part: list[np.ndarray] = []
    for frame in frames(sample.path):
        part.append(resize_frame(frame, size))
        if len(part) == MOST_FRAMES:
            yield Clip(np.stack(part), info.fps)
            part = []
    if part:
        yield Clip(np.stack(part), info.fps)


def encode_dataset(
    samples: list[Sample],
    autoencoder: Autoencoder,
    grid: Grid,
    cache: Path,
    progress: Callable[[Iterable], Iterable] = iter,
) -> list[LatentSample]:
    """Latents of all samples on the token `grid`, from `cache` where an earlier run has written them.

    A file is known by the content of the weights and by path, size and time of the video, so a changed video or
    another autoencoder is encoded anew. A video that cannot be read is left out, see `Unreadable`.
    """
    unreadable = Unreadable(len(samples))
    cache.mkdir(parents=True, exist_ok=True)
    weights = _fingerprint(autoencoder)

    def index_of(sample: Sample) -> Path | None:
        stat = sample.path.stat()
        key = f"{weights} {grid} {sample.path.resolve()} {stat.st_size} {stat.st_mtime_ns}"
        index = cache / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"
        try:
            if not index.exists():
                _encode_sample(sample, autoencoder, grid, index)
        except MediaError as error:
            unreadable.leave_out(sample.path, error)
            return None
        return index

    encoded = []
    # A clip a thread, each with its own single-threaded matrix products.
    with ThreadPoolExecutor(torch.get_num_threads(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        indices = list(progress(pool.map(index_of, samples)))
    for sample, index in zip(samples, indices, strict=True):
        for part in [] if index is None else json.loads(index.read_text()):
            actions = None
            if sample.actions:
                actions = _actions_by_latent_frame(sample.actions, part["start"], part["shape"][0])
            path = cache / part["file"]
            encoded.append(
                LatentSample(path, Shape(*part["shape"]), part["fps"], sample.captions, actions, sample.settings)
            )
    return encoded


def _encode_sample(sample: Sample, autoencoder: Autoencoder, grid: Grid, index: Path) -> None:
    parts = []
    for number, clip in enumerate(training_clips(sample)):
        latent = encode_clip(autoencoder, clip, grid)
        name = f"{index.stem}-{number}.npy"
        content = io.BytesIO()  # numpy, writing to a file itself, does not see that the disk is full
        np.save(content, latent.half().numpy())
        _write(index.with_name(name), content.getvalue())
        parts.append({"file": name, "shape": list(latent.shape[1:]), "fps": clip.fps, "start": number * MOST_FRAMES})
    # The index is written last: without it the sample is encoded again.
    _write(index, json.dumps(parts).encode())


def _write(path: Path, content: bytes) -> None:
    with whole_file(path) as file, disk_errors(path):
        file.write(content)


def _actions_by_latent_frame(actions: tuple[str, ...], start: int, frames: int) -> tuple[tuple[str, ...], ...]:
    """The names of the actions in the pixel frames of each latent frame: 1 for the first, 4 for the others."""
    edges = [start, *(start + 1 + 4 * step for step in range(frames))]
    return tuple(actions[a:b] for a, b in pairwise(edges))


def _fingerprint(autoencoder: Autoencoder) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(autoencoder.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
