"""Servers that several tests ask."""

from dataclasses import replace

import pytest
import torch
from serving import Server, settings_in

from patchworld.model import save


@pytest.fixture(scope="session")
def server(tiny_model, tmp_path_factory):
    with Server(settings_in(tmp_path_factory.mktemp("served")), tiny_model) as running:
        yield running


@pytest.fixture
def idle(tiny_model, tmp_path):
    """A server without a worker: what is asked for waits."""
    with Server(settings_in(tmp_path / "idle"), tiny_model, working=False) as running:
        yield running


@pytest.fixture
def world(tiny_model, tmp_path):
    """A server whose model knows two actions."""
    config = tiny_model.denoiser.config.model_copy(update={"actions": ("none", "push left")})
    denoiser = type(tiny_model.denoiser)(config)
    denoiser.load_state_dict({**denoiser.state_dict(), **tiny_model.denoiser.state_dict()})
    torch.nn.init.ones_(denoiser.embed_action.weight)
    save(replace(tiny_model, denoiser=denoiser), tmp_path / "model")
    with Server(settings_in(tmp_path / "served", model=tmp_path / "model"), None, working=False) as running:
        yield running
