import pytest
import torch
from conftest import TINY_TEXT
from tiny import moving_square, text_encoder_folder

from patchworld.data import Sample, action_names, encode_dataset
from patchworld.diffusion import DDPM, RectifiedFlow
from patchworld.dit import PRESETS
from patchworld.model import load
from patchworld.shapes import Grid
from patchworld.text import HuggingFaceTextEncoder
from patchworld.train import TrainConfig, TransformerTask, train
from patchworld.train.order import generator


@pytest.fixture
def make_task(tiny_model, tmp_path):
    """A task on three clips and an image of several sizes."""
    samples = []
    for number, (frames, size) in enumerate([(17, (32, 32)), (9, (48, 32)), (1, (32, 32)), (5, (32, 48))]):
        path = tmp_path / f"{number}.{'png' if frames == 1 else 'mp4'}"
        moving_square(frames, size).save(path)
        samples.append(Sample(path, ("a red square", "红色方块"), ("none", *("push",) * (frames - 1))))
    encoded = encode_dataset(samples, tiny_model.autoencoder, Grid(4, 16), tmp_path / "latents")

    def make(process=None, seed=0, **options):
        autoencoder = tiny_model.autoencoder
        names = action_names(samples)
        sizes = PRESETS["tiny"]
        return TransformerTask(
            encoded, autoencoder, process or RectifiedFlow(), sizes, TINY_TEXT, names, seed, **options
        )

    return make


@pytest.mark.parametrize("process", [RectifiedFlow(), DDPM()])
def test_training_lowers_the_loss_and_leaves_a_model_that_generates(make_task, tmp_path, process):
    task = make_task(process)
    config = TrainConfig(steps=30, lr=5e-3, lr_warmup_steps=2, ema_decay=0.5)
    probe = [task.batch(task.samples, generator(9, number)) for number in range(8)]
    before = sum(task.mean_loss(batch)[0].item() for batch in probe)
    folder = train(task, config, tmp_path / "run")
    assert sum(task.mean_loss(batch)[0].item() for batch in probe) < 0.9 * before
    model = load(folder)
    assert type(model.process) is type(process)
    assert model.generate("a red square", frames=5, size=(32, 32), steps=2).frames.shape == (5, 32, 32, 3)


def test_a_pretrained_text_encoder_is_read_from_and_stays_as_it_is(make_task, tmp_path):
    folder = text_encoder_folder("t5", tmp_path / "t5")
    task = make_task(text_encoder=HuggingFaceTextEncoder(str(folder), max_tokens=20))
    assert list(task.module) == ["denoiser"]
    config = TrainConfig(steps=15, lr=2e-2, lr_warmup_steps=2, ema_decay=0.5)
    model = load(train(task, config, tmp_path / "run"))
    assert isinstance(model.text_encoder, HuggingFaceTextEncoder)
    assert (model.text_encoder.name, model.text_encoder.max_tokens) == (str(folder), 20)
    clips = [model.generate(prompt, frames=5, size=(32, 32), steps=2) for prompt in ("a red ball", "falls")]
    assert (clips[0].frames != clips[1].frames).any()


def test_given_tokens_do_not_count(make_task):
    task = make_task()
    batch = task.batch(task.samples, generator(0, 1))
    assert 0 < (batch.cap < 1).sum() < len(batch.cap)
    loss, num_dreamed, _ = task.mean_loss(batch)
    assert num_dreamed == int((batch.cap == 1).sum())
    batch.noise[batch.cap == 0] = 1e6  # a clean token shows none of its noise, and its own loss is left out
    assert torch.equal(task.mean_loss(batch)[0], loss)


def test_a_batch_is_a_function_of_seed_and_pack(make_task):
    first, again = make_task(), make_task()
    assert torch.equal(first.loss(7).value, again.loss(7).value)
    assert not torch.equal(first.loss(7).value, first.loss(8).value)


def test_actions_fill_the_latent_frames_they_happen_in(make_task):
    task = make_task()
    names = task.denoiser.config.actions
    assert names == ("none", "push")
    rows = [task._actions([task.samples[0]], generator(0, number)) for number in range(20)]
    said = next(row for row in rows if row.any())
    assert said.tolist() == [[1, 0], [0, 1], [0, 1], [0, 1], [0, 1]]
    assert any(not row.any() for row in rows)  # actions are left out now and then
