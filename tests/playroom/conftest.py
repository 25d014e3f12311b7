"""Every test here draws, or simulates what is drawn."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def drawing(opengl: None) -> None:
    pass
