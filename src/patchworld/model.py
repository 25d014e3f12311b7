"""A model: four parts in one folder, as safetensors and JSON.

model.json                  sizes of the parts, the noise process, what made it
autoencoder.safetensors     pixels <-> latents
transformer.safetensors     the denoiser
text.safetensors            the text encoder, with tokenizer.json
"""

import hashlib
import json
import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator
from safetensors.torch import save as to_safetensors
from torch import nn

from patchworld.canvas import Canvas
from patchworld.diffusion import DDPM, RectifiedFlow
from patchworld.dit import DiffusionTransformer, TransformerConfig
from patchworld.errors import ModelError, first_problem
from patchworld.generate import OnStep, Sampling, generate, stream
from patchworld.lora import add_lora, read_lora
from patchworld.patches import PatchGrid
from patchworld.recipe import write_recipe
from patchworld.text import BuiltinTextEncoder, HuggingFaceTextEncoder, TextConfig, Tokenizer
from patchworld.vae import Autoencoder, AutoencoderConfig
from patchworld.video import Clip
from patchworld.video.whole_file import disk_errors, whole_file
from patchworld.weights_file import read_weights

DEFAULT = Path(__file__).parent / "weights" / "playroom"
PROCESSES = {"flow": RectifiedFlow, "ddpm": DDPM}
COMPILED_PRODUCTS = {"LRU_CACHE_CAPACITY": "16", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "128"}  # of PyTorch, of oneDNN
STRICT = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Flow(BaseModel):
    model_config = STRICT
    kind: Literal["flow"] = "flow"
    settings: RectifiedFlow


class _DDPM(BaseModel):
    model_config = STRICT
    kind: Literal["ddpm"] = "ddpm"
    settings: DDPM


class PretrainedText(BaseModel):
    """A Hugging Face text encoder, which stays where it is: `name` on the hub, or its folder."""

    model_config = STRICT
    name: str
    max_tokens: PositiveInt = 256


class Description(BaseModel):
    """What model.json says. An autoencoder has no other parts, a whole model has one of the two text encoders."""

    model_config = STRICT

    autoencoder: AutoencoderConfig
    transformer: TransformerConfig | None = None
    text: TextConfig | None = None
    pretrained_text: PretrainedText | None = None
    process: Annotated[_Flow | _DDPM, Field(discriminator="kind")] | None = None
    made_by: dict[str, Any] = {}

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.transformer and self.process:
            have, transformer = self.autoencoder.latent_channels, self.transformer
            outputs = self.process.settings.num_outputs(transformer.num_inputs)
            for name, value, fitting in (
                ("latent_channels", transformer.latent_channels, min(have, transformer.latent_channels)),
                ("text_width", transformer.text_width, self.text.width if self.text else transformer.text_width),
                ("num_outputs", transformer.num_outputs, outputs),
            ):
                if value != fitting:
                    raise ValueError(f"transformer.{name}={value} does not fit the other parts, which need {fitting}")
        return self


@dataclass(frozen=True, eq=False)
class Model:
    """A world that can be dreamed in: `generate.World`, with the weights' hash that recipes name."""

    autoencoder: Autoencoder
    denoiser: DiffusionTransformer
    text_encoder: BuiltinTextEncoder | HuggingFaceTextEncoder
    process: RectifiedFlow | DDPM
    hash: str = ""

    @property
    def latent_channels(self) -> int:
        return self.denoiser.config.latent_channels

    @property
    def patch(self) -> PatchGrid:
        return self.denoiser.config.grid

    @property
    def actions(self) -> tuple[str, ...]:
        return self.denoiser.config.actions

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
        """A clip of `frames` frames of `size` (width, height); one frame is an image. Same arguments, same clip."""
        canvas = Canvas(prompt, frames, size, fps, negative)
        return self.dream(canvas, Sampling(seed, steps, guidance, solver), on_step)

    def dream(self, canvas: Canvas, sampling: Sampling | None = None, on_step: OnStep | None = None) -> Clip:
        """The clip of a canvas, such as a verb makes it; it carries its recipe."""
        clip = generate(self, canvas, sampling, on_step)
        return Clip(clip.frames, clip.fps, self.recipe(canvas, sampling))

    def stream(
        self, canvas: Canvas, sampling: Sampling | None = None, on_step: OnStep | None = None
    ) -> Iterator[np.ndarray]:
        """The frames of `dream`, uint8 (height, width, 3), one by one, each as soon as it is known."""
        return stream(self, canvas, sampling, on_step)

    def recipe(self, canvas: Canvas, sampling: Sampling | None = None) -> dict[str, Any]:
        """What makes the clip of this canvas again: see `patchworld.recipe`."""
        return write_recipe(canvas, sampling or Sampling(), self.hash)


def keep_few_products() -> None:
    """On a CPU, PyTorch and oneDNN below it keep what they compile for each size of a product, for 1,024 sizes each
    unless they are told otherwise before the first. Clips and packs differ in length: that takes hundreds of megabytes
    in dreaming and gigabytes in training, and brings nothing.
    """
    for name, number in COMPILED_PRODUCTS.items():
        os.environ.setdefault(name, number)


