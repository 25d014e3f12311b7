"""Addressed noise: the cipher's published answers, and every place keeps its noise."""

import numpy as np
import pytest
import torch

from patchworld.diffusion import addressed_noise
from patchworld.diffusion.noise import philox
from patchworld.errors import InputError


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [  # philox4x32-10 in the file of known answers of the authors' library, Random123
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_philox_gives_the_published_words(counter: str, key: str, words: str) -> None:
    left, right = (int(word, 16) for word in key.split())
    found = philox(np.array([int(word, 16) for word in counter.split()], dtype=np.uint64), (left, right))
    assert [f"{word:08x}" for word in found.tolist()] == words.split()


def test_a_block_has_the_noise_it_has_in_the_whole() -> None:
    whole = addressed_noise(3, (6, 5, 8, 9))
    block = addressed_noise(3, (6, 2, 3, 4), first_frame=2, top=1, left=5)
    assert torch.equal(block, whole[:, 2:4, 1:4, 5:9])


def test_a_longer_canvas_keeps_its_beginning_and_more_channels_the_first_ones() -> None:
    short = addressed_noise(3, (5, 3, 4, 4))
    assert torch.equal(addressed_noise(3, (16, 9, 4, 4))[:5, :3], short)


def test_places_before_the_canvas_have_noise_too() -> None:
    noise = addressed_noise(3, (4, 4, 2, 2), first_frame=-2, left=-1)
    assert torch.equal(noise[:, 2:, :, 1:], addressed_noise(3, (4, 2, 2, 1)))
    assert float(noise.std()) > 0.5


def test_noise_is_standard_normal() -> None:
    values = addressed_noise(11, (16, 8, 32, 32)).flatten().double()
    num = len(values)
    assert float(values.mean()) == pytest.approx(0, abs=4 / num**0.5)
    assert float(values.var()) == pytest.approx(1, abs=6 / num**0.5)
    grid = torch.linspace(-3, 3, 25, dtype=torch.float64)
    below = torch.searchsorted(values.sort().values, grid) / num
    assert float((below - torch.special.ndtr(grid)).abs().max()) < 2 / num**0.5  # Kolmogorov's distance


def test_neighbours_channels_streams_and_seeds_are_independent() -> None:
    noise = addressed_noise(11, (8, 8, 32, 32)).double()
    limit = 5 / noise[0].numel() ** 0.5
    channels = torch.corrcoef(noise.flatten(1)) - torch.eye(8)
    assert float(channels.abs().max()) < limit
    for other in (
        noise.roll(1, dims=1),
        noise.roll(1, dims=2),
        noise.roll(1, dims=3),
        addressed_noise(11, (8, 8, 32, 32), stream=1),
        addressed_noise(12, (8, 8, 32, 32)),
        addressed_noise(11 + 2**32, (8, 8, 32, 32)),
    ):
        assert abs(float((noise * other).mean())) < limit


def test_noise_stays_the_same_in_every_version() -> None:
    """Videos are made again from their seeds: these numbers must not change."""
    noise = addressed_noise(1234567890123, (5, 1, 1, 2), first_frame=7, top=2, left=3, stream=4)
    expected = [
        [-0.32777125, 0.32631779],
        [-0.90416867, -0.96867687],
        [-0.51076871, 1.20259094],
        [0.49220851, 0.11714293],
        [1.66894388, -0.36391526],
    ]
    torch.testing.assert_close(noise[:, 0, 0], torch.tensor(expected), rtol=0, atol=1e-6)


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, "7"])
def test_seeds_that_are_none_are_refused(seed: object) -> None:
    with pytest.raises(InputError, match=r"seed=.*0 to 2\^63 - 1"):
        addressed_noise(seed, (1, 1, 1, 1))  # type: ignore[arg-type]


def test_the_largest_seed_and_stream_work() -> None:
    assert addressed_noise(2**63 - 1, (1, 1, 1, 1), stream=2**16 - 1).isfinite().all()
