import pytest
import torch
from tiny import moving_square

from patchworld.data import Sample
from patchworld.model import load_autoencoder
from patchworld.train import AutoencoderTask, TrainConfig, train
from patchworld.vae import AutoencoderConfig

TINY = AutoencoderConfig(latent_channels=8, width=16, depth=1)


@pytest.fixture
def samples(tmp_path):
    """Videos and an image of several sizes, one off the grid."""
    shapes = [(17, (32, 32)), (9, (48, 32)), (1, (32, 32)), (6, (40, 36))]
    paths = [tmp_path / ("a.png" if frames == 1 else f"{number}.mp4") for number, (frames, _) in enumerate(shapes)]
    for path, (frames, size) in zip(paths, shapes, strict=True):
        moving_square(frames, size).save(path)
    return [Sample(path, ("a red square",)) for path in paths]


def test_training_starts_at_the_principal_components(samples, tmp_path):
    started = AutoencoderTask({"squares": samples}, TINY, 0).evaluate(tmp_path, 0)
    random = AutoencoderTask({"squares": samples}, TINY, 0, fresh=False).evaluate(tmp_path, 1)
    assert started["psnr squares"] > random["psnr squares"] + 10
    assert (tmp_path / "step-00000000.png").exists()


def test_a_few_steps_lower_the_loss_and_leave_normalised_latents(samples, tmp_path):
    task = AutoencoderTask({"squares": samples}, TINY, 0)
    before = sum(task.loss(part).value.item() for part in task.parts(10_000))
    folder = train(task, TrainConfig(steps=12, lr=2e-3, lr_warmup_steps=2, ema_decay=0.5), tmp_path / "run")
    assert sum(task.loss(part).value.item() for part in task.parts(10_000)) < before
    autoencoder = load_autoencoder(folder)
    with torch.no_grad():
        latents = torch.cat([autoencoder.encode(task._crop(0, n))[0].flatten(1) for n in range(16)], dim=1)
    assert latents.mean(1).abs().max() < 0.2
    assert latents.var(1).mean().item() == pytest.approx(1, abs=0.2)


def test_training_the_decoder_alone_leaves_the_latents_and_the_linear_half(samples, tmp_path):
    start = AutoencoderTask({"squares": samples}, TINY, 0).module
    task = AutoencoderTask({"squares": samples}, start, 0)
    pixels = task._crop(0, 0)
    with torch.no_grad():
        latent, rebuilt = start.encode(pixels), start.decode(start.encode(pixels))
    folder = train(task, TrainConfig(steps=3, lr=2e-3, lr_warmup_steps=0, ema_decay=0.5), tmp_path / "run")
    trained = load_autoencoder(folder)
    with torch.no_grad():
        assert torch.allclose(trained.encode(pixels), latent, atol=0.05)  # weights are kept in bfloat16
        assert torch.equal(trained.to_pixels.weight, start.to_pixels.weight.bfloat16().float())
        assert not torch.allclose(trained.decode(latent), rebuilt, atol=1e-3)
    assert torch.equal(task.module.encode(pixels), latent)


def test_several_data_sets_are_judged_apart(samples, tmp_path):
    figures = AutoencoderTask({"a": samples[:2], "b": samples[2:]}, TINY, 0).evaluate(tmp_path, 0)
    assert set(figures) == {"psnr a", "ssim a", "psnr b", "ssim b"}


def test_crops_are_a_function_of_seed_and_part(samples):
    first, again, other = (AutoencoderTask({"squares": samples}, TINY, seed, fresh=False) for seed in (0, 0, 1))
    for part in first.parts(3):
        assert torch.equal(first._crop(*part), again._crop(*part))
    assert any(first._crop(*part).shape != other._crop(*part).shape for part in first.parts(3))


@pytest.mark.filterwarnings("ignore:left out")
def test_a_damaged_video_is_left_out_and_what_is_learned_does_not_depend_on_when_it_was_found(samples, tmp_path):
    damaged = samples[1].path
    damaged.write_bytes(damaged.read_bytes()[:700])
    task, later = (AutoencoderTask({"squares": samples}, TINY, 0, fresh=False) for _ in range(2))
    crops = [task._crop(0, number) for number in range(12)]
    assert list(task.unreadable.found) == [damaged]
    assert torch.equal(later._crop(0, 11), crops[11])
    assert all(str(damaged) not in task.names((0, number)) for number in range(12))
    assert task.evaluate(tmp_path, 0).keys() == {"psnr squares", "ssim squares"}
