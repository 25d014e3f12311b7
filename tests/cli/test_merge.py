import numpy as np
import pytest
from torch import nn

from patchworld.lora import Lora, inject, injected, save_lora
from patchworld.model import load
from patchworld.video import read


@pytest.fixture
def lora(model, tmp_path_factory):
    """The folder of an adapter of the tiny model that does something."""
    base = load(model)
    parts = nn.ModuleDict({"denoiser": base.denoiser, "text": base.text_encoder}).float()
    inject(parts, 2)
    for name, parameter in parts.named_parameters():
        if "lora_" in name:
            nn.init.normal_(parameter, std=0.3)
    folder = tmp_path_factory.mktemp("adapter")
    save_lora(folder, Lora(rank=2, model=base.hash), injected(parts))
    return folder


def test_an_adapter_beside_a_model_and_merged_into_it_dream_the_same_and_it_is_replayed(run, model, lora):
    dream = ("generate", "a red ball", "--size", "16x16", "--frames", 5, "--steps", 1)
    for words in (("-o", "plain.mp4"), ("-o", "beside.mp4", "--lora", lora)):
        assert run(*dream, "--model", model, *words)[0] == 0
    assert run("merge", lora, "-o", "merged", "--model", model)[0] == 0
    assert run(*dream, "--model", "merged", "-o", "merged.mp4")[0] == 0
    plain, beside, merged = (read(f"{name}.mp4").frames for name in ("plain", "beside", "merged"))
    assert np.array_equal(beside, merged)
    assert not np.array_equal(plain, beside)
    status, out, _ = run("replay", "beside.mp4", "--model", model, "--lora", lora)
    assert (status, out) == (0, "beside-replay.mp4: the same frames again\n")
    assert run("replay", "beside.mp4", "--model", model)[0] == 2


def test_a_model_is_not_written_over(refused, model, lora):
    assert "holds a model: choose a new folder" in refused("merge", lora, "-o", model, "--model", model)
    assert "holds no lora.json" in refused("merge", model, "-o", "merged", "--model", model)
