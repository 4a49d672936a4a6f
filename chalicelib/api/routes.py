"""Registers all routes on one Chalice application, and responses in the envelope for all other paths and methods."""

from collections.abc import Callable, Collection

from chalice.app import Blueprint, Chalice, Request, Response

from chalicelib.api import (
    accounts,
    collections,
    docs,
    duplicates,
    file_changes,
    files,
    search,
    search_uploads,
    syncs,
    uploads,
    webhooks,
)
from chalicelib.api.cross_origin import preflight_headers
from chalicelib.api.dispatch import Dispatcher, RequestContext, error_response
from chalicelib.bootstrap import Services
from chalicelib.domain.errors import MethodNotAllowed, NotFound

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
FALLBACK_PATHS = ("/", "/{proxy+}")


UnknownPage = Callable[[Request], Response | None]


def register_routes(app: Chalice, services: Callable[[], Services], unknown_page: UnknownPage = lambda _: None) -> None:
    """Register the API, and answers to all paths that are left.

    Args:
        unknown_page: answers a browser that asks for a page at an unknown path; None for any other caller.
    """
    # infra/template.yaml tells API Gateway which bodies are binary; Chalice's own list would refuse some callers.
    app.api.binary_types = []
    dispatcher = Dispatcher(services)
    for blueprint in blueprints(dispatcher):
        app.register_blueprint(blueprint)
    # API Gateway does not distinguish a wrong method from an unknown path, so both are routed to fallback views.
    app.register_blueprint(_fallback_routes(dispatcher, app, unknown_page))


def blueprints(dispatcher: Dispatcher) -> list[Blueprint]:
    """The blueprints of all routes, in the order in which the OpenAPI document lists their operations."""
    modules = (
        *(search, search_uploads, collections, syncs, uploads, files, file_changes, duplicates, webhooks),
        *(accounts, docs),
    )
    return [module.blueprint(dispatcher) for module in modules]


def _fallback_routes(dispatcher: Dispatcher, app: Chalice, unknown_page: UnknownPage) -> Blueprint:
    fallback = Blueprint(__name__)
    route = dispatcher.routes(fallback)

    def refuse_method(allowed: str) -> Callable[[RequestContext], Response]:
        def wrong_method(context: RequestContext) -> Response:
            error = MethodNotAllowed(f"This path does not take {context.request.method}; it takes {allowed}.")
            return error_response(context.request, error, {"Allow": allowed})

        return wrong_method

    def unknown_path(context: RequestContext) -> Response:
        page = unknown_page(context.request)
        if page is None:
            raise NotFound("There is nothing at this path. Check it.")
        return page

    def answer_preflight(methods: Collection[str]) -> Callable[[RequestContext], Response]:
        return lambda _: Response("", dict(preflight_headers(methods)), 204)

    for path, views in list(app.routes.items()):
        if set(METHODS) <= set(views):  # a page, which answers every method itself
            continue
        allowed = sorted({*views, "OPTIONS"})
        route("OPTIONS", path, scope=None)(answer_preflight(allowed))
        for method in METHODS:
            if method not in allowed and method != "HEAD":  # HEAD comes with GET
                route(method, path, scope=None)(refuse_method(", ".join(allowed)))
    for path in FALLBACK_PATHS:
        if path in app.routes:
            continue
        # A browser must be let through to learn that there is nothing.
        route("OPTIONS", path, scope=None)(answer_preflight(METHODS))
        for method in METHODS:
            if method not in ("HEAD", "OPTIONS"):  # HEAD comes with GET
                route(method, path, scope=None)(unknown_path)
    return fallback
