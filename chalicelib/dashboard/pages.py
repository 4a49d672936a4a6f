"""What a view gets and returns: the request for a page, and the page or the way on that answers it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from chalice.app import Request

from chalicelib.api.links import FileLinks
from chalicelib.bootstrap import Services
from chalicelib.dashboard.fields import Fields, form_fields, query_fields
from chalicelib.dashboard.security import cookie_name, cookies
from chalicelib.domain.accounts import Account, Caller
from chalicelib.domain.errors import RateLimited
from chalicelib.domain.plans import Plan
from chalicelib.domain.rates import Rate
from chalicelib.domain.users import User
from chalicelib.services.sessions import SignedIn

CSRF_FIELD = "csrf"  # of every form that changes something


@dataclass(frozen=True, slots=True)
class Page:
    """What a view returns to be rendered.

    Args:
        template: its file in ``templates``.
        data: the template's variables.
        fragment: the block of the template that htmx gets instead of the page; None: htmx gets the block ``main``.
        origins: what the page reaches beside this site, by directive of its Content-Security-Policy.
        toast: the key of the text that says what was just done, such as ``account.revoked``.
    """

    template: str
    data: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, Any] = field(default_factory=dict)
    fragment: str | None = None
    origins: Mapping[str, Sequence[str]] = field(default_factory=dict)
    toast: str | None = None


@dataclass(frozen=True, slots=True)
class Redirect:
    """Leads to a path of the dashboard, or with ``url`` to an address elsewhere, by GET.

    Args:
        path: without the stage or base path; its texts are escaped (``urllib.parse.quote``).
        toast: the key of the text that the next page shows once.
        cookies: further Set-Cookie headers.
    """

    path: str = "/"
    toast: str | None = None
    url: str | None = None
    cookies: Sequence[str] = ()


@dataclass(frozen=True)
class PageRequest:
    """A request for a page, or a change that a page asks for."""

    request: Request
    services: Services
    path: Mapping[str, str]
    base_url: str
    signed_in: SignedIn | None = None

    @property
    def session(self) -> SignedIn:
        """The session of a page that needs one."""
        assert self.signed_in is not None
        return self.signed_in

    @property
    def user(self) -> User:
        return self.session.user

    @property
    def account(self) -> Account:
        return self.session.account

    @property
    def plan(self) -> Plan:
        return self.session.plan

    @property
    def caller(self) -> Caller:
        """Who asks, for services that the API has, too; without a token."""
        return Caller(self.account.uuid, self.plan, session_user=self.user.id)

    @property
    def method(self) -> str:
        return str(self.request.method)

    @property
    def is_fragment(self) -> bool:
        """Whether htmx asks for a part of the page."""
        headers = self.request.headers
        is_whole = "true" in (headers.get("hx-boosted"), headers.get("hx-history-restore-request"))
        return headers.get("hx-request") == "true" and not is_whole

    @cached_property
    def query(self) -> Fields:
        return query_fields(self.request)

    @cached_property
    def form(self) -> Fields:
        """The fields of the form that was sent, and its files; raises InvalidRequest for what is none."""
        return form_fields(self.request)

    @property
    def links(self) -> FileLinks:
        """Makes signed URLs of the account's files."""
        return FileLinks(self.base_url, self.account.uuid, self.services.links)

    @property
    def address(self) -> str:
        """The browser's address, as API Gateway saw it."""
        identity = self.request.context.get("identity") or {}
        return str(identity.get("sourceIp", ""))

    @property
    def milliseconds_left(self) -> int:
        """Until the function that answers is ended."""
        context = self.request.lambda_context
        seconds = self.services.config.function_timeout
        return int(context.get_remaining_time_in_millis() if context else seconds * 1000)

    @property
    def prefix(self) -> str:
        """The stage or base path before every path; empty where there is none."""
        return urlsplit(self.base_url).path

    def url(self, path: str) -> str:
        return self.prefix + path

    @property
    def cookies(self) -> Mapping[str, str]:
        return cookies(self.request.headers.get("cookie"))

    def cookie(self, name: str) -> str | None:
        """The value of one of our cookies."""
        return self.cookies.get(cookie_name(name, self.base_url))


def check_rate(request: PageRequest, rate: Rate) -> None:
    """Raises RateLimited where the user has made too many such requests, in all sessions together."""
    limit = request.plan.rate_limit(rate)
    status = request.services.rate_limiter.admit(request.account.uuid, request.user.id, limit)
    if not status.admitted:
        raise RateLimited(
            f"You may make {limit.quota:,} requests of this kind a minute. Try again in {status.seconds} seconds.",
            status.seconds,
        )
