"""What the tests of the API share."""

import io
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.api import dispatch


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The log of requests."""
    handler: Any = dispatch.logger.registered_handler
    stream, original = io.StringIO(), handler.stream
    handler.setStream(stream)
    yield stream
    handler.setStream(original)
