"""The edge: where a request becomes a call and its outcome the envelope; tokens are checked and errors translated here.

Translated under Chalice's routing, not in a middleware: Chalice turns an unknown exception of a view into its own
body before a middleware sees it.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from aws_lambda_powertools import Logger
from chalice.app import Blueprint, Request, Response

from chalicelib.bootstrap import Services
from chalicelib.domain.errors import SimilarixError
from chalicelib.services.authentication import Caller

API_VERSION = "1.0.2"
RETRY_AFTER_SECONDS = 5  # with a 503: about as long as a model or a store takes to wake
_JSON = {"Content-Type": "application/json"}

logger = Logger(service="similarix", serialize_stacktrace=False)


@dataclass(frozen=True, slots=True)
class RequestContext:
    """One request: who asks, for what, and the services that answer."""

    request: Request
    services: Services
    path: Mapping[str, str]
    known_caller: Caller | None

    @property
    def caller(self) -> Caller:
        """Who asks; there is one on every route that needs a token."""
        assert self.known_caller is not None
        return self.known_caller

    @property
    def account(self) -> str:
        return self.caller.account

    @property
    def base_url(self) -> str:
        """Where the caller reaches the API: as configured, or else as this request did."""
        configured = self.services.config.public_url
        return configured.rstrip("/") if configured else _base_url(self.request)


@dataclass(frozen=True, slots=True)
class Result:
    """What a view found; the envelope goes around it."""

    result: Mapping[str, Any]
    status: int = 200
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RouteOptions:
    """What a route asks of its caller."""

    token: bool
    writes: bool


View = Callable[[RequestContext], Result | Response]


class Dispatcher:
    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services

    def routes(self, blueprint: Blueprint) -> Callable[..., Callable[[View], View]]:
        """A decorator ``route(method, path)`` that puts views behind the edge and onto the blueprint.

        Every method but GET writes, unless the route says otherwise, and wants a token that may.
        """

        def route(method: str, path: str, *, token: bool = True, writes: bool | None = None) -> Callable[[View], View]:
            needs = RouteOptions(token=token, writes=method != "GET" if writes is None else writes)

            def decorate(view: View) -> View:
                @wraps(view)
                def guarded(**parameters: str) -> Response:
                    return self._answer(blueprint.current_request, parameters, view, needs)

                # Bodies of any type reach the view, so that a wrong one is refused in the envelope.
                register: Any = blueprint.route(path, methods=[method], content_types=["*/*"])
                register(guarded)
                return view

            return decorate

        return route

    def _answer(self, request: Request, path: Mapping[str, str], view: View, needs: RouteOptions) -> Response:
        began = time.perf_counter()
        response = self._respond(request, path, view, needs)
        logger.info(
            "request",
            method=request.method,
            route=request.context.get("resourcePath"),
            status=response.status_code,
            request_id=_request_id(request),
            milliseconds=round((time.perf_counter() - began) * 1000, 1),
        )
        return response

    def _respond(self, request: Request, path: Mapping[str, str], view: View, needs: RouteOptions) -> Response:
        try:
            services = self._services()
            caller = None
            if needs.token:
                header = request.headers.get("authorization")
                caller = services.authentication.caller(header, writes=needs.writes)
            outcome = view(RequestContext(request, services, path, caller))
        except SimilarixError as error:
            if error.status >= 500:
                logger.exception("unavailable", request_id=_request_id(request))
            return error_response(request, error)
        except Exception:
            logger.exception("unexpected error", request_id=_request_id(request))
            return error_response(request, SimilarixError("Something went wrong on our side. Try again in a moment."))
        if isinstance(outcome, Response):
            return outcome
        return _envelope(outcome.status, success=True, info=outcome.info, result=outcome.result)


def error_response(request: Request, error: SimilarixError, headers: Mapping[str, str] | None = None) -> Response:
    """The envelope of an error."""
    info = {"error": error.code, "message": error.message, "request_id": _request_id(request)}
    if error.field is not None:
        info["field"] = error.field
    more = dict(headers or {})
    if error.status == 503:
        more["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return _envelope(error.status, success=False, info=info, result={}, headers=more)


def _envelope(
    status: int,
    *,
    success: bool,
    info: Mapping[str, Any],
    result: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
) -> Response:
    body = {"version": API_VERSION, "success": success, "info": info, "result": result}
    return Response(json.dumps(body, ensure_ascii=False), {**_JSON, **(headers or {})}, status)


def _request_id(request: Request) -> str:
    return str(request.context.get("requestId", ""))


def _base_url(request: Request) -> str:
    context = request.context
    host = context.get("domainName") or request.headers.get("host", "")
    # Before the route stand the stage, on API Gateway's own domain, or a custom domain's base path.
    full = str(context.get("path", "")).strip("/").split("/")
    route = request.path.strip("/").split("/")
    before = full[: max(0, len(full) - len(route))]
    return "/".join([f"https://{host}", *before])
