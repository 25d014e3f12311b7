import json

import numpy as np
import pytest
import torch

from patchworld.data.latents import LatentSample
from patchworld.dit import DiffusionTransformer
from patchworld.errors import InputError
from patchworld.model import load, save
from patchworld.shapes import Shape
from patchworld.train import LoraTask, TrainConfig, TransformerTask, freeze, load_to_learn, train
from patchworld.train.fine_tune import with_actions

SHAPE = Shape(2, 4, 4)
SETTINGS = TrainConfig(
    steps=4, lr=3e-3, lr_warmup_steps=0, ema_decay=0.5, precision="fp32", threads=1, sample_first=True
)


@pytest.fixture
def weights(tiny_model, tmp_path):
    return save(tiny_model, tmp_path / "weights") or tmp_path / "weights"


@pytest.fixture
def samples(tmp_path):
    """Latents that are drawn, not encoded."""
    made = []
    for number in range(3):
        path = tmp_path / f"{number}.npy"
        np.save(path, np.random.default_rng(number).standard_normal((6, *SHAPE)).astype(np.float16))
        made.append(LatentSample(path, SHAPE, 8.0, ("a pink square",), (("jump",), ("jump", "none"))))
    return made


def rows(folder, name):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line[name] for line in lines if name in line]


def test_a_run_begins_with_the_weights_it_goes_on_from_and_improves_on_them(weights, samples, tmp_path):
    task = TransformerTask(samples, load_to_learn(weights, ()), 0, 8)
    with torch.no_grad():
        first = sum(task.loss(part).value.item() for part in task.parts(0)) / len(task.parts(0))
    assert load(weights).denoiser.blocks[0].qkv.weight.equal(task.denoiser.blocks[0].qkv.weight.bfloat16())
    folder = train(task, SETTINGS, tmp_path / "run")
    assert rows(tmp_path / "run", "loss")[0] == pytest.approx(first)
    before, after = rows(tmp_path / "run", "held_out_loss")
    assert after < before
    assert (tmp_path / "run" / "samples" / "step-00000000.png").exists()
    assert load(folder).text_encoder.tokenizer.to_json() == load(weights).text_encoder.tokenizer.to_json()


def test_a_run_with_an_adapter_leaves_it_and_the_model_with_it(weights, samples, tmp_path):
    untold = [LatentSample(s.path, s.shape, s.fps, s.captions, None) for s in samples]
    task = LoraTask(untold, weights, 2, 0, 8)
    kept = {name: p.clone() for name, p in task.module.named_parameters() if not p.requires_grad}
    assert sum(p.numel() for p in task.module.parameters() if p.requires_grad) < 0.2 * sum(
        p.numel() for p in kept.values()
    )
    folder = train(task, SETTINGS, tmp_path / "run")
    assert all(torch.equal(kept[name], p) for name, p in task.module.named_parameters() if name in kept)
    before, after = rows(tmp_path / "run", "held_out_loss")
    assert after < before
    beside, merged, plain = load(weights, tmp_path / "run" / "lora"), load(folder), load(weights)
    for ours, theirs in zip(beside.denoiser.parameters(), merged.denoiser.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert not torch.equal(merged.denoiser.blocks[0].qkv.weight, plain.denoiser.blocks[0].qkv.weight)
    assert torch.equal(merged.denoiser.final.weight, plain.denoiser.final.weight)


def test_a_stopped_run_with_an_adapter_goes_on_as_if_it_had_not_been(weights, samples, tmp_path):
    untold = [LatentSample(s.path, s.shape, s.fps, s.captions, None) for s in samples]
    whole, first, second = (LoraTask(untold, weights, 2, 0, 8) for _ in range(3))
    train(whole, SETTINGS, tmp_path / "whole")
    parts = first.parts

    def stopping(step):
        if step == 2:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGINT)
        return parts(step)

    first.parts = stopping
    train(first, SETTINGS, tmp_path / "parts")
    train(second, SETTINGS, tmp_path / "parts")
    assert rows(tmp_path / "parts", "loss") == rows(tmp_path / "whole", "loss")
    adapters = [(tmp_path / name / "lora" / "lora.safetensors").read_bytes() for name in ("whole", "parts")]
    assert adapters[0] == adapters[1]


def test_an_adapter_cannot_learn_a_new_action(weights, samples):
    with pytest.raises(InputError, match="knows no action 'jump', and an adapter cannot learn it: leave out --lora"):
        LoraTask(samples, weights, 2, 0, 8)


@pytest.mark.parametrize("history", [0, 2])
def test_new_actions_say_nothing_at_first_and_known_ones_what_they_said(weights, samples, history):
    config = load_to_learn(weights, ("push", "fall")).denoiser.config
    assert config.actions == ("push", "fall")
    denoiser = DiffusionTransformer(config.model_copy(update={"action_history": history}))
    torch.nn.init.normal_(denoiser.embed_action.weight)
    wider = with_actions(denoiser, ("jump", "fall", "none"))
    assert wider.config.actions == ("push", "fall", "jump", "none")
    said = wider.embed_action.weight.unflatten(1, (1 + history, 16))  # of each time, 4 actions in 4 frames
    assert torch.equal(said[:, :, :8], denoiser.embed_action.weight.unflatten(1, (1 + history, 8)))
    assert not said[:, :, 8:].any()
    assert with_actions(denoiser, ("fall",)) is denoiser
    for name, tensor in denoiser.state_dict().items():
        assert name == "embed_action.weight" or torch.equal(wider.state_dict()[name], tensor)
    task = TransformerTask(samples, load_to_learn(weights, ("jump", "none")), 0, 8)
    assert [row.tolist() for row in {tuple(r.flatten().tolist()): r for r in drawn_actions(task)}.values()] == [
        [[1, 1, 1, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 1, 0, 0]],
        [[0] * 8] * 2,
    ]


def drawn_actions(task):
    rows = [task.batch(task.samples[:1], [torch.Generator().manual_seed(seed)]).actions for seed in range(20)]
    return sorted(rows, key=lambda row: -row.sum())


def test_frozen_parts_stay_and_the_others_learn(weights, samples, tmp_path):
    task = TransformerTask(samples, load_to_learn(weights, ()), 0, 8)
    freeze(task.module, ["text", "denoiser.blocks.0"])
    before = {name: p.clone() for name, p in task.module.named_parameters()}
    train(task, SETTINGS, tmp_path / "run")
    for name, parameter in task.module.named_parameters():
        frozen = name.startswith(("text.", "denoiser.blocks.0."))
        assert torch.equal(parameter, before[name]) == frozen, name


def test_a_part_that_is_not_there_is_told_of_and_so_is_a_model_without_anything_to_learn(weights, samples):
    task = TransformerTask(samples, load_to_learn(weights, ()), 0, 8)
    with pytest.raises(
        InputError, match=r"nothing is called 'denoiser.block' in the model: parts are denoiser, .*text"
    ):
        freeze(task.module, ["denoiser.block"])
    with pytest.raises(InputError, match="text, denoiser is all there is"):
        freeze(task.module, ["text", "denoiser"])
