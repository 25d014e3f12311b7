import numpy as np
import pytest
import torch

from patchworld.vae.similarity import structural_similarity
from patchworld.video import ssim


@pytest.mark.parametrize("size", [(24, 40), (8, 13), (11, 11), (1, 6)])
def test_it_is_the_similarity_of_video_metrics(size):
    random = np.random.default_rng(0)
    a = random.integers(0, 256, (3, *size, 3), dtype=np.uint8)
    b = np.clip(a + random.normal(0, 40, a.shape), 0, 255).astype(np.uint8)
    x, y = (torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1 for frames in (a, b))
    assert structural_similarity(x, y).item() == pytest.approx(ssim(a, b), abs=1e-4)
    assert structural_similarity(x, x).item() == pytest.approx(1, abs=1e-5)


def test_its_gradient_leads_back_to_the_picture():
    torch.manual_seed(0)
    picture = torch.rand(1, 3, 1, 24, 24) * 2 - 1
    guess = torch.zeros_like(picture, requires_grad=True)
    before = structural_similarity(picture, guess)
    before.backward()
    with torch.no_grad():
        assert structural_similarity(picture, guess + 50 * guess.grad) > before
