"""Dispatches requests: authenticates the caller, calls the view, and puts its result or its error into the envelope.

A decorator below Chalice's routing translates errors, not a middleware: Chalice turns an unknown exception of a view
into a body of its own before a middleware sees it.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from aws_lambda_powertools import Logger
from chalice.app import Blueprint, Request, Response

from chalicelib.adapters.call_log import CallLog
from chalicelib.api.cross_origin import cross_origin_headers
from chalicelib.api.idempotency import REPLAYED_HEADER, given_answer, kept_answer, keyed_request
from chalicelib.api.links import FileLinks
from chalicelib.api.openapi.operation import DocumentedRoute, Operation
from chalicelib.api.requests.headers import check_coding
from chalicelib.api.requests.queries import check_parameters
from chalicelib.api.response_headers import challenge_headers, rate_headers, retry_headers
from chalicelib.bootstrap import Services
from chalicelib.config import Config
from chalicelib.domain.accounts import Caller, Scope, token_from_header
from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import (
    FileExists,
    Forbidden,
    NotFound,
    QuotaExceeded,
    RateLimited,
    ScopeForbids,
    SimilarixError,
)
from chalicelib.domain.files import FileRecord
from chalicelib.domain.idempotency import ANSWER_LIMIT
from chalicelib.domain.rates import Rate, RateStatus
from chalicelib.domain.texts import is_storable
from chalicelib.services.authentication import authorize

API_VERSION = "1.0.2"
_JSON = {"Content-Type": "application/json"}
# Of every response that does not say otherwise. No cache keeps what only one caller may see, and a browser that opens a
# response neither guesses another type nor runs anything in it.
_SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
}

logger = Logger(service="similarix", serialize_stacktrace=False)


@dataclass(slots=True)
class Known:
    """What has been found out about a request so far.

    ``linked_account`` has the file that a signed link has opened.
    """

    caller: Caller | None = None
    rate: RateStatus | None = None
    linked_account: str | None = None


@dataclass(frozen=True, slots=True)
class RequestContext:
    """A request with its path parameters, its caller, and the services."""

    request: Request
    services: Services
    path: Mapping[str, str]
    known: Known

    @property
    def authenticated(self) -> Caller | None:
        """The caller on routes that need a token, None on the others and with a signed link."""
        return self.known.caller

    @property
    def caller(self) -> Caller:
        """The caller of a route that needs a token."""
        assert self.authenticated is not None
        return self.authenticated

    @property
    def account(self) -> str:
        return self.caller.account

    @property
    def base_url(self) -> str:
        """The URL under which the caller reaches the API: the configured one, or else the one of this request."""
        return base_url(self.request, self.services.config)

    @property
    def links(self) -> FileLinks:
        """Makes the URLs of the caller's files."""
        return FileLinks(self.base_url, self.account, self.services.links)

    def indexed_file(self, file_id: str) -> FileRecord:
        """A file that the caller's searches can find; raises NotFound for any other."""
        record = self.services.files.get_indexed(self.account, file_id)
        if not self.caller.reaches(record.collection):
            raise NotFound("There is no such file.")
        return record

    def count(self, rate: Rate) -> None:
        """Count the request for a limit of its token; raises RateLimited where that is used up."""
        caller, known = self.caller, self.known
        if caller.token is None:
            return
        limit = caller.plan.rate_limit(rate)
        status = known.rate = self.services.rate_limiter.admit(caller.account, caller.token.id, limit)
        if not status.admitted:
            raise RateLimited(
                f"This token may make {limit.quota:,} requests of this kind a minute. "
                f"Try again in {status.seconds} seconds.",
                status.seconds,
            )

    def collection(self) -> Collection:
        """The collection that the path names; raises NotFound unless it is the account's."""
        return self.services.collections.get(self.account, self.path["uuid"])


@dataclass(frozen=True, slots=True)
class Result:
    """The ``result`` and ``info`` that a view returns in the envelope.

    ``location`` is the path where what was made, or begun, can be looked at. ``masked_field`` names the field of
    ``result`` that is stored nowhere in clear. ``brief`` is what an idempotency key's repetition gets in place of a
    ``result`` that is too large to be kept.
    """

    result: Mapping[str, Any]
    status: int = 200
    info: Mapping[str, Any] = field(default_factory=dict)
    location: str | None = None
    masked_field: str | None = None
    brief: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RouteOptions:
    """What a route requires of its caller.

    Args:
        scope: of the token; None for a route that needs no token.
        any_plan: whether it is open to accounts whose plan does not include the API.
        parameters: the names of the query parameters that it takes; None for any.
        rate: the limit that its requests count for, if any.
        counted_by_view: whether the view decides which of them count (``RequestContext.count``).
        takes_key: whether it may be sent again with an idempotency key.
        takes_links: whether a signed link stands for a token: a request with a ``signature`` has no caller.
    """

    scope: Scope | None
    any_plan: bool = False
    parameters: tuple[str, ...] | None = None
    rate: Rate | None = None
    takes_links: bool = False
    takes_key: bool = False
    counted_by_view: bool = False

    def needs_token(self, request: Request) -> bool:
        return self.scope is not None and not (self.takes_links and "signature" in (request.query_params or ()))


