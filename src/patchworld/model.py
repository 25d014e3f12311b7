"""A model: four parts in one folder, as safetensors and JSON.

model.json                  sizes of the parts, the noise process, what made it
autoencoder.safetensors     pixels <-> latents
transformer.safetensors     the denoiser
text.safetensors            the text encoder, with tokenizer.json
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from patchworld.canvas import Canvas
from patchworld.diffusion import DDPM, RectifiedFlow
from patchworld.dit import DiffusionTransformer, TransformerConfig
from patchworld.errors import ModelError, RunError
from patchworld.generate import OnStep, Sampling, generate, recipe
from patchworld.shapes import Grid
from patchworld.text import BuiltinTextEncoder, TextConfig, Tokenizer
from patchworld.vae import Autoencoder, AutoencoderConfig
from patchworld.video import Clip

DEFAULT = Path(__file__).parent / "weights" / "playroom"
C = TypeVar("C", bound=BaseModel)
PROCESSES = {"flow": RectifiedFlow, "ddpm": DDPM}


@dataclass(frozen=True, eq=False)
class Model:
    """A world that can be dreamed in: `generate.World`, with the weights' hash that recipes name."""

    autoencoder: Autoencoder
    denoiser: DiffusionTransformer
    text_encoder: BuiltinTextEncoder
    process: RectifiedFlow | DDPM
    hash: str = ""

    @property
    def patch(self) -> Grid:
        return Grid(1, self.denoiser.config.patch)

    def generate(
        self,
        prompt: str,
        *,
        frames: int = 17,
        size: tuple[int, int] = (64, 64),
        fps: float = 8.0,
        negative: str = "",
        steps: int = Sampling.steps,
        guidance: float = Sampling.guidance,
        seed: int = 0,
        solver: str | None = None,
        on_step: OnStep | None = None,
    ) -> Clip:
        """A clip of `frames` frames of `size` (width, height); one frame is an image. The same arguments give the same
        clip.
        """
        canvas = Canvas(prompt, frames, size, fps, negative)
        return self.dream(canvas, Sampling(seed, steps, guidance, solver), on_step)

    def dream(self, canvas: Canvas, sampling: Sampling, on_step: OnStep | None = None) -> Clip:
        """The clip of a canvas; it carries its recipe."""
        clip = generate(self, canvas, sampling, on_step)
        return Clip(clip.frames, clip.fps, {"model": self.hash, **recipe(canvas, sampling)})


def load(folder: str | Path | None = None) -> Model:
    """The model in `folder`, or the one that comes with patchworld."""
    folder = Path(folder) if folder is not None else DEFAULT
    description = _description(folder)
    autoencoder = load_autoencoder(folder)
    denoiser = DiffusionTransformer(_config(TransformerConfig, description, "transformer", folder))
    tokenizer = Tokenizer.load(folder / "tokenizer.json")
    text_encoder = BuiltinTextEncoder(_config(TextConfig, description, "text", folder), tokenizer)
    _load_weights(denoiser, folder / "transformer.safetensors")
    _load_weights(text_encoder, folder / "text.safetensors")
    kind, fields = description["process"]["kind"], description["process"]["settings"]
    # Matrix products run in bfloat16; keeping the weights so saves a conversion at every step.
    denoiser.bfloat16()
    text_encoder.bfloat16()
    return Model(autoencoder, denoiser.eval(), text_encoder.eval(), PROCESSES[kind](**fields), _hash(folder))


def save(model: Model, folder: Path, made_by: dict[str, Any] | None = None) -> None:
    """Write all four parts, whole or not at all. `made_by` is kept in model.json for people to read."""
    kind = next(name for name, process in PROCESSES.items() if isinstance(model.process, process))
    description = {
        "autoencoder": model.autoencoder.config.model_dump(mode="json"),
        "transformer": model.denoiser.config.model_dump(mode="json"),
        "text": model.text_encoder.config.model_dump(mode="json"),
        "process": {"kind": kind, "settings": asdict(model.process)},
        "made_by": made_by or {},
    }
    parts = {"autoencoder": model.autoencoder, "transformer": model.denoiser, "text": model.text_encoder}
    _save(folder, description, parts, {"tokenizer.json": model.text_encoder.tokenizer.to_json()})


def load_autoencoder(folder: Path) -> Autoencoder:
    """The autoencoder in the folder of a model, or in a folder of its own."""
    autoencoder = Autoencoder(_config(AutoencoderConfig, _description(folder), "autoencoder", folder))
    _load_weights(autoencoder, folder / "autoencoder.safetensors")
    return autoencoder.eval()


def save_autoencoder(autoencoder: Autoencoder, folder: Path) -> None:
    """Write an autoencoder that has no transformer yet."""
    _save(folder, {"autoencoder": autoencoder.config.model_dump(mode="json")}, {"autoencoder": autoencoder}, {})


def _save(folder: Path, description: dict[str, Any], parts: dict[str, nn.Module], texts: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for name, part in parts.items():
            tensors = {key: tensor.to(torch.bfloat16).contiguous() for key, tensor in part.state_dict().items()}
            path = folder / f"{name}.safetensors"
            save_file(tensors, path.with_suffix(".partial"))
            os.replace(path.with_suffix(".partial"), path)
        for name, text in {**texts, "model.json": json.dumps(description, indent=1) + "\n"}.items():
            (folder / f"{name}.partial").write_text(text, encoding="utf-8")
            os.replace(folder / f"{name}.partial", folder / name)
    except OSError as error:
        raise RunError(
            f"cannot write the model to {folder} ({error.strerror}): free disk space or choose another folder"
        ) from error


def _description(folder: Path) -> dict[str, Any]:
    path = folder / "model.json"
    if not path.is_file():
        raise ModelError(
            f"{folder} holds no model.json: give the folder of a model, such as OUT/model of a training run"
        )
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path} is not JSON ({error}): restore it from where the model came from") from error
    return description


def _config(kind: type[C], description: dict[str, Any], part: str, folder: Path) -> C:
    if part not in description:
        raise ModelError(
            f"{folder / 'model.json'} describes no {part}: give the folder of a whole model, as training writes it"
        )
    try:
        return kind.model_validate(description[part])
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(key) for key in first["loc"])
        raise ModelError(f"{folder / 'model.json'}: {part}.{place} {first['msg'].lower()}; restore the file") from error


def _load_weights(module: nn.Module, path: Path) -> None:
    """Copy a file of weights into `module`; names and shapes must be its own, and every number finite."""
    try:
        tensors = load_file(path)
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist: a model folder holds the weights beside model.json") from None
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is damaged ({error}): restore it from where the model came from") from error
    own = module.state_dict()
    if tensors.keys() != own.keys():
        odd = sorted(tensors.keys() ^ own.keys())
        raise ModelError(
            f"{path} does not fit model.json: {len(odd)} names differ, such as {odd[0]}; restore both files together"
        )
    for name, tensor in tensors.items():
        if tensor.shape != own[name].shape:
            wrong = f"{tuple(tensor.shape)} instead of {tuple(own[name].shape)}"
            raise ModelError(f"{path} does not fit model.json: {name} is {wrong}; restore both files together")
        if not tensor.isfinite().all():
            raise ModelError(f"{path}: {name} holds numbers that are not finite; restore the file")
    module.load_state_dict(tensors)


def _hash(folder: Path) -> str:
    """Eight bytes that name the weights and sizes of a model."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
