import pytest
import torch
from conftest import TINY_TEXT
from tiny import moving_square

from patchworld.canvas import Canvas
from patchworld.data import Sample, action_names, encode_dataset
from patchworld.denoise import Sampling
from patchworld.diffusion import RectifiedFlow, addressed_noise
from patchworld.dit import PRESETS
from patchworld.patches import patchify
from patchworld.shapes import Grid
from patchworld.train import JudgedTask, TrainConfig, TransformerTask, train
from patchworld.train.judged import CLEAR, GROUP, LEAST, Dreams, advantages
from patchworld.train.order import generator
from patchworld.train.transformer import new_model


def brightness(clip):
    return float(clip.frames.mean())


def bright(number):
    """A judge who likes bright pictures; those of the untrained autoencoder are all nearly grey."""
    return Canvas("a red square", 1, (32, 32)), lambda clip: brightness(clip) - 127


@pytest.fixture
def make_task(tiny_model, tmp_path):
    path = tmp_path / "0.mp4"
    moving_square(5).save(path)
    samples = [Sample(path, ("a red square",), ("none", *("push",) * 4))] * 2
    encoded = encode_dataset(samples, tiny_model.autoencoder, Grid(4, 16), tmp_path / "latents")

    def make(judge=bright, kind=JudgedTask):
        parts = (tiny_model.autoencoder, RectifiedFlow(), PRESETS["tiny"], TINY_TEXT, action_names(samples), 0)
        more = {"judge": judge} if kind is JudgedTask else {}
        return kind(encoded, new_model(encoded, *parts), 0, 128, 3, **more)

    return make


@pytest.mark.parametrize("likes", [1, -1])
def test_what_the_judge_likes_is_dreamed_more_often(make_task, tmp_path, likes):
    def marks(task):
        dreams = Dreams(task.model(), [bright(0)[0]] * 64)
        return torch.tensor([brightness(clip) for clip in dreams.clips(dreams.dream(generator(1)))])

    task = make_task(lambda number: (bright(number)[0], lambda clip: likes * bright(number)[1](clip)))
    before = marks(task)
    train(task, TrainConfig(steps=20, lr=8e-3, lr_warmup_steps=2, ema_decay=0.5), tmp_path / "run")
    gain = likes * (marks(task) - before)  # with the same noise
    assert gain.mean() > 0.2 * before.std()


def test_the_first_pack_of_a_step_is_of_true_clips(make_task):
    judged, plain = make_task(), make_task(kind=TransformerTask)
    plain.module.load_state_dict(judged.module.state_dict())
    for part in (0, 3, 6):
        assert judged.loss(part).value == plain.loss(part).value
    assert not judged.marks
    judged.loss(1)
    assert len(judged.marks) % GROUP == 0
    assert judged.names(1) == ["a red square"] * (len(judged.marks) // GROUP)


def test_a_pack_of_dreams_is_the_same_each_time_and_another_one_another(make_task):
    task = make_task()
    assert task.loss(4).value == task.loss(4).value != task.loss(5).value


def test_what_a_model_cannot_be_told_of_is_not_asked(make_task):
    def judge(number):
        return bright(number) if number % 2 else (Canvas("it flies", 1, (32, 32), actions=("fly",)), brightness)

    task = make_task(judge)
    assert {name for part in (1, 2, 4, 5) for name in task.names(part)} == {"a red square"}


def test_marks_that_are_alike_teach_nothing(make_task):
    task = make_task(lambda number: (bright(number)[0], lambda clip: 0.7))
    value = task.loss(1).value
    value.backward()
    assert abs(value) < 1e-6
    assert all(p.grad.abs().max() < 1e-5 for p in task.denoiser.parameters() if p.grad is not None)


def test_advantages_compare_dreams_of_one_prompt():
    marks = torch.cat([torch.tensor([1.0] + [0.0] * 7), torch.full((8,), 0.3), torch.arange(8) / 7])
    found = advantages(marks).view(3, 8)
    assert found[0, 0] == 1  # clipped
    assert (found[0, 1:] < 0).all()
    assert found[1].abs().max() < 1e-5
    torch.testing.assert_close(found[2], ((marks[16:] - 0.5) / (CLEAR * marks[16:].std(correction=0))).clamp(-1, 1))
    little = advantages(torch.tensor([0.51] + [0.5] * 7))
    torch.testing.assert_close(little[0], torch.tensor(0.01 * 7 / 8 / (CLEAR * LEAST)))


def test_the_gradient_is_that_of_the_published_objective():
    """Equation 5 of DiffusionNFT at the old policy, where r is the probability of being good and beta is 1."""
    truth, old = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    for advantage in (-1.0, -0.3, 0.0, 0.8):
        r, now = (1 + advantage) / 2, old.clone().requires_grad_()
        positive, negative = now, 2 * old - now
        published = r * (positive - truth).square().mean() + (1 - r) * (negative - truth).square().mean()
        (theirs,) = torch.autograd.grad(published, now)
        (ours,) = torch.autograd.grad(advantage * (now - truth).square().mean(), now)
        torch.testing.assert_close(ours, theirs)


def test_dreams_of_a_pack_are_those_of_their_canvases_alone(tiny_model, monkeypatch):
    canvases = [Canvas("a red ball", 5, (32, 48)), Canvas("一个红色的球", 1, (32, 32))]
    monkeypatch.setattr(
        Dreams,
        "noise",
        lambda self, shape, draw: patchify(
            addressed_noise(3, (4, shape.frames, 2 * shape.height, 2 * shape.width)), self.model.patch
        ),
    )
    dreams = Dreams(tiny_model, canvases)
    together = dreams.clips(dreams.dream(generator(0)))
    for canvas, clip in zip(canvases, together, strict=True):
        alone = tiny_model.dream(canvas, Sampling(seed=3)).frames
        apart = abs(clip.frames.astype(int) - alone)  # by sums of bfloat16 in another order
        assert apart.mean() < 1
        assert apart.max() < 10