View = Callable[[RequestContext], Result | Response]


class Dispatcher:
    """Registers views on blueprints, and keeps what their routes require in ``options``, by method and path.

    ``documented_routes`` has the OpenAPI entries of those that have one.
    """

    def __init__(self, services: Callable[[], Services]) -> None:
        self.documented_routes: list[DocumentedRoute] = []
        self.options: dict[tuple[str, str], RouteOptions] = {}
        self._services = services
        self._calls: CallLog | None = None  # of the services, once there are some

    def routes(self, blueprint: Blueprint) -> Callable[..., Callable[[View], View]]:
        """A decorator ``route(method, path, scope=…)`` that registers a view on the blueprint."""

        def route(
            method: str,
            path: str,
            *,
            scope: Scope | None,
            any_plan: bool = False,
            takes_links: bool = False,
            rate: Rate | None = None,
            counted_by_view: bool = False,
            safe: bool = False,
            operation: Operation | None = None,
        ) -> Callable[[View], View]:
            parameters = operation.query_names() if operation is not None else None
            # https://www.rfc-editor.org/rfc/rfc9110#section-9.2.1: ``safe`` is a POST that changes nothing
            takes_key = method == "POST" and scope is not None and not safe
            options = RouteOptions(scope, any_plan, parameters, rate, takes_links, takes_key, counted_by_view)
            # https://www.rfc-editor.org/rfc/rfc9110#section-9.1: a server supports HEAD wherever it supports GET
            methods = ["GET", "HEAD"] if method == "GET" else [method]
            self.options.update({(each, path): options for each in methods})

            def decorate(view: View) -> View:
                if operation is not None:
                    documented = DocumentedRoute(
                        method, path, operation, rate is not None, takes_links, view.__name__, takes_key
                    )
                    self.documented_routes.append(documented)

                @wraps(view)
                def endpoint(**path_parameters: str) -> Response:
                    return self._handle(blueprint.current_request, path_parameters, view, options)

                # Bodies of any type reach the view, so that it refuses a wrong one in the envelope.
                register: Any = blueprint.route(path, methods=methods, content_types=["*/*"])
                register(endpoint)
                return view

            return decorate

        return route

    def _handle(self, request: Request, path: Mapping[str, str], view: View, options: RouteOptions) -> Response:
        started = time.perf_counter()
        known = Known()
        response = self._respond(request, path, view, options, known)
        allowed_origins = self._services().config.allowed_origins
        cross_origin = cross_origin_headers(allowed_origins, request.headers.get("origin"))
        complete(response, request, {**_SECURITY_HEADERS, **cross_origin})
        if known.rate is not None:
            response.headers |= rate_headers(known.rate)
        caller = known.caller
        logger.info(
            "request",
            method=request.method,
            route=request.context.get("resourcePath"),
            status=response.status_code,
            request_id=request_id(request),
            # Never the token itself: who may read the log could use it.
            account=caller.account if caller else known.linked_account,
            token=caller.token.id if caller and caller.token else None,
            milliseconds=round((time.perf_counter() - started) * 1000, 1),
            # What remains of the milliseconds is the vector store's, but for a fraction of one.
            calls=self._calls.take() if self._calls else {},
        )
        return response

    def _respond(
        self, request: Request, path: Mapping[str, str], view: View, options: RouteOptions, known: Known
    ) -> Response:
        """The response; ``known`` is filled in, also for a request that is refused."""
        try:
            services = self._services()
            self._calls = services.calls
            context = RequestContext(request, services, path, known)
            if options.needs_token(request):
                _authenticate(request, services, options, known)
                if options.rate is not None and not options.counted_by_view:
                    context.count(options.rate)
            _check_identifiers(path)
            if options.parameters is not None:
                check_parameters(request, options.parameters)
            check_coding(request)
            result, replayed = _answer_once(context, view) if options.takes_key else (view(context), False)
        except SimilarixError as error:
            if error.status >= 500:
                logger.exception("unavailable", request_id=request_id(request))
            return error_response(request, error, _challenge(request, error, options, known))
        except Exception:
            logger.exception("unexpected error", request_id=request_id(request))
            unexpected = SimilarixError("Something went wrong on our side. Try again in a moment.")
            return error_response(request, unexpected)
        if isinstance(result, Response):
            return result
        headers = {"Location": f"{context.base_url}{result.location}"} if result.location else {}
        headers |= {REPLAYED_HEADER: "true"} if replayed else {}
        return _envelope(result.status, success=True, info=result.info, result=result.result, headers=headers)


