import numpy as np
import pytest
import torch
from tiny import moving_square

from patchworld.data import LatentSample, Sample, encode_dataset, training_clips
from patchworld.errors import InputError
from patchworld.shapes import Grid, Shape

GRID = Grid(4, 16)


def test_latents_are_those_of_the_autoencoder_and_are_encoded_once(tiny_model, tmp_path):
    moving_square(9, (48, 32)).save(tmp_path / "a.mp4")
    sample = Sample(tmp_path / "a.mp4", ("a square",), ("none",) * 5 + ("jump",) * 4)
    first = encode_dataset([sample], tiny_model.autoencoder, GRID, tmp_path / "cache")
    assert first[0].shape == Shape(3, 4, 6)
    assert first[0].actions == (("none",), ("none",) * 4, ("jump",) * 4)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    again = encode_dataset([sample], tiny_model.autoencoder, GRID, tmp_path / "cache")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()} == written
    assert torch.equal(again[0].latent(), first[0].latent())
    assert first[0].latent().std() > 0


def test_a_changed_video_is_encoded_anew(tiny_model, tmp_path):
    latents = []
    for color in ((230, 30, 40), (30, 40, 230)):
        moving_square(5, color=color).save(tmp_path / "a.mp4")
        latents += encode_dataset([Sample(tmp_path / "a.mp4", ("",))], tiny_model.autoencoder, GRID, tmp_path / "cache")
    assert not torch.equal(latents[0].latent(), latents[1].latent())


def test_a_long_video_becomes_several_samples(tiny_model, tmp_path):
    moving_square(70, (32, 32)).save(tmp_path / "a.mp4")
    parts = encode_dataset([Sample(tmp_path / "a.mp4", ("",))], tiny_model.autoencoder, GRID, tmp_path / "cache")
    assert [part.shape.frames for part in parts] == [17, 2]


def test_large_videos_are_made_smaller_and_keep_their_aspect_ratio(tmp_path):
    moving_square(3, (800, 400)).save(tmp_path / "a.mp4")
    (clip,) = training_clips(Sample(tmp_path / "a.mp4", ("",)))
    assert clip.size == (362, 181)
    assert clip.num_frames == 3


def test_the_beginning_of_a_sample_is_that_of_its_latent(tmp_path):
    latent = np.random.default_rng(0).standard_normal((2, 3, 4, 4)).astype(np.float16)
    np.save(tmp_path / "a.npy", latent)
    sample = LatentSample(tmp_path / "a.npy", Shape(3, 4, 4), 8.0, ("a",), (("none",), ("left",), ("right",)))
    first = sample.beginning(1)
    assert first.shape == Shape(1, 4, 4)
    assert first.actions == (("none",),)
    np.testing.assert_array_equal(first.latent().numpy(), latent[:, :1])
    assert sample.beginning(None) == sample == sample.beginning(9)


def test_a_damaged_video_is_left_out_and_told_of(tiny_model, tmp_path):
    paths = [tmp_path / f"{number}.mp4" for number in range(3)]
    for path in paths:
        moving_square(5).save(path)
    paths[1].write_bytes(paths[1].read_bytes()[:700])
    samples = [Sample(path, (path.name,)) for path in paths]
    for _ in range(2):  # found again by the next run
        with pytest.warns(UserWarning, match=r"left out, 1 of 3 videos so far: .*1\.mp4"):
            encoded = encode_dataset(samples, tiny_model.autoencoder, GRID, tmp_path / "cache")
        assert [sample.captions for sample in encoded] == [("0.mp4",), ("2.mp4",)]


def test_damaged_latents_are_told_of(tiny_model, tmp_path):
    moving_square(5).save(tmp_path / "a.mp4")
    (sample,) = encode_dataset([Sample(tmp_path / "a.mp4", ("",))], tiny_model.autoencoder, GRID, tmp_path / "cache")
    content = sample.path.read_bytes()
    for damaged in (content[:-9], content[:40], b"", b"x" * len(content)):
        sample.path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"npy is damaged .* delete .*cache"):
            sample.latent()
