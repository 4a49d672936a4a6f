"""Fixtures of the services' tests."""

from collections.abc import Iterator

import pytest

from chalicelib import workers
from tests.unit.services.harness import Harness


@pytest.fixture
def world() -> Harness:
    return Harness()


@pytest.fixture(autouse=True)
def no_worker_logs() -> Iterator[None]:
    """These tests let messages fail on purpose; each failure would log its traceback."""
    level = workers.logger.log_level
    workers.logger.setLevel("CRITICAL")
    yield
    workers.logger.setLevel(level)
