"""Servers that several tests ask."""

import pytest
from serving import Server, settings_in


@pytest.fixture(scope="session")
def server(tiny_model, tmp_path_factory):
    with Server(settings_in(tmp_path_factory.mktemp("served")), tiny_model) as running:
        yield running


@pytest.fixture
def idle(tiny_model, tmp_path):
    """A server without a worker: what is asked for waits."""
    with Server(settings_in(tmp_path / "idle"), tiny_model, working=False) as running:
        yield running
