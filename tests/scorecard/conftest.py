"""Every test here draws, or reads what is drawn."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def drawing(opengl: None) -> None:
    pass
