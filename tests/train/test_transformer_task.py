import os
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import TINY_TEXT
from tiny import moving_square, text_encoder_folder

from patchworld.data import Sample, action_names, encode_dataset
from patchworld.diffusion import DDPM, RectifiedFlow, shift_level
from patchworld.dit import PRESETS, transformer
from patchworld.dit.transformer import ROUND
from patchworld.errors import InputError
from patchworld.model import load
from patchworld.patches import PatchGrid, unpack, unpatchify
from patchworld.shapes import Grid, Shape
from patchworld.text import HuggingFaceTextEncoder
from patchworld.train import Stage, TrainConfig, TransformerTask, train
from patchworld.train.order import generator
from patchworld.train.transformer import new_model, token_weight


@pytest.fixture
def make_task(tiny_model, tmp_path):
    """A task on three clips and an image of several sizes."""
    samples = []
    for number, (frames, size) in enumerate([(17, (32, 32)), (9, (48, 32)), (1, (32, 32)), (5, (32, 48))]):
        path = tmp_path / f"{number}.{'png' if frames == 1 else 'mp4'}"
        moving_square(frames, size).save(path)
        samples.append(Sample(path, ("a red square", "红色方块"), ("none", *("push",) * (frames - 1))))
    encoded = encode_dataset(samples, tiny_model.autoencoder, Grid(4, 16), tmp_path / "latents")

    def make(process=None, seed=0, text_encoder=None, **options):
        process, names = process or RectifiedFlow(), action_names(samples)
        parts = (tiny_model.autoencoder, process, PRESETS["tiny"], TINY_TEXT, names, seed, text_encoder)
        return TransformerTask(encoded, new_model(encoded, *parts), seed, **options)

    return make


def draws(task, *stream):
    """A generator for each sample."""
    return [generator(*stream, number) for number in range(len(task.samples))]


@pytest.mark.parametrize("process", [RectifiedFlow(), DDPM()])
def test_training_lowers_the_loss_and_leaves_a_model_that_generates(make_task, tmp_path, process):
    task = make_task(process)
    config = TrainConfig(steps=120, lr=5e-3, lr_warmup_steps=2, ema_decay=0.5)
    probe = [task.batch(task.samples, draws(task, 9, number)) for number in range(8)]
    before = sum(task.mean_loss(batch)[0].item() for batch in probe)
    folder = train(task, config, tmp_path / "run")
    assert sum(task.mean_loss(batch)[0].item() for batch in probe) < 0.96 * before
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
    batch = task.batch(task.samples, draws(task, 0, 1))
    assert 0 < (batch.cap < 1).sum() < len(batch.cap)
    loss, _, num_dreamed, _ = task.mean_loss(batch)
    assert num_dreamed == int((batch.cap == 1).sum())
    batch.noise[batch.cap == 0] = 1e6  # a clean token shows none of its noise, and its own loss is left out
    assert torch.equal(task.mean_loss(batch)[0], loss)


@pytest.mark.parametrize("grid", [PatchGrid(1, 2), PatchGrid(2, 1)])
def test_errors_are_worth_the_pixels_they_change(tiny_model, grid):
    autoencoder, channels = tiny_model.autoencoder, 6
    weight, power = token_weight(autoencoder, channels, grid), []
    for value in torch.eye(grid.num_values(channels)):  # one value of a token of the second token frame wrong by one
        tokens = torch.stack([torch.zeros_like(value), value])
        wrong = unpatchify(tokens, Shape(2, 1, 1), grid)
        power.append(autoencoder.linear_pixels(wrong.transpose(0, 1)).square().sum().item())
    torch.testing.assert_close(weight, torch.tensor(power) / np.mean(power))


def test_a_batch_is_a_function_of_seed_and_pack(make_task):
    first, again = make_task(), make_task()
    assert torch.equal(first.loss(7).value, again.loss(7).value)
    assert not torch.equal(first.loss(7).value, first.loss(8).value)


