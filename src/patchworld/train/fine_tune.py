"""Going on from the weights of a model: all of them, some of them, or an adapter beside them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from patchworld.data import LatentSample
from patchworld.dit import DiffusionTransformer
from patchworld.errors import InputError
from patchworld.lora import Lora, inject, injected, save_lora
from patchworld.model import Model, load, save
from patchworld.text import BuiltinTextEncoder
from patchworld.train.transformer import TransformerTask


def load_to_learn(folder: Path | None, actions: Sequence[str]) -> Model:
    """The model in `folder`, None for patchworld's own, in float32, with room for `actions` that it does not know.

    Its tokenizer stays: it reads any text, words it never saw in more pieces. A new action begins as one that says
    nothing, a known one means what it meant.
    """
    model = load(folder)
    if isinstance(model.text_encoder, BuiltinTextEncoder):
        model.text_encoder.float().train()
    return replace(model, denoiser=with_actions(model.denoiser.float(), actions).train())


def with_actions(denoiser: DiffusionTransformer, actions: Sequence[str]) -> DiffusionTransformer:
    """The same denoiser, which knows `actions` besides its own."""
    known = denoiser.config.actions
    new = tuple(name for name in actions if name not in known)
    if not new:
        return denoiser
    wider = DiffusionTransformer(denoiser.config.model_copy(update={"actions": (*known, *new)}))
    assert wider.embed_action is not None  # and zero: see its init_weights
    weights = denoiser.state_dict()
    if denoiser.embed_action is not None:
        mine, theirs = denoiser.config.num_deeds, wider.config.num_deeds
        old, told = weights.pop("embed_action.weight"), wider.embed_action.weight.data
        told.unflatten(1, (-1, theirs))[:, :, :mine] = old.unflatten(1, (-1, mine))
    wider.load_state_dict({**weights, "embed_action.weight": wider.embed_action.weight})
    return wider


def freeze(module: nn.Module, parts: Sequence[str]) -> None:
    """Let the weights of `parts` stay as they are: names of layers, each with all that is in it, such as `text` or
    `denoiser.blocks.0`.
    """
    names = [name for name, _ in module.named_parameters()]
    for part in parts:
        inside = [name for name in names if f"{name}.".startswith(f"{part}.")]
        if not inside:
            known = sorted({".".join(name.split(".")[:depth]) for name in names for depth in (1, 2)})
            raise InputError(
                f"nothing is called '{part}' in the model: parts are {', '.join(known)}, and what is in them"
            )
        for name in inside:
            module.get_parameter(name).requires_grad_(False)
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise InputError(f"{', '.join(parts)} is all there is: leave something to learn")


class LoraTask(TransformerTask):
    """A TransformerTask in which adapters learn, and nothing else. Leaves them in `lora/`, added to the model in
    `model/`.
    """

    def __init__(self, samples: list[LatentSample], weights: Path | None, rank: int, seed: int, *amounts: int) -> None:
        """`amounts` are the tokens of a pack and the packs of a step."""
        model = load_to_learn(weights, ())
        super().__init__(samples, model, seed, *amounts)
        unknown = {name for sample in samples for done in sample.actions or () for name in done} - set(self.actions)
        if unknown:
            raise InputError(
                f"the model knows no action '{min(unknown)}', and an adapter cannot learn it: leave out --lora"
            )
        self.weights, self.lora = weights, Lora(rank=rank, model=model.hash)
        torch.manual_seed(seed)
        inject(self.module, rank)

    def export(self, folder: Path) -> None:
        adapter = folder.with_name("lora")
        save_lora(adapter, self.lora, injected(self.module))
        save(load(self.weights, adapter), folder, self.made_by)
