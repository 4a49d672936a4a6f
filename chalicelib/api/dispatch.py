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

from chalicelib.api.openapi.operation import DocumentedRoute, Operation
from chalicelib.bootstrap import Services
from chalicelib.domain.accounts import Caller
from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import NotFound, SimilarixError
from chalicelib.domain.texts import is_storable

API_VERSION = "1.0.2"
RETRY_AFTER_SECONDS = 5  # with a 503: about as long as a model or a store takes to start
_JSON = {"Content-Type": "application/json"}

logger = Logger(service="similarix", serialize_stacktrace=False)


@dataclass(frozen=True, slots=True)
class RequestContext:
    """A request with its path parameters, its caller, and the services.

    ``authenticated`` is the caller on routes that need a token, None on the others.
    """

    request: Request
    services: Services
    path: Mapping[str, str]
    authenticated: Caller | None

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
        configured = self.services.config.public_url
        return configured.rstrip("/") if configured else _base_url(self.request)

    def collection(self) -> Collection:
        """The collection that the path names; raises NotFound unless it is the account's."""
        return self.services.collections.get(self.account, self.path["uuid"])


@dataclass(frozen=True, slots=True)
class Result:
    """The ``result`` and ``info`` that a view returns in the envelope."""

    result: Mapping[str, Any]
    status: int = 200
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RouteOptions:
    """What a route requires of its caller: a token, and one that may write."""

    token: bool
    writes: bool


View = Callable[[RequestContext], Result | Response]


class Dispatcher:
    """Registers views on blueprints, and keeps the OpenAPI entries of their routes in ``documented_routes``."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self.documented_routes: list[DocumentedRoute] = []
        self._services = services

    def routes(self, blueprint: Blueprint) -> Callable[..., Callable[[View], View]]:
        """A decorator ``route(method, path)`` that registers a view on the blueprint.

        By default a route needs a token, and every method but GET needs one that may write.
        """

        def route(
            method: str,
            path: str,
            *,
            operation: Operation | None = None,
            token: bool = True,
            writes: bool | None = None,
        ) -> Callable[[View], View]:
            options = RouteOptions(token=token, writes=method != "GET" if writes is None else writes)
            if operation is not None:
                self.documented_routes.append(DocumentedRoute(method, path, operation))

            def decorate(view: View) -> View:
                @wraps(view)
                def endpoint(**path_parameters: str) -> Response:
                    return self._handle(blueprint.current_request, path_parameters, view, options)

                # Bodies of any type reach the view, so that it refuses a wrong one in the envelope.
                register: Any = blueprint.route(path, methods=[method], content_types=["*/*"])
                register(endpoint)
                return view

            return decorate

        return route

    def _handle(self, request: Request, path: Mapping[str, str], view: View, options: RouteOptions) -> Response:
        started = time.perf_counter()
        response = self._respond(request, path, view, options)
        logger.info(
            "request",
            method=request.method,
            route=request.context.get("resourcePath"),
            status=response.status_code,
            request_id=_request_id(request),
            milliseconds=round((time.perf_counter() - started) * 1000, 1),
        )
        return response

    def _respond(self, request: Request, path: Mapping[str, str], view: View, options: RouteOptions) -> Response:
        try:
            services = self._services()
            caller = None
            if options.token:
                header = request.headers.get("authorization")
                caller = services.authentication.authenticate(header, writes=options.writes)
            _check_identifiers(path)
            result = view(RequestContext(request, services, path, caller))
        except SimilarixError as error:
            if error.status >= 500:
                logger.exception("unavailable", request_id=_request_id(request))
            return error_response(request, error)
        except Exception:
            logger.exception("unexpected error", request_id=_request_id(request))
            return error_response(request, SimilarixError("Something went wrong on our side. Try again in a moment."))
        if isinstance(result, Response):
            return result
        return _envelope(result.status, success=True, info=result.info, result=result.result)


def _check_identifiers(path: Mapping[str, str]) -> None:
    if not all(map(is_storable, path.values())):
        raise NotFound("No resource has this identifier.")


def error_response(request: Request, error: SimilarixError, headers: Mapping[str, str] | None = None) -> Response:
    """The envelope of an error."""
    info = {"error": error.code, "message": error.message, "request_id": _request_id(request)}
    if error.field is not None:
        info["field"] = error.field
    all_headers = dict(headers or {})
    if error.status == 503:
        all_headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
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


def _request_id(request: Request) -> str:
    return str(request.context.get("requestId", ""))


def _base_url(request: Request) -> str:
    context = request.context
    host = context.get("domainName") or request.headers.get("host", "")
    # A prefix precedes the route: the stage on API Gateway's own domain, or a custom domain's base path.
    segments = str(context.get("path", "")).strip("/").split("/")
    route_segments = request.path.strip("/").split("/")
    prefix = segments[: max(0, len(segments) - len(route_segments))]
    return "/".join([f"https://{host}", *prefix])