def load(folder: str | Path | None = None, lora: str | Path | None = None, lora_strength: float = 1.0) -> Model:
    """The model in `folder`, or the one that comes with patchworld, with the adapter in the folder `lora` added.

    Raises ModelError when it cannot be used; an adapter that was trained on another model is warned of.
    """
    keep_few_products()
    folder = Path(folder) if folder is not None else DEFAULT
    description = read_description(folder)
    if not (description.transformer and description.process and (description.text or description.pretrained_text)):
        raise ModelError(
            f"{folder} holds no transformer, only an autoencoder: give the folder of a whole model, "
            "as patchworld train transformer writes it"
        )
    autoencoder = load_autoencoder(folder)
    denoiser = DiffusionTransformer(description.transformer)
    _load_weights(denoiser, folder / "transformer.safetensors")
    text_encoder, name = _load_text_encoder(description, folder), _hash(folder)
    parts = nn.ModuleDict({"denoiser": denoiser})
    if isinstance(text_encoder, nn.Module):
        parts["text"] = text_encoder
    if lora is not None:
        name = _add_lora(parts, name, Path(lora), lora_strength)
    # Matrix products run in bfloat16; keeping the weights so saves a conversion at every step.
    parts.bfloat16().eval()
    return Model(autoencoder, denoiser, text_encoder, description.process.settings, name)


def _add_lora(parts: nn.Module, name: str, folder: Path, strength: float) -> str:
    """Add an adapter to the model called `name`; returns the name of what it is then."""
    trained_on = read_lora(folder).model
    if trained_on != name:
        warnings.warn(f"{folder} was trained on model {trained_on}, this one is {name}", stacklevel=3)
    add_lora(parts, folder, strength)
    weights = (folder / "lora.safetensors").read_bytes()
    return hashlib.sha256(f"{name} {strength} ".encode() + weights).hexdigest()[:16]


def save(model: Model, folder: Path, made_by: dict[str, Any] | None = None) -> None:
    """Write all four parts, whole or not at all. `made_by` is kept in model.json for people to read."""
    process, words = model.process, model.text_encoder
    parts: dict[str, nn.Module] = {"autoencoder": model.autoencoder, "transformer": model.denoiser}
    texts: dict[str, str] = {}
    fields: dict[str, Any] = {}
    if isinstance(words, BuiltinTextEncoder):
        parts["text"], texts["tokenizer.json"], fields["text"] = words, words.tokenizer.to_json(), words.config
    else:
        fields["pretrained_text"] = PretrainedText(name=words.name, max_tokens=words.max_tokens)
    description = Description(
        autoencoder=model.autoencoder.config,
        transformer=model.denoiser.config,
        process=_Flow(settings=process) if isinstance(process, RectifiedFlow) else _DDPM(settings=process),
        made_by=made_by or {},
        **fields,
    )
    _save(folder, description, parts, texts)


def _load_text_encoder(description: Description, folder: Path) -> BuiltinTextEncoder | HuggingFaceTextEncoder:
    if description.text is None:
        assert description.pretrained_text is not None
        return HuggingFaceTextEncoder(description.pretrained_text.name, description.pretrained_text.max_tokens)
    text_encoder = BuiltinTextEncoder(description.text, Tokenizer.load(folder / "tokenizer.json"))
    _load_weights(text_encoder, folder / "text.safetensors")
    return text_encoder


def load_autoencoder(folder: Path) -> Autoencoder:
    """The autoencoder in the folder of a model, or in a folder of its own."""
    autoencoder = Autoencoder(read_description(folder).autoencoder)
    _load_weights(autoencoder, folder / "autoencoder.safetensors")
    return autoencoder.eval()


def save_autoencoder(autoencoder: Autoencoder, folder: Path) -> None:
    """Write an autoencoder that has no transformer yet."""
    _save(folder, Description(autoencoder=autoencoder.config), {"autoencoder": autoencoder}, {})


def _save(folder: Path, description: Description, parts: dict[str, nn.Module], texts: dict[str, str]) -> None:
    texts = {"model.json": description.model_dump_json(indent=1) + "\n", **texts}
    contents = {name: text.encode() for name, text in texts.items()}
    for name, part in parts.items():
        tensors = {key: tensor.to(torch.bfloat16).contiguous() for key, tensor in part.state_dict().items()}
        contents[f"{name}.safetensors"] = to_safetensors(tensors)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    # All files are written before the first takes its name; model.json takes it last.
    with ExitStack() as names:
        for name, content in contents.items():
            file = names.enter_context(whole_file(folder / name))
            with disk_errors(folder / name):
                file.write(content)
                file.flush()


def read_description(folder: Path) -> Description:
    """What the model.json of a folder says. Raises ModelError."""
    path = folder / "model.json"
    try:
        return Description.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError(
            f"{folder} holds no model.json: give the folder of a model, such as OUT/model of a training run"
        ) from None
    except ValidationError as error:
        raise ModelError(f"{path}: {first_problem(error)}; restore the file from where the model came from") from error


def _load_weights(module: nn.Module, path: Path) -> None:
    """Copy a file of weights into `module`; names and shapes must be its own, and every number finite."""
    module.load_state_dict(read_weights(path, module.state_dict()))


def _hash(folder: Path) -> str:
    """Eight bytes that name a model by its weights, its words and its sizes."""
    described = json.loads((folder / "model.json").read_bytes())  # as written, so that a later option renames no model
    described.pop("made_by", None)
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("tokenizer.json")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
