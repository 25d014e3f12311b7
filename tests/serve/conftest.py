"""Servers that several tests ask, and databases that they put jobs into."""

import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from serving import Server, settings_in

from patchworld.model import load, save


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
def world(acting_model, tmp_path):
    """A server whose model knows two actions, without a worker."""
    with Server(settings_in(tmp_path / "served", model=acting_model), None, working=False) as running:
        yield running


@pytest.fixture
def world_that_dreams(acting_model, tmp_path):
    settings = settings_in(tmp_path / "served", model=acting_model)
    with Server(settings, load(acting_model)) as running:
        yield running


@pytest.fixture
def acting_model(tiny_model, tmp_path):
    """The folder of a model that knows two actions."""
    config = tiny_model.denoiser.config.model_copy(update={"actions": ("none", "push left")})
    denoiser = type(tiny_model.denoiser)(config)
    denoiser.load_state_dict({**denoiser.state_dict(), **tiny_model.denoiser.state_dict()})
    denoiser.embed_action.weight.data[:] = torch.tensor([1.0, -3.0]).repeat_interleave(4)  # frames of a token
    save(replace(tiny_model, denoiser=denoiser), tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture(scope="session")
def postgres():
    """The address of a PostgreSQL of one's own, which ends with the tests."""
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed: pip install -e '.[postgres]'")
    found = [shutil.which("initdb"), *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")))]
    if not (initdb := next(filter(None, found), None)):
        pytest.skip("no initdb here: install PostgreSQL, such as Debian's package postgresql")
    programs = Path(initdb).resolve().parent
    folder = tempfile.mkdtemp(prefix="patchworld-postgres-")
    user = {}
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # which PostgreSQL refuses to run as
        user = {"user": "nobody", "extra_groups": []}
        shutil.chown(folder, "nobody")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **user}
    try:
        cluster = ["-D", f"{folder}/data", "-U", "patchworld", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run([programs / "initdb", *cluster], check=True, **quiet)
        options = ["-D", f"{folder}/data", "-k", folder, "-c", "listen_addresses=", "-F"]
        server = subprocess.Popen([programs / "postgres", *options], **quiet)
        address = f"postgresql://patchworld@/postgres?host={folder}"
        try:
            for _ in range(600):
                try:
                    psycopg.connect(address).close()
                    break
                except psycopg.OperationalError:
                    time.sleep(0.1)
            yield address
        finally:
            server.terminate()
            server.wait()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path):
    """An empty database: a file, or an address."""
    if request.param == "sqlite":
        yield tmp_path / "jobs.db"
        return
    import psycopg

    address = request.getfixturevalue("postgres")
    with psycopg.connect(address) as connection:
        connection.execute("DROP TABLE IF EXISTS jobs")
    yield address