def _authenticate(request: Request, services: Services, options: RouteOptions, known: Known) -> None:
    """Find out who calls, and whether the caller may do this."""
    assert options.scope is not None
    caller = known.caller = services.authentication.authenticate(request.headers.get("authorization"))
    authorize(caller, options.scope, origin=request.headers.get("origin"), any_plan=options.any_plan)


def _answer_once(context: RequestContext, view: View) -> tuple[Result | Response, bool]:
    """What the view returns, and whether it was returned before to a request with the same idempotency key."""
    request, token = context.request, context.caller.token
    keyed = keyed_request(request, context.path, token)
    if keyed is None:
        return view(context), False
    bearer = token_from_header(request.headers.get("authorization"))
    assert bearer is not None

    made: Result | None = None

    def respond() -> str:
        nonlocal made
        result = view(context)
        assert isinstance(result, Result)
        made = result
        answer = {"result": result.result, "status": result.status, "info": result.info, "location": result.location}
        text = kept_answer(answer, result.masked_field, bearer)
        if len(text.encode()) > ANSWER_LIMIT and result.brief is not None:
            return kept_answer({**answer, "result": result.brief}, None, bearer)
        return text

    context_of_function = request.lambda_context
    seconds = context.services.config.function_timeout
    milliseconds = context_of_function.get_remaining_time_in_millis() if context_of_function else seconds * 1000
    text, replayed = context.services.adapters.idempotent_answers.answer(keyed, milliseconds, respond)
    return made or Result(**given_answer(text, bearer)), replayed


def _challenge(request: Request, error: SimilarixError, options: RouteOptions, known: Known) -> Mapping[str, str]:
    """The challenge of an error about the credentials, and no other."""
    if options.scope is None or not options.needs_token(request) or not isinstance(error, Forbidden):
        return {}
    if known.caller is not None and not isinstance(error, ScopeForbids):
        return {}
    return challenge_headers(error, options.scope, request.headers.get("authorization"))


def _check_identifiers(path: Mapping[str, str]) -> None:
    if not all(map(is_storable, path.values())):
        raise NotFound("No resource has this identifier.")


def error_response(request: Request, error: SimilarixError, headers: Mapping[str, str] | None = None) -> Response:
    """The envelope of an error."""
    info = {"error": error.code, "message": error.message, "request_id": request_id(request)}
    if error.field is not None:
        info["field"] = error.field
    if isinstance(error, FileExists) and error.uuid is not None:
        info |= {"uuid": error.uuid} | ({"md5": error.md5} if error.md5 is not None else {})
    if isinstance(error, QuotaExceeded) and error.resets_at is not None:
        info["resets_at"] = error.resets_at.isoformat()
    all_headers = {**(headers or {}), **retry_headers(error)}
    return _envelope(error.status, success=False, info=info, result={}, headers=all_headers)


def _envelope(
    status: int,
    *,
    success: bool,
    info: Mapping[str, Any],
    result: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
) -> Response:
    body = {"version": API_VERSION, "success": success, "info": info, "result": result}
    # An object's key, or a host, may have half of a surrogate pair, which UTF-8 cannot express; JSON escapes it so too.
    text = json.dumps(body, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    return Response(text, {**_JSON, **(headers or {})}, status)


def complete(response: Response, request: Request, headers: Mapping[str, str]) -> None:
    """Add the headers that a response lacks and the request's identifier; the response to HEAD has no body."""
    for name, value in headers.items():
        response.headers.setdefault(name, value)
    response.headers["X-Request-Id"] = request_id(request)
    if request.method == "HEAD":
        response.body = type(response.body)()


def request_id(request: Request) -> str:
    """API Gateway's identifier of the request, which its log has too."""
    return str(request.context.get("requestId", ""))


def base_url(request: Request, config: Config) -> str:
    """The URL under which the caller reaches us, without a slash at its end: the configured one, or this request's."""
    if config.public_url:
        return config.public_url.rstrip("/")
    context = request.context
    host = context.get("domainName") or request.headers.get("host", "")
    # A prefix precedes the route: the stage on API Gateway's own domain, or a custom domain's base path. The event's
    # path may have a base path as well, so the route says how long a path without a prefix is.
    segments = _segments(str(context.get("path", "")))
    route_segments = _segments(str(context.get("resourcePath") or request.path))
    prefix = segments[: max(0, len(segments) - len(route_segments))]
    return "/".join([f"https://{host}", *prefix])


def _segments(path: str) -> list[str]:
    return path.strip("/").split("/") if path.strip("/") else []
