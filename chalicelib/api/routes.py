"""All routes onto one Chalice application, with an answer in the envelope for every path and method beside them."""

from collections.abc import Callable

from chalice.app import Blueprint, Chalice, Response

from chalicelib.api import accounts, collections, docs, files, search, syncs, uploads
from chalicelib.api.dispatch import Dispatcher, RequestContext, error_response
from chalicelib.bootstrap import Services
from chalicelib.domain.errors import MethodNotAllowed, NotFound

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
FALLBACK_PATHS = ("/", "/{proxy+}")


def register_routes(app: Chalice, services: Callable[[], Services]) -> None:
    # Which bodies are binary, API Gateway is told in infra/template.yaml; Chalice's own list would refuse some callers.
    app.api.binary_types = []
    edge = Dispatcher(services)
    for part in (search, collections, syncs, uploads, files, accounts, docs):
        app.register_blueprint(part.blueprint(edge))
    # API Gateway does not tell a wrong method from an unknown path, so both are routed here and told apart.
    app.register_blueprint(_fallback_routes(edge, app))


def _fallback_routes(edge: Dispatcher, app: Chalice) -> Blueprint:
    rest = Blueprint(__name__)
    route = edge.routes(rest)

    def refuse_method(allowed: str) -> Callable[[RequestContext], Response]:
        def wrong_method(call: RequestContext) -> Response:
            error = MethodNotAllowed(f"{call.request.method} is not possible here; {allowed} is.")
            return error_response(call.request, error, {"Allow": allowed})

        return wrong_method

    def unknown_path(_: RequestContext) -> Response:
        raise NotFound("There is nothing here. Check the path.")

    for path, views in list(app.routes.items()):
        for method in METHODS:
            if method not in views:
                route(method, path, token=False)(refuse_method(", ".join(sorted(views))))
    for path in FALLBACK_PATHS:
        for method in METHODS:
            route(method, path, token=False)(unknown_path)
    return rest
