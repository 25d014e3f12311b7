import json

import pytest
import torch
from torch import nn

from patchworld.errors import InputError, ModelError
from patchworld.lora import Lora, add_lora, inject, injected, layers, read_lora, save_lora
from patchworld.model import load, save


class Small(nn.Module):
    """Two layers that adapters change, and one that they do not."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Linear(3, 5)
        self.blocks = nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 6))

    def forward(self, x):
        return self.blocks(self.embed(x))


X = torch.arange(6.0).view(2, 3)


def learned(module, rank=2):
    """The adapters of a module that has them, after something was learned."""
    inject(module, rank)
    for name, parameter in module.named_parameters():
        if "lora_" in name:
            nn.init.normal_(parameter)
    return injected(module)


def test_an_adapter_does_nothing_until_it_has_learned_and_nothing_else_learns():
    plain, module = Small(), Small()
    inject(module, 2)
    assert torch.equal(module(X), plain(X))
    module(X).sum().backward()
    learning = {name for name, parameter in module.named_parameters() if parameter.grad is not None}
    assert learning == {f"blocks.{n}.lora_{m}.default.weight" for n in range(2) for m in "AB"}


@pytest.mark.parametrize("strength", [1.0, 0.5, 0.0, -1.0])
def test_the_weights_with_an_adapter_are_those_that_peft_computes(tmp_path, strength):
    module, merged = Small(), Small()
    save_lora(tmp_path, Lora(rank=2, model="x"), learned(module))
    for part in module.modules():
        if hasattr(part, "set_scale"):
            part.set_scale("default", strength)
    add_lora(merged, tmp_path, strength)
    torch.testing.assert_close(merged(X), module(X))
    assert torch.equal(merged.embed.weight, Small().embed.weight)


@pytest.mark.parametrize("rank", [0, 5])
def test_a_rank_that_saves_nothing_is_refused(rank):
    with pytest.raises(InputError, match=f"rank={rank} is out of range: use 1 to 4"):
        inject(Small(), rank)


def test_what_is_no_adapter_of_the_model_is_refused(tmp_path):
    tensors = learned(Small())
    with pytest.raises(ModelError, match="holds no lora"):
        read_lora(tmp_path)
    for text in ("{}", '{"rank": 0, "model": "x"}', '{"rank": 2, "model": "x", "target_modules": ["a"]}', "no"):
        (tmp_path / "lora.json").write_text(text)
        with pytest.raises(ModelError, match=r"lora.json: .*restore"):
            read_lora(tmp_path)
    save_lora(tmp_path, Lora(rank=10**12, model="x"), tensors)  # nothing of this size is made
    with pytest.raises(ModelError, match=r"does not fit the model it is added to: .*lora_A.weight is \(2, 5\) instead"):
        add_lora(Small(), tmp_path)
    save_lora(tmp_path, Lora(rank=2, model="x"), {**tensors, "blocks.1.lora_B.weight": torch.full((6, 2), torch.nan)})
    module = Small()
    with pytest.raises(ModelError, match="not finite"):
        add_lora(module, tmp_path)
    assert torch.equal(module(X), Small()(X))  # nothing was added before all was read


@pytest.fixture
def folders(tiny_model, tmp_path):
    """A model and an adapter of it."""
    save(tiny_model, tmp_path / "model")
    model = load(tmp_path / "model")
    parts = nn.ModuleDict({"denoiser": model.denoiser, "text": model.text_encoder}).float()
    tensors = {name: 0.3 * tensor for name, tensor in learned(parts).items()}
    save_lora(tmp_path / "lora", Lora(rank=2, model=model.hash), tensors)
    return tmp_path / "model", tmp_path / "lora"


def frames(model):
    return model.generate("a red ball", frames=5, size=(32, 32), steps=2).frames


def test_a_model_with_an_adapter_has_a_name_of_its_own_and_dreams_otherwise(folders):
    models = [load(folders[0]), load(*folders), load(*folders, 0.5), load(*folders, 0.0)]
    assert len({model.hash for model in models}) == 4
    plain, full, half, none = (frames(model) for model in models)
    assert (none == plain).all()
    assert all(abs(one.astype(int) - other).mean() > 1 for one, other in ((full, plain), (half, plain), (full, half)))
    assert len(layers(models[0].denoiser)) == 10  # five matrices in each of two blocks


def test_an_adapter_can_be_merged_into_a_model(folders, tmp_path):
    save(load(*folders), tmp_path / "merged")
    assert (frames(load(tmp_path / "merged")) == frames(load(*folders))).all()


def test_an_adapter_of_another_model_is_warned_of(folders):
    description = json.loads((folders[1] / "lora.json").read_text())
    (folders[1] / "lora.json").write_text(json.dumps({**description, "model": "0123456789abcdef"}))
    with pytest.warns(UserWarning, match="lora was trained on model 0123456789abcdef, this one is "):
        load(*folders)
