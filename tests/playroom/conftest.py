"""The playroom needs MuJoCo and a software OpenGL library: where they are missing its tests are skipped, visibly."""

import pytest

from patchworld.errors import RunError


@pytest.fixture(scope="session", autouse=True)
def opengl() -> None:
    from patchworld.playroom.render import painter

    try:
        painter()
    except RunError as error:
        pytest.skip(f"the playroom cannot be drawn here: {error}")