def test_actions_are_told_frame_by_frame(make_task):
    task = make_task()
    names = task.denoiser.config.actions
    assert names == ("none", "push")
    rows = [task.batch(task.samples[:1], [generator(0, number)]).actions for number in range(20)]
    said = next(row for row in rows if row.any())
    nothing, push = [1] * 4 + [0] * 4, [0] * 4 + [1] * 4
    assert said.tolist() == [nothing, push, push, push, push]
    assert any(not row.any() for row in rows)  # actions are left out now and then


def test_a_setting_is_learned_with_the_actions_alone(make_task):
    task = make_task()
    sample = replace(task.samples[0], captions=("it is pushed",), settings=("it",))
    batches = [task.batch([sample], [generator(0, number)]) for number in range(60)]
    seen = {(batch.captions[0], bool(batch.actions.any())) for batch in batches}
    assert seen == {("it is pushed", True), ("it is pushed", False), ("it", True), ("", True), ("", False)}


def test_a_pack_holds_all_of_every_clip_and_nothing_else(make_task):
    task = make_task()
    batch = task.batch(task.samples, draws(task, 0))
    assert sum(batch.clean.lengths) == sum(shape.volume for shape in task.shapes)
    clips = zip(unpack(batch.clean.tokens, batch.clean), batch.clean.shapes, task.samples, strict=True)
    for tokens, shape, sample in clips:
        assert torch.equal(unpatchify(tokens, shape, task.patch), sample.latent())


def test_filling_a_pack_up_changes_neither_its_loss_nor_its_gradients(make_task):
    task = make_task()
    batch = task.batch(task.samples, draws(task, 3))
    assert len(batch.level) % ROUND
    found = []
    for each in (batch, batch.filled(), batch.filled().filled()):
        loss, moved, dreamed, _ = task.mean_loss(each)
        task.module.zero_grad()
        (loss + moved).backward()
        gradient = torch.cat([p.grad.flatten() for p in task.module.parameters() if p.grad is not None])
        found.append((dreamed, loss.detach(), moved.detach(), gradient))
    assert [len(each.level) for each in (batch.filled(), batch.filled().filled())] == [ROUND, ROUND]
    assert found[0][0] == found[1][0]
    torch.testing.assert_close(found[1][1:], found[0][1:], rtol=1e-4, atol=1e-6)
    assert found[2][1] == found[1][1]


def test_what_is_drawn_for_a_clip_does_not_depend_on_its_pack(make_task):
    task = make_task()
    together = task.batch(task.samples, draws(task, 3), drop=0.5)
    for number, sample in enumerate(task.samples):
        alone = task.batch([sample], [generator(3, number)], drop=0.5)
        for name in ("noise", "cap", "level"):
            assert torch.equal(getattr(together, name).split(together.clean.lengths)[number], getattr(alone, name))
        assert together.captions[number] == alone.captions[0]


def test_packs_are_filled_by_the_lengths_after_dropping(make_task):
    task = make_task(tokens_per_pack=40)
    task.begin_stage(Stage(drop=0.8), 0)
    seen = set()
    for part in range(30):
        epoch, numbers = task.order[part]
        batch = task.batch([task.samples[n] for n in numbers], [task._draw(epoch, n) for n in numbers], 0.8)
        assert sum(batch.clean.lengths) == sum(task.order.lengths(epoch)[n] for n in numbers) <= 40
        seen.add(len(numbers))
    task.begin_stage(Stage(), 0)
    assert max(seen) > max(len(task.order[part][1]) for part in range(30))


