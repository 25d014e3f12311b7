"""Containers cannot be started in the tests, but what their files name has to exist."""

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml

from patchworld.cli.program import parse
from patchworld.serve.settings import Settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())


def commands():
    yield "Dockerfile", json.loads(re.search(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)[1])
    for name in ("server", "worker"):
        yield name, shlex.split(COMPOSE["services"][name]["command"])


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_the_commands_of_containers_are_commands_of_patchworld(name, command):
    options = parse(command)
    assert command[0] == "serve"
    assert str(options.folder) == "/videos"
    assert (options.host == "0.0.0.0") == (options.keys is not None)  # or it would refuse to start
    if name != "Dockerfile":
        assert Settings(folder=options.folder, queue=options.queue).jobs == options.queue


def test_the_image_is_built_of_what_is_there_and_runs_as_nobody_special():
    for copied in re.findall(r"^COPY (.*) \S+$", DOCKERFILE, re.MULTILINE):
        for name in copied.split():
            assert (ROOT / name).exists()
            assert f"!{name}" in (ROOT / ".dockerignore").read_text()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(re.search(r'"\.\[(.*)\]"', DOCKERFILE)[1].split(",")) <= set(extras)
    lines = DOCKERFILE.splitlines()
    assert lines.index("USER patchworld") > max(n for n, line in enumerate(lines) if line.startswith("RUN"))
    assert re.search(r"useradd .* patchworld\b", DOCKERFILE)


def test_a_server_of_the_compose_file_is_reached_from_its_machine_alone_and_shares_the_folder():
    services = COMPOSE["services"]
    assert services["server"]["ports"] == ["127.0.0.1:8000:8000"]
    assert services["server"]["volumes"] == services["worker"]["volumes"] == ["videos:/videos", "signing:/signing"]
    assert "ports" not in services["worker"]
    assert "ports" not in services["database"]
