"""What the tests of the API share."""

import io
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.api import dispatch
from tests.fakes.api import FakeApi
from tests.fakes.application import FakeAdapters, services_on
from tests.isolation import WIDEST_SCOPE


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The log of requests."""
    handler: Any = dispatch.logger.registered_handler
    stream, original = io.StringIO(), handler.stream
    handler.setStream(stream)
    yield stream
    handler.setStream(original)


@pytest.fixture(scope="module")
def api() -> FakeApi:
    """The API on fakes."""
    return FakeApi(services_on(FakeAdapters.fresh()))


@pytest.fixture(scope="module")
def token(api: FakeApi) -> str:
    """A token with every right of an account of its own."""
    return api.open_account("a shop")[WIDEST_SCOPE]
