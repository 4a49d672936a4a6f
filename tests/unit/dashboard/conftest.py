"""What the tests of pages share."""

import pytest

from tests.fakes.application import FakeAdapters, services_on
from tests.fakes.pages import FakeDashboard


@pytest.fixture
def adapters() -> FakeAdapters:
    return FakeAdapters.fresh()


@pytest.fixture
def dashboard(adapters: FakeAdapters) -> FakeDashboard:
    """The dashboard on fakes, without any account."""
    return FakeDashboard(services_on(adapters))
