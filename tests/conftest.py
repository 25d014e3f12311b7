"""Tiny models, made in the test run itself."""

import shutil
import subprocess

import pytest
import torch

from patchworld.diffusion import RectifiedFlow
from patchworld.dit import PRESETS, DiffusionTransformer, TransformerConfig
from patchworld.errors import RunError
from patchworld.model import Model
from patchworld.text import BuiltinTextEncoder, TextConfig, train_tokenizer
from patchworld.vae import Autoencoder, AutoencoderConfig

TINY_AUTOENCODER = AutoencoderConfig(latent_channels=6, width=16, depth=1)
TINY_TEXT = {"width": 24, "depth": 1, "num_heads": 2}


@pytest.fixture(scope="session", autouse=True)
def signing(tmp_path_factory):
    """Files are signed with a key of the test run, not with that of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATCHWORLD_SIGNING", str(tmp_path_factory.mktemp("settings") / "signing"))
        yield


@pytest.fixture(scope="session")
def tiny_model() -> Model:
    """A whole model with random weights: it dreams nonsense, but the same nonsense every time."""
    torch.manual_seed(0)
    tokenizer = train_tokenizer(["a red ball rolls to the left", "一个红色的球"], 300)
    text_encoder = BuiltinTextEncoder(TextConfig(vocab_size=tokenizer.vocab_size, **TINY_TEXT), tokenizer)
    denoiser = DiffusionTransformer(
        TransformerConfig(
            latent_channels=4, num_outputs=16, linear_guess=True, recall=8, motion=4, text_width=24, **PRESETS["tiny"]
        )
    )
    model = Model(Autoencoder(TINY_AUTOENCODER), denoiser, text_encoder, RectifiedFlow())
    for part in (model.autoencoder, denoiser):
        for parameter in part.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.1)
    return model


@pytest.fixture(scope="session")
def opengl() -> None:
    """The playroom needs MuJoCo and a software OpenGL library: where they are missing, tests are skipped, visibly."""
    from patchworld.playroom.render import painter

    try:
        painter()
    except RunError as error:
        pytest.skip(f"the playroom cannot be drawn here: {error}")


@pytest.fixture
def small_disk(tmp_path):
    """A disk of its own, of 160 kB: a file system in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting needs another user")
    yield place
    subprocess.run(["umount", str(place)], check=True)
