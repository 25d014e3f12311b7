import pytest
import torch

from patchworld.vae import (
    Autoencoder,
    AutoencoderConfig,
    BlockStatistics,
    closed_form,
    fit_linear_decoder,
    start_from_components,
)
from patchworld.vae.layers import unfold


def test_the_closed_form_rebuilds_blocks_of_its_own_rank_exactly():
    torch.manual_seed(0)
    # Blocks that are mixtures of 4 patterns: 4 channels hold all there is to know of them.
    patterns = torch.randn(4, 3 * 4 * 8 * 8) * 0.2
    blocks = (torch.randn(1, 6, 4, 4, 4) * torch.tensor([4.0, 2.0, 1.0, 0.5])) @ patterns
    pixels = unfold(blocks.permute(0, 4, 1, 2, 3), 4, 8)[:, :, 3:]
    pixels[:, :, :1] = 0  # the first frame stands for four equal ones
    model = Autoencoder(AutoencoderConfig(latent_channels=5, width=8))
    statistics = BlockStatistics()
    statistics.add(pixels)
    start_from_components(model, statistics)
    with torch.no_grad():
        latent = model.encode(pixels)
        rebuilt = model.decode(latent)
    assert (rebuilt - pixels).square().mean() < 1e-3 * pixels.var()
    assert latent.flatten(2).var(2).mean().item() == pytest.approx(1, rel=0.05)
    assert latent.mean().abs() < 0.05


def test_no_step_of_the_linear_decoder_lowers_the_error_it_is_fitted_to(monkeypatch):
    monkeypatch.setattr(closed_form, "ROUNDS", 30)
    torch.manual_seed(0)
    model = Autoencoder(AutoencoderConfig(latent_channels=5, width=8, depth=1))
    for parameter in model.parameters():  # a residual that is not zero
        torch.nn.init.normal_(parameter, std=0.1)
    contrast = (0.05, 0.2, 0.2, 1.0)
    crops = [torch.tanh(scale * torch.randn(1, 3, 5, 16, 16)) for scale in contrast]  # easy and hard ones
    noise, floor = 0.3, 1e-3

    def error():
        """Mean logarithm of the squared error, all four frames of the first block included, and its gradient."""
        total = 0
        for pixels in crops:
            whole = torch.cat([pixels[:, :, :1].expand(-1, -1, 3, -1, -1), pixels], dim=2)
            rebuilt = model.decode_chunk(model.encode(pixels).detach(), None, first=False)
            shaken = (noise * model.to_pixels.weight).square().sum(1).mean()  # by the noise
            total = total + torch.log((rebuilt - whole).square().mean() + shaken + floor) / len(crops)
        gradients = torch.autograd.grad(total, list(model.to_pixels.parameters()))
        return total.item(), torch.cat([gradient.flatten() for gradient in gradients]).norm().item()

    before, slope_before = error()
    fit_linear_decoder(model, crops, noise=noise, floor=floor)
    after, slope_after = error()
    assert after < before
    assert slope_after < 0.001 * slope_before