def test_the_kept_tokens_see_what_the_whole_clips_show_of_them(make_task, monkeypatch):
    """Against the whole clips with attention among the kept tokens and the words, by a mask."""
    torch.manual_seed(0)
    task = make_task()
    for parameter in task.denoiser.parameters():  # what starts at zero would hide mistakes
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    for number in range(10):
        whole, part = (task.batch(task.samples, draws(task, 5, number), drop) for drop in (0.0, 0.6))
        if part.clean.kept is not None and part.clean.kept.float().mean() < 0.7:
            break
    kept = part.clean.kept
    level = torch.rand(len(task.samples), generator=generator(1)).repeat_interleave(torch.tensor(whole.clean.lengths))
    text = task.text_encoder(whole.captions)

    def masked(q, k, v, q_lengths, k_lengths):
        seen = []
        for tokens, words in zip(kept.split(whole.clean.lengths), text.lengths, strict=True):
            seen += [tokens, torch.ones(words, dtype=torch.bool)]
        same = torch.repeat_interleave(torch.tensor(q_lengths))[:, None] == torch.repeat_interleave(
            torch.tensor(k_lengths)
        )
        scores = torch.einsum("nhk,mhk->hnm", q, k) / q.shape[-1] ** 0.5
        scores = scores.masked_fill(~(same & torch.cat(seen)), float("-inf"))
        return torch.einsum("hnm,mhk->nhk", scores.softmax(-1), v)

    fast = task.denoiser(part.clean, level[kept], text.features, text.lengths, whole.actions)
    monkeypatch.setattr(transformer, "span_attention", masked)
    slow = task.denoiser(whole.clean, level, text.features, text.lengths, whole.actions)
    torch.testing.assert_close(fast, slow[kept], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(fast[:4], fast[4:8])


def test_a_stage_learns_from_its_samples_alone_and_from_each_once_an_epoch(make_task):
    task = make_task(tokens_per_pack=1)
    small = {number for number, shape in enumerate(task.shapes) if shape.volume <= 16}
    assert 0 < len(small) < len(task.samples)
    task.begin_stage(Stage(most_tokens=16), step=7)
    first = task.parts(7)[0] - 7 * len(task.parts(7))
    assert first == 0
    packs = [task.order[number] for number in range(12)]
    for epoch in range(2):
        seen = [sample for e, samples in packs if e == epoch for sample in samples]
        assert sorted(seen) == sorted(small)
    with pytest.raises(InputError, match="up to 1 tokens has none"):
        task.begin_stage(Stage(most_tokens=1), 0)


def test_a_stage_of_one_frame_learns_from_pictures(make_task):
    task = make_task()
    whole = list(task.shapes)
    task.begin_stage(Stage(frames=1), 0)
    assert {shape.frames for shape in whole} != {1}
    assert {shape.frames for shape in task.shapes} == {1}
    assert task.batch(task.samples[:2], [generator(0, n) for n in range(2)]).clean.shapes == tuple(task.shapes[:2])
    task.begin_stage(Stage(), 9)
    assert task.shapes == whole


def test_stages_and_dropping_go_on_where_they_were_stopped(make_task, tmp_path):
    stages = (Stage(until=0.5, most_tokens=16, drop=0.5), Stage(until=1, drop=0.3))
    config = TrainConfig(steps=6, lr_warmup_steps=1, stages=stages, precision="fp32")
    whole, stopped, resumed = make_task(), make_task(), make_task()
    train(whole, config, tmp_path / "whole")
    stop_at_step(stopped, 4)
    train(stopped, config, tmp_path / "parts")
    train(resumed, config, tmp_path / "parts")
    assert resumed.stage == stages[1]
    assert resumed.stage_step == 3
    for ours, theirs in zip(resumed.module.parameters(), whole.module.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def stop_at_step(task, step):
    """Ctrl-C while the packs of `step` are asked for."""
    parts = task.parts

    def interrupted(number):
        if number == step:
            os.kill(os.getpid(), signal.SIGINT)
        return parts(number)

    task.parts = interrupted


def test_a_step_is_the_same_on_one_thread_and_on_several(make_task):
    losses = []
    for threads in (1, 3):
        task = make_task(tokens_per_pack=30)
        with ThreadPoolExecutor(threads) as pool:
            losses.append([loss.value.item() for loss in pool.map(task.loss, range(12))])
    assert losses[0] == losses[1]


def test_noise_levels_are_those_of_the_size_of_the_clip(make_task):
    plain, sized = (make_task(RectifiedFlow(base_tokens=base)) for base in (None, 5))
    levels = [task.batch(task.samples, draws(task, 2)).level for task in (plain, sized)]
    for shape, one, two in zip(plain.shapes, *(x.split([s.volume for s in plain.shapes]) for x in levels), strict=True):
        if one.max() > 0.3:  # not that of a softly given token
            torch.testing.assert_close(two.max(), shift_level(one.max(), (shape.volume / 5) ** 0.5))
