"""Visits of the dashboard in a browser: by nobody, or by users who have signed in without the sign-in pages."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from playwright.sync_api import Browser, Page

from chalicelib.domain.accounts import Account, Subscription
from chalicelib.domain.users import Identity, Role
from infra.local_system import LocalSystem

COOKIE = "session"  # of the local system, which speaks HTTP
# What a browser, and htmx, say of a lost connection and of an error's status, which some visits ask for.
EXPECTED = ("Failed to load resource", "Response Status Error Code", "htmx:afterRequest", "htmx:sendError")


@contextmanager
def visit(browser: Browser, site: str, path: str = "/", cookie: str | None = None, **context: Any) -> Iterator[Page]:
    """A page of a fresh browser, with a session's cookie if one is given.

    What its console complains of, such as what the Content-Security-Policy refuses, fails the visit.

    Args:
        site: its address; ``path`` is below it.
        context: of the browser, such as ``viewport``: https://playwright.dev/python/docs/api/class-browser
    """
    opened = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **context})
    if cookie is not None:
        opened.add_cookies([{"name": COOKIE, "value": cookie, "url": site}])
    page = opened.new_page()
    page.set_default_timeout(60_000)  # a busy machine starts functions slowly
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(site + path)
    try:
        yield page
    finally:
        opened.close()
    unexpected = [complaint for complaint in complaints if not complaint.startswith(EXPECTED)]
    assert not unexpected, unexpected


@dataclass(frozen=True)
class Visitor:
    """A user with a session in one account."""

    site: str
    cookie: str
    account: Account

    def visit(self, browser: Browser, path: str = "/", **context: Any) -> AbstractContextManager[Page]:
        """A page of a fresh browser, as ``visit`` opens it."""
        return visit(browser, self.site, path, self.cookie, **context)

    def below(self, path: str) -> str:
        """A path as a link has it, without the stage."""
        return path.removeprefix(urlsplit(self.site).path)

    def path(self, page: Page) -> str:
        """The address that a page shows, below the stage."""
        parts = urlsplit(page.url)
        return self.below(parts.path) + (f"?{parts.query}" if parts.query else "")


def visitor(stack: LocalSystem, account: str | None = None, plan: str = "business") -> Visitor:
    """A new user: in an account of their own, or a member of one that exists."""
    services = stack.deployment.services
    name = uuid4().hex
    identity = Identity("https://issuer.example", name, f"{name}@example.com", True, "Nora Keller")
    user, own = services.users.sign_in(identity)
    if account is None:
        services.accounts.set_subscription(own.uuid, Subscription(plan))
    else:
        services.users.invite(account, identity.email, Role.OWNER, None)
        user, _ = services.users.sign_in(identity)
        found = services.adapters.accounts.account(account)
        assert found is not None
        own = found
    key = services.sessions.begin(user, own, address="", agent="")
    return Visitor(stack.api_url, key.cookie, own)


def sign_in(page: Page, stack: LocalSystem) -> None:
    """From the page that asks for it, by Cognito's own pages, as the demo user."""
    page.get_by_role("link", name="Sign in or sign up").click()
    page.get_by_label("Username").fill(stack.demo_user)
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Password").fill(stack.demo_password)
    page.get_by_role("button", name="Sign in").click()
