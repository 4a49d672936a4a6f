"""What the services' tests share."""

from collections.abc import Iterator

import pytest

from chalicelib import workers
from tests.unit.services.harness import Harness


@pytest.fixture
def world() -> Harness:
    return Harness()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Messages fail on purpose here; each would be a line with its trace."""
    level = workers.logger.log_level
    workers.logger.setLevel("CRITICAL")
    yield
    workers.logger.setLevel(level)
