import errno
import json
import os

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from patchworld.canvas import Canvas
from patchworld.diffusion import DDPM
from patchworld.errors import ModelError, RunError
from patchworld.generate import Sampling
from patchworld.model import Model, load, load_autoencoder, save, save_autoencoder
from patchworld.recipe import follow_recipe


@pytest.fixture
def folder(tiny_model, tmp_path):
    save(tiny_model, tmp_path / "model")
    return tmp_path / "model"


def test_a_model_that_was_saved_and_loaded_dreams_the_same_clip(folder, tmp_path):
    first = load(folder)
    save(first, tmp_path / "copy")
    second = load(tmp_path / "copy")
    clips = [model.generate("a red ball", frames=5, size=(32, 32), steps=2, seed=3) for model in (first, second)]
    assert np.array_equal(clips[0].frames, clips[1].frames)
    assert first.hash == second.hash


def test_the_hash_changes_with_any_weight(folder):
    before = load(folder).hash
    _change_weights(folder / "text.safetensors", lambda tensors: tensors["norm.bias"].add_(1))
    assert load(folder).hash != before


def test_the_recipe_of_a_clip_makes_it_again(folder):
    model = load(folder)
    clip = model.generate("一个球", frames=5, size=(40, 32), fps=6, negative="fog", steps=2, guidance=2.0, seed=7)
    canvas, sampling = follow_recipe(json.loads(json.dumps(clip.recipe)))
    assert clip.recipe["model"] == model.hash
    assert np.array_equal(model.dream(canvas, sampling).frames, clip.frames)


def test_every_setting_of_the_noise_process_comes_back(tiny_model, tmp_path):
    process = DDPM(num_levels=50, beta_schedule="cosine", eta=0.5, clean_limit=None)
    denoiser = type(tiny_model.denoiser)(tiny_model.denoiser.config.model_copy(update={"num_outputs": 32}))
    save(Model(tiny_model.autoencoder, denoiser, tiny_model.text_encoder, process), tmp_path)
    assert load(tmp_path).process == process


def test_an_autoencoder_is_read_from_its_own_folder_and_from_that_of_a_model(folder, tiny_model, tmp_path):
    save_autoencoder(tiny_model.autoencoder, tmp_path / "alone")
    alone, of_model = load_autoencoder(tmp_path / "alone"), load_autoencoder(folder)
    assert all(torch.equal(a, b) for a, b in zip(alone.parameters(), of_model.parameters(), strict=True))
    with pytest.raises(ModelError, match="no transformer, only an autoencoder"):
        load(tmp_path / "alone")


def test_a_full_disk_leaves_the_model_that_was_there(folder, tiny_model, monkeypatch):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="no space left on device; free some space"):
        save(tiny_model, folder, {"note": "another"})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_numbers_that_are_not_finite_are_an_error_and_no_grey_video(folder):
    model = load(folder)
    with torch.no_grad():
        model.denoiser.final.bias.fill_(float("inf"))
    with pytest.raises(RunError, match="not finite"):
        model.dream(Canvas("", 1, (16, 16)), Sampling(steps=1))


def _change_weights(path, change):
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def _change_json(*keys, **values):
    """Set values in model.json, under the keys that lead there."""

    def change(folder):
        path = folder / "model.json"
        description = place = json.loads(path.read_text())
        for key in keys:
            place = place[key]
        place.update(values)
        path.write_text(json.dumps(description))

    return change


def _write(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def _weights(change):
    return lambda folder: _change_weights(folder / "transformer.safetensors", change)


def _halve(name):
    def damage(folder):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "model.json").unlink(), "holds no model.json: give the folder of a model"),
        (_write("tokenizer.json", b"{}"), "tokenizer.json: this is not a tokenizer"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json"),
        (_write("model.json", b'{"autoencoder": {'), "model.json: .*invalid JSON.*restore"),
        (_write("model.json", b"\xff\xfe"), "model.json: .*invalid JSON.*restore"),
        (_write("model.json", b"[1]"), "model.json: .*object"),
        (_change_json(magic=1), "model.json: magic=1: unknown"),
        (_change_json("transformer", magic=1), "model.json: transformer.magic=1: unknown"),
        (_change_json("transformer", width=-3), "transformer.width=-3: .*greater than 0"),
        (_change_json("transformer", width="wide"), "transformer.width=wide: .*integer"),
        (_change_json("transformer", width=128), "does not fit model.json: .* instead of"),
        (_change_json("transformer", latent_channels=7), "transformer.latent_channels=7 does not fit .* need 6"),
        (_change_json("text", width=32), "transformer.text_width=24 does not fit .* need 32"),
        (_change_json("text", vocab_size=300), "vocab_size=300 does not fit a tokenizer"),
        (_change_json(process={"kind": "magic", "settings": {}}), "process: .*'magic'.*'flow', 'ddpm'"),
        (_change_json(process={"kind": "ddpm", "settings": {}}), "num_outputs=16 does not fit .* need 32"),
        (_change_json(process=[]), "process: .*object"),
        (_change_json("process", "settings", shift=-1), "shift=-1.* must be above 0"),
        (_change_json("process", "settings", shift=float("nan")), "shift=nan: .*finite"),
        (_change_json("process", "settings", shift="much"), "shift=much: .*number"),
        (_change_json("process", "settings", magic=1), "settings.magic=1: unknown"),
        (lambda folder: (folder / "transformer.safetensors").unlink(), "transformer.safetensors does not exist"),
        (_halve("transformer.safetensors"), "transformer.safetensors is damaged .*restore"),
        (_write("autoencoder.safetensors", b""), "autoencoder.safetensors is damaged .*restore"),
        (_weights(lambda tensors: tensors["final.bias"][0].fill_(float("nan"))), "final.bias .*not finite"),
        (_weights(lambda tensors: tensors.update({"final.bias": torch.zeros(3)})), r"final.bias is \(3,\) instead"),
        (_weights(lambda tensors: tensors.pop("final.bias")), "1 tensors are missing or too many, such as final.bias"),
    ],
)
def test_a_damaged_model_is_refused_with_the_file_and_the_fault(damage, message, folder):
    damage(folder)
    with pytest.raises(ModelError, match=f"(?i){message}"):
        load(folder)
