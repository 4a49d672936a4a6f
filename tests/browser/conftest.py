"""Chromium, or the Firefox that SIMILARIX_BROWSER=firefox names."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.chromium import NoBrowser, chromium
from tests.browser.firefox import firefox, is_firefox

expect.set_options(timeout=30_000)  # a busy machine starts functions slowly


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    try:
        with firefox() if is_firefox() else chromium() as running:
            yield running
    except NoBrowser as error:
        pytest.skip(str(error))
