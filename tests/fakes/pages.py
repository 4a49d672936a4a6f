"""A browser on the dashboard's pages, which run on fakes, without a network."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit
from uuid import uuid4

from chalice.app import Chalice

from chalicelib.api.routes import register_routes
from chalicelib.bootstrap import Services
from chalicelib.dashboard.routes import register_pages
from chalicelib.domain.accounts import Account, Subscription
from chalicelib.domain.sessions import SessionKey
from chalicelib.domain.users import Identity, User

HOST, PREFIX = "images.example", "/live"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Answer:
    """A response; ``headers`` by lower-case names, ``content`` as a browser gets it."""

    status: int
    headers: Mapping[str, str]
    cookies: Sequence[str]
    body: str
    content: bytes

    @property
    def location(self) -> str:
        """Where it leads, without the stage."""
        return self.headers["location"].removeprefix(PREFIX)


class FakeDashboard:
    """Pages and API on one application, as ``app.py`` has them."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.app = Chalice("dashboard")
        pages = register_pages(self.app, lambda: services)
        register_routes(self.app, lambda: services, pages.unknown_page)
        routes = sorted(self.app.routes, key=lambda route: ("+}" in route, route.count("{"), -len(route)))
        self._patterns = [(route, _pattern(route)) for route in routes]

    def browser(self) -> "FakeBrowser":
        return FakeBrowser(self)

    def signed_in(self, name: str = "Nora Keller", email: str | None = None, plan: str | None = None) -> "FakeBrowser":
        """A browser of a user who has signed in; of the same name, it is the same user."""
        subject = name.encode().hex()
        identity = Identity("https://issuer.example", subject, email or f"u{subject[:40]}@example.com", True, name)
        user, account = self.services.users.sign_in(identity)
        if plan is not None:
            self.services.accounts.set_subscription(account.uuid, Subscription(plan))
        browser = FakeBrowser(self, user=user, account=account)
        browser.key = self.services.sessions.begin(
            user,
            account,
            address="192.0.2.1",
            agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        )
        browser.cookies["__Host-session"] = browser.key.cookie
        return browser

    def let_work_in(self, browser: "FakeBrowser", account: Account) -> None:
        """Let a browser's session work in an account that its user belongs to, and the user's next ones, too."""
        found = self.services.sessions.find(browser.cookies["__Host-session"])
        assert found is not None
        self.services.sessions.switch(found, account.uuid)
        self.services.users.work_in(found.user, account.uuid)
        browser.account = account

    def match(self, path: str) -> tuple[str, dict[str, str]]:
        """The route of a path, and its parameters."""
        for route, pattern in self._patterns:
            match = pattern.fullmatch(path)
            if match:
                return route, {name: unquote(value) for name, value in match.groupdict().items()}
        raise AssertionError(path)


@dataclass
class FakeBrowser:
    """Keeps cookies, and sends what a browser sends."""

    dashboard: FakeDashboard
    user: User | None = None
    account: Account | None = None
    key: SessionKey | None = None
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self.send("GET", path, headers)

    def post(
        self,
        path: str,
        form: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
    ) -> Answer:
        """Send a form of one of the dashboard's pages, with the session's CSRF token."""
        token = [("csrf", self.key.csrf_token)] if self.key is not None else []
        pairs = list(form.items()) if isinstance(form, Mapping) else list(form)
        own = {"origin": f"https://{HOST}", "sec-fetch-site": "same-origin", "content-type": FORM}
        return self.send(method, path, {**own, **(headers or {})}, urlencode([*token, *pairs]).encode())

    def send(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
        parts = urlsplit(path)
        route, parameters = self.dashboard.match(parts.path)
        sent = {"host": HOST, "accept": "text/html", **(headers or {})}
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        event = {
            "resource": route,
            "path": parts.path,
            "httpMethod": method,
            "headers": sent,
            "multiValueHeaders": {name: [value] for name, value in sent.items()},
            "multiValueQueryStringParameters": parse_qs(parts.query, keep_blank_values=True) or None,
            "pathParameters": parameters,
            "stageVariables": None,
            "requestContext": {
                "resourcePath": route,
                "httpMethod": method,
                "requestId": str(uuid4()),
                "path": f"{PREFIX}{parts.path}",
                "domainName": HOST,
                "identity": {"sourceIp": "192.0.2.1"},
            },
            "body": base64.b64encode(body).decode(),
            "isBase64Encoded": True,
        }
        answer = _answer(self.dashboard.app(event, None))
        for cookie in answer.cookies:
            self._keep(cookie)
        return answer

    def _keep(self, cookie: str) -> None:
        name, _, value = cookie.partition(";")[0].partition("=")
        if "Max-Age=0" in cookie:
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value


def _answer(response: Mapping[str, Any]) -> Answer:
    headers = {name.lower(): value for name, value in response["headers"].items()}
    cookies = [
        cookie
        for name, values in response.get("multiValueHeaders", {}).items()
        if name.lower() == "set-cookie"
        for cookie in values
    ]
    cookies += [headers["set-cookie"]] if "set-cookie" in headers else []
    body = response["body"]
    content = base64.b64decode(body) if response.get("isBase64Encoded") else body.encode()
    return Answer(response["statusCode"], headers, cookies, body, content)


def _pattern(route: str) -> re.Pattern[str]:
    parts = re.split(r"(\{[^}]+\})", route)
    written = (
        f"(?P<{part[1:-1].rstrip('+')}>{'.+' if part.endswith('+}') else '[^/]+'})"
        if part.startswith("{")
        else re.escape(part)
        for part in parts
    )
    return re.compile("".join(written) + "/?" if route != "/" else "/")
