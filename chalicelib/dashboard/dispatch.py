"""Dispatches requests for pages: finds the session, checks where a change comes from, and renders what a view returns.

A page is HTML; its errors are pages too, or a banner where htmx asks for a part of a page.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from chalice.app import Request, Response

from chalicelib.api.dispatch import base_url, complete, logger, request_id
from chalicelib.api.requests.headers import check_coding
from chalicelib.api.response_headers import retry_headers
from chalicelib.bootstrap import Services
from chalicelib.dashboard.pages import CSRF_FIELD, Page, PageRequest, Redirect, check_rate
from chalicelib.dashboard.security import (
    KEPT_NOWHERE,
    PAGE_HEADERS,
    SAFE_METHODS,
    check_same_site,
    content_policy,
    header_path,
    local_path,
    session_cookie,
    set_cookie,
)
from chalicelib.dashboard.toasts import toast_text
from chalicelib.domain.errors import Forbidden, MethodNotAllowed, NotFound, SimilarixError
from chalicelib.domain.permissions import Permission
from chalicelib.domain.rates import Rate
from chalicelib.domain.texts import is_storable

if TYPE_CHECKING:
    from chalicelib.dashboard.rendering import Frame

API_PATHS = ("api/", "media/", "collections/download/")  # whose answers are the API's, whoever asks
CSRF_HEADER = "x-csrf-token"
TOAST_SECONDS = 60  # that the note of what was done waits for the page that shows it
RETRY_SECONDS = 20  # until the page of an error that passes asks again by itself


View = Callable[[PageRequest], Page | Redirect | Response]


@dataclass(frozen=True, slots=True)
class PageOptions:
    """What a page requires.

    Args:
        public: whether it is open to who has not signed in; ``signed_in`` may then be None.
        checks_token: whether a change carries the session's CSRF token; only a public page may do without.
        needs: the permission without which nobody has it; None if every member has it.
        reads_session: whether it depends on who has signed in; else it may be public and cached.
        rate: the limit that its requests count for, if any; the plan says how many a minute, for each user.
    """

    public: bool = False
    checks_token: bool = True
    needs: Permission | None = None
    reads_session: bool = True
    rate: Rate | None = None


class PageDispatcher:
    """Keeps the views of pages, and what their pages require in ``options``, by method and path; answers requests."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self.options: dict[tuple[str, str], PageOptions] = {}
        self._views: dict[tuple[str, str], View] = {}
        self._services = services

    def page(
        self,
        path: str,
        methods: Sequence[str] = ("GET",),
        *,
        public: bool = False,
        checks_token: bool = True,
        needs: Permission | None = None,
        reads_session: bool = True,
        rate: Rate | None = None,
    ) -> Callable[[View], View]:
        """A decorator that keeps a view; ``chalicelib.dashboard.routes`` has the path, too."""
        options = PageOptions(public, checks_token, needs, reads_session, rate)

        def decorate(view: View) -> View:
            # https://www.rfc-editor.org/rfc/rfc9110#section-9.1: a server supports HEAD wherever it supports GET
            for method in [*methods, "HEAD"] if "GET" in methods else methods:
                self.options[method, path] = options
                self._views[method, path] = view
            return view

        return decorate

    def answer(self, request: Request, path: str, parameters: Mapping[str, str]) -> Response:
        """The response to a request for a path; of a method that its page does not take, too."""
        key = (str(request.method), path)
        if key in self._views:
            return self._handle(request, parameters, self._views[key], self.options[key])
        allowed = ", ".join(sorted(method for method, taken in self._views if taken == path))

        def refuse(_: PageRequest) -> Page:
            raise MethodNotAllowed(f"This page takes {allowed}.")

        response = self._handle(request, parameters, refuse, PageOptions(public=True, checks_token=False))
        response.headers["Allow"] = allowed
        return response

    def unknown_page(self, request: Request) -> Response | None:
        """The answer to a browser that asks for a page where there is none; None for a program, which gets JSON."""
        path = str((request.uri_params or {}).get("proxy", ""))
        if request.method not in SAFE_METHODS or path.startswith(API_PATHS):
            return None
        if "text/html" not in request.headers.get("accept", ""):
            return None

        def refuse(_: PageRequest) -> Page:
            raise NotFound("There is no page at this address. Check it, or go on from here.")

        return self._handle(request, {}, refuse, PageOptions(public=True))

    def _handle(self, request: Request, path: Mapping[str, str], view: View, options: PageOptions) -> Response:
        started = time.perf_counter()
        services = self._services()
        page_request = PageRequest(request, services, path, base_url(request, services.config))
        try:
            if options.reads_session:
                page_request = replace(page_request, signed_in=services.sessions.find(page_request.cookie("session")))
            response = self._respond(page_request, view, options)
        except SimilarixError as error:
            if error.status >= 500:
                logger.exception("unavailable", request_id=request_id(request))
            response = _error(page_request, error)
        except Exception:
            logger.exception("unexpected error", request_id=request_id(request))
            response = _error(page_request, SimilarixError("Something went wrong on our side. Try again in a moment."))
        complete(response, request, {**PAGE_HEADERS, "Content-Security-Policy": content_policy({})})
        signed_in = page_request.signed_in
        logger.info(
            "page",
            method=request.method,
            route=request.context.get("resourcePath"),
            status=response.status_code,
            request_id=request_id(request),
            account=signed_in.account.uuid if signed_in else None,
            user=signed_in.user.id if signed_in else None,
            milliseconds=round((time.perf_counter() - started) * 1000, 1),
            calls=services.calls.take(),
        )
        return response

    def _respond(self, request: PageRequest, view: View, options: PageOptions) -> Response:
        if not all(map(is_storable, request.path.values())):
            raise NotFound("There is nothing at this address.")
        check_coding(request.request)
        is_change = request.method not in SAFE_METHODS
        if is_change:
            check_same_site(request.request, request.base_url)
        if request.signed_in is None and not options.public:
            return _to_sign_in(request)
        if is_change and options.checks_token and request.signed_in is not None:
            _check_token(request)
        if options.needs is not None:
            request.session.check(options.needs)
        if options.rate is not None:
            check_rate(request, options.rate)
        answer = view(request)
        if isinstance(answer, Redirect):
            return _redirect(request, answer)
        response = _render(request, answer) if isinstance(answer, Page) else answer
        is_kept = response.headers.get("Cache-Control", KEPT_NOWHERE) != KEPT_NOWHERE
        if (
            request.signed_in is not None
            and "Set-Cookie" not in response.headers
            and not request.is_fragment
            and not is_kept  # a cache would give the session to others
        ):
            # The browser forgets the session no sooner than we do.
            response.headers["Set-Cookie"] = session_cookie(request.signed_in.key, request.base_url)
        return response


