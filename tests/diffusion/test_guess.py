"""What the noise processes know without a denoiser: the best linear guess, on data whose variance is known."""

import pytest
import torch

from patchworld.diffusion import DDPM, RectifiedFlow

VARIANCE = torch.tensor([9.0, 1.0, 0.04])


def target(process, clean, noise):
    return noise - clean if isinstance(process, RectifiedFlow) else noise


@pytest.mark.parametrize("process", [RectifiedFlow(), DDPM()], ids=["flow", "ddpm"])
@pytest.mark.parametrize("level", [0.05, 0.5, 0.95])
def test_no_other_multiple_of_the_noisy_token_is_nearer_and_the_error_is_known(process, level):
    torch.manual_seed(0)
    noise, levels = torch.randn(200_000, 3), torch.full((200_000,), level)
    clean = torch.randn(200_000, 3) * VARIANCE.sqrt()
    noisy = process.corrupt(clean, noise, levels)
    silent, one = torch.zeros(200_000, process.num_outputs(3)), torch.ones(200_000, process.num_outputs(3))
    guess = process.from_guess(silent, noisy, levels, VARIANCE)[:, :3]
    lack = target(process, clean, noise) - guess
    # The lack of the best guess has nothing in common with what it was made from ...
    assert (lack * noisy).mean(0).abs().max() < 0.02 * (lack.std(0) * noisy.std(0)).max()
    # ... and an output of one adds one standard deviation of it.
    step = process.from_guess(one, noisy, levels, VARIANCE)[:, :3] - guess
    assert torch.allclose(step.mean(0), lack.std(0), rtol=0.02)


@pytest.mark.parametrize("process", [RectifiedFlow(), DDPM()], ids=["flow", "ddpm"])
def test_given_tokens_stay_finite(process):
    """Level 0 and a value that never changes: nothing to divide by."""
    output, noisy = torch.ones(2, process.num_outputs(3)), torch.ones(2, 3)
    assert process.from_guess(output, noisy, torch.zeros(2), torch.tensor([1.0, 0.0, 1e-12])).isfinite().all()


@pytest.mark.parametrize("process", [RectifiedFlow(), DDPM(clean_limit=None)], ids=["flow", "ddpm"])
def test_a_corrected_prediction_points_to_where_it_should(process):
    torch.manual_seed(0)
    prediction, noisy, change = torch.randn(4, process.num_outputs(3)), torch.randn(4, 3), torch.randn(4, 3)
    level = torch.tensor([0.1, 0.4, 0.7, 0.9])
    corrected = process.corrected(prediction, change, level)
    before, after = (process.clean_estimate(one, noisy, level) for one in (prediction, corrected))
    assert torch.allclose(after - before, change, atol=1e-4)
    assert torch.equal(corrected[:, 3:], prediction[:, 3:])


def test_the_covariance_is_left_alone():
    output = torch.randn(4, 6)
    prediction = DDPM().from_guess(output, torch.randn(4, 3), torch.full((4,), 0.5), VARIANCE)
    assert torch.equal(prediction[:, 3:], output[:, 3:])
