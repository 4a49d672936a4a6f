"""Chromium, or the Firefox that SIMILARIX_BROWSER=firefox names, and pages of the dashboard in it."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from infra.admin.deployment import Deployment
from infra.emulator import Emulator
from infra.local_system import LocalSystem
from infra.localhost import HOST
from tests.browser.chromium import NoBrowser, chromium
from tests.browser.firefox import firefox, is_firefox

OpenPage = Callable[..., Page]

expect.set_options(timeout=30_000)  # a busy machine starts functions slowly


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    try:
        with firefox() if is_firefox() else chromium() as running:
            yield running
    except NoBrowser as error:
        pytest.skip(str(error))


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens a page in a browser of its own, ``open_page(color_scheme="dark")``.

    A test whose page was refused something by its Content-Security-Policy, or failed in a script, has failed.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    def open_page(width: int = 1440, height: int = 900, **options: object) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="session")
def session_cookie(emulator: Emulator, stack: LocalSystem) -> Callable[[], str]:
    """Begins a session of the demo user, who owns the account with the samples; returns the cookie's value."""
    services = Deployment(emulator.session(), emulator.endpoint, stack.outputs).services
    user = next(user for user in services.users.all() if user.email == stack.demo_user)
    account, _ = services.users.accounts_of(user.id)[0]
    return lambda: services.sessions.begin(user, account, address=HOST, agent="Chromium").cookie


@pytest.fixture
def open_signed_in(open_page: OpenPage, session_cookie: Callable[[], str], stack: LocalSystem) -> OpenPage:
    """Opens a page of the demo user's, with the options of ``open_page``; it shows nothing yet."""

    def open_signed_in(**options: object) -> Page:
        page = open_page(**options)
        page.context.add_cookies([{"name": "session", "value": session_cookie(), "url": stack.aws_endpoint}])
        return page

    return open_signed_in


@pytest.fixture
def signed_in_page(open_signed_in: OpenPage, stack: LocalSystem) -> Page:
    """The dashboard's first page, of the demo user."""
    page = open_signed_in()
    page.goto(stack.dashboard_url)
    return page