def _check_token(request: PageRequest) -> None:
    token = request.request.headers.get(CSRF_HEADER)
    if token is None:
        token = request.form.get(CSRF_FIELD)
    if token is None or not request.session.key.has_csrf_token(token):
        raise Forbidden("This page was open in another session. Nothing was changed; load it anew and try again.")


def _to_sign_in(request: PageRequest) -> Response:
    """The way to sign in, and back to this page; after a change, to the page that asked for it."""
    if request.is_fragment:
        shown = urlsplit(request.request.headers.get("hx-current-url") or "")
        here = (shown.path.removeprefix(request.prefix) or "/") + (f"?{shown.query}" if shown.query else "")
    elif request.method in SAFE_METHODS:
        names = {name: quote(value, safe="") for name, value in request.path.items()}
        here = str(request.request.path).format(**names) + request.query.as_query()
    else:
        here = "/"
    path = f"/sign-in?{urlencode({'next': local_path(here)})}"
    if request.is_fragment:
        return Response("", {"HX-Redirect": request.url(path), "Content-Type": "text/plain"}, 401)
    return Response("", {"Location": request.url(path), "Content-Type": "text/plain"}, 303)


def _redirect(request: PageRequest, redirect: Redirect) -> Response:
    target = redirect.url if redirect.url is not None else request.url(header_path(local_path(redirect.path)))
    set_cookies = list(redirect.cookies)
    if redirect.toast is not None:
        set_cookies.append(set_cookie("toast", redirect.toast, request.base_url, TOAST_SECONDS))
    headers: dict[str, Any] = {"Content-Type": "text/plain"}
    if set_cookies:
        headers["Set-Cookie"] = set_cookies
    if request.is_fragment:
        return Response("", {**headers, "HX-Redirect": target}, 200)
    return Response("", {**headers, "Location": target}, 303)


def _render(request: PageRequest, page: Page) -> Response:
    # Not at the top: the template engine is for pages alone, and every cold start of the API would pay for it.
    from chalicelib.dashboard.rendering import render  # noqa: PLC0415

    headers: dict[str, Any] = {"Content-Type": "text/html; charset=utf-8", **page.headers}
    headers["Content-Security-Policy"] = content_policy(page.origins)
    frame = _frame(request, page)
    if frame.toast_is_stored and "Set-Cookie" not in headers:
        headers["Set-Cookie"] = set_cookie("toast", "", request.base_url, 0)
    block = (page.fragment or "main") if request.is_fragment else None
    return Response(render(page.template, page.data, frame, block), headers, page.status)


def _frame(request: PageRequest, page: Page) -> "Frame":
    from chalicelib.dashboard.rendering import Frame  # noqa: PLC0415

    # A part of a page leaves the note of what was done to the next whole page.
    stored = None if request.is_fragment else request.cookie("toast")
    toast = page.toast or stored
    return Frame(
        prefix=request.prefix,
        path=str(request.request.path),
        now=request.services.now(),
        signed_in=request.signed_in,
        is_fragment=request.is_fragment,
        toast=toast_text(toast, request.signed_in, request.services) if toast else None,
        toast_is_stored=bool(stored),
    )


def _error(request: PageRequest, error: SimilarixError) -> Response:
    """The error as a page, or as a banner at the top of what htmx was to replace."""
    passes = error.status in (429, 503)
    headers = {**retry_headers(error)}
    if request.is_fragment:
        headers["HX-Reswap"] = "afterbegin"
    data = {
        "status": error.status,
        "message": error.message,
        "number": request_id(request.request),
        "retry_seconds": RETRY_SECONDS if passes and request.method in SAFE_METHODS else None,
    }
    return _render(request, Page("error.html", data, error.status, headers, fragment="banner"))
