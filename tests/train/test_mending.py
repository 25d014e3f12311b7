from copy import deepcopy

import pytest
import torch
from tiny import moving_square

from patchworld.data import Sample
from patchworld.model import load
from patchworld.train import AutoencoderTask, MendingTask, TrainConfig, mending, train
from patchworld.train.order import generator


@pytest.fixture
def samples(tmp_path):
    for number in range(3):
        moving_square(9, (32, 32 + 16 * number)).save(tmp_path / f"{number}.mp4")
    return [Sample(tmp_path / f"{number}.mp4", ("a red square",)) for number in range(3)]


def test_what_is_hidden_little_is_dreamed_as_it_was(tiny_model):
    latent = torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    off = []
    for level in (0.01, 0.9):
        dreamed = mending.dream_again(tiny_model, latent, 8.0, "a red square", level, generator(0))
        off.append((dreamed - latent[: tiny_model.latent_channels]).abs().mean().item())
    assert dreamed.shape == (4, 3, 4, 4)
    assert off[0] < 0.1 < off[1]


def test_the_decoder_learns_to_rebuild_dreams_and_nothing_else_changes(samples, tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(mending, "DREAMED", 1.0)
    monkeypatch.setattr(MendingTask, "_strange", lambda *_: False)  # a tiny model knows nothing of anything
    model = deepcopy(tiny_model)
    task = MendingTask({"squares": samples}, model, 0, crops_per_step=4)

    def loss():
        with torch.no_grad():
            return sum(task.loss((9_999, number)).value.item() for number in range(8))

    before = loss()
    folder = train(task, TrainConfig(steps=15, lr=3e-3, lr_warmup_steps=0, ema_decay=0.5), tmp_path / "run")
    assert loss() < before - 0.5
    mended = load(folder)
    for part in ("denoiser", "text_encoder"):
        old, new = getattr(tiny_model, part).state_dict(), getattr(mended, part).state_dict()
        assert all(torch.equal(old[name].bfloat16().float(), new[name].float()) for name in old)
    assert torch.equal(mended.autoencoder.to_latent.weight, tiny_model.autoencoder.to_latent.weight.bfloat16().float())


def test_some_crops_are_true(samples, tiny_model, monkeypatch):
    monkeypatch.setattr(mending, "DREAMED", 0.0)
    mends = MendingTask({"squares": samples}, deepcopy(tiny_model), 0, fresh=False)
    plain = AutoencoderTask({"squares": samples}, tiny_model.autoencoder, 0, fresh=False)
    with torch.no_grad():
        assert mends.loss((0, 0)).value == plain.loss((0, 0)).value


def test_what_the_model_knows_nothing_of_stays_true(samples, tiny_model, monkeypatch):
    monkeypatch.setattr(mending, "DREAMED", 1.0)
    mends = MendingTask({"squares": samples}, deepcopy(tiny_model), 0, fresh=False)
    plain = AutoencoderTask({"squares": samples}, tiny_model.autoencoder, 0, fresh=False)
    latent = torch.randn(1, 6, 3, 4, 4)
    dreams = {0.1: latent[0, :4] + 0.5, 1e3: latent[0, :4] + 1}
    with torch.no_grad():
        for near, dream in dreams.items():
            monkeypatch.setattr(mending, "dream_again", lambda *_, dream=dream: dream)
            mends.model.denoiser.token_variance = torch.full((16,), 1 / near)
            seen = mends.seen((0, 0), latent.clone())
            assert torch.equal(seen, dream[None] if near < 1 else plain.seen((0, 0), latent.clone()))
