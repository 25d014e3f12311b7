"""Low-rank adapters: a small change of a model, in a folder of its own (LoRA, Hu et al. 2021, 2106.09685).

lora.json            rank, and the model that was changed
lora.safetensors     for each changed matrix W two thin ones, A (rank, in) and B (out, rank): W + B A  (section 4.1,
                     with alpha equal to the rank)

What is changed are all matrices in the blocks of the transformer and of the built-in text encoder. Training goes
through PEFT; what is written here is read and added without it.
"""

from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from patchworld.errors import InputError, ModelError, first_problem, missing_extra
from patchworld.video.whole_file import disk_errors, whole_file
from patchworld.weights_file import read_weights


class Lora(BaseModel):
    """What lora.json says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rank: PositiveInt
    model: str  # hash of the model it was trained on
    made_by: dict[str, Any] = {}


def layers(module: nn.Module) -> dict[str, nn.Linear]:
    """The layers that adapters change, by name."""
    return {name: layer for name, layer in module.named_modules() if isinstance(layer, nn.Linear) and "blocks." in name}


def inject(module: nn.Module, rank: int) -> None:
    """Give every one of `layers` an adapter that learns and does nothing yet; all other weights stay as they are."""
    narrowest = min(min(layer.weight.shape) for layer in layers(module).values())
    if not 1 <= rank <= narrowest:
        raise InputError(f"rank={rank} is out of range: use 1 to {narrowest}, the narrowest matrix of this model")
    try:
        from peft import LoraConfig, inject_adapter_in_model
        from peft.tuners.lora import LoraLayer
    except ImportError as error:
        raise missing_extra("peft", "train") from error
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=rank, target_modules=list(layers(module))), module)
    for part in module.modules():
        if isinstance(part, LoraLayer):
            part.cast_input_dtype_enabled = False  # autocast chooses the precision, as for every other layer


def injected(module: nn.Module) -> dict[str, Tensor]:
    """The adapters of a module that `inject` has changed."""
    from peft import get_peft_model_state_dict

    return get_peft_model_state_dict(module)


def save_lora(folder: Path, lora: Lora, tensors: dict[str, Tensor]) -> None:
    """Write an adapter, whole or not at all."""
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    content = to_safetensors({name: tensor.float().contiguous() for name, tensor in tensors.items()})
    described = lora.model_dump_json(indent=1) + "\n"
    with whole_file(folder / "lora.safetensors") as weights, whole_file(folder / "lora.json") as description:
        weights.write(content)
        description.write(described.encode())


def read_lora(folder: Path) -> Lora:
    """What lora.json of `folder` says. Raises ModelError when it cannot be used."""
    try:
        return Lora.model_validate_json((folder / "lora.json").read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError(
            f"{folder} holds no lora.json: give the folder of an adapter, such as OUT/lora of a run with --lora"
        ) from None
    except ValidationError as error:
        raise ModelError(f"{folder / 'lora.json'}: {first_problem(error)}; restore the file") from error


def add_lora(module: nn.Module, folder: Path, strength: float = 1.0) -> None:
    """Add the adapter in `folder`, `strength` times, to the weights of `module`, in float32.

    Raises ModelError when it is damaged or that of a model of other sizes.
    """
    rank, own = read_lora(folder).rank, layers(module)
    expected = {}
    for name, layer in own.items():
        outputs, inputs = layer.weight.shape
        expected[f"{name}.lora_A.weight"] = torch.empty(rank, inputs, device="meta")
        expected[f"{name}.lora_B.weight"] = torch.empty(outputs, rank, device="meta")
    tensors = read_weights(folder / "lora.safetensors", expected, described_by="the model it is added to")
    with torch.no_grad():
        for name, layer in own.items():
            a, b = (tensors[f"{name}.lora_{matrix}.weight"].float() for matrix in "AB")
            layer.weight += strength * (b @ a)
