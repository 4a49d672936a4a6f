"""What the services' tests share."""

from collections.abc import Iterator

import pytest

from chalicelib import workers
from tests.unit.services.world import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Messages fail on purpose here; each would be a line with its trace."""
    level = workers.logger.log_level
    workers.logger.setLevel("CRITICAL")
    yield
    workers.logger.setLevel(level)
