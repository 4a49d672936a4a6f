"""Registers the paths of all pages on one Chalice application.

Nothing else of the dashboard is imported before the first page is asked for: the API's cold start would pay for it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from chalice.app import Blueprint, Chalice, Request, Response

from chalicelib.bootstrap import Services

if TYPE_CHECKING:
    from chalicelib.dashboard.dispatch import PageDispatcher

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# The modules of pages, each with the paths that its ``add_pages`` has views of.
PATHS: Mapping[str, Sequence[str]] = {
    "search": (
        "/",
        "/search-pictures",
    ),
    "pictures": (
        "/pictures/{uuid}",
        "/pictures/{uuid}/delete",
        "/pictures/{uuid}/similar",
    ),
    "selection": (
        "/selection",
        "/selection/delete",
    ),
    "first_run": (
        "/samples",
        "/samples/photos/{name}",
        "/samples/{uuid}",
    ),
    "connect": (
        "/collections/connect",
        "/collections/connect/stack",
        "/collections/connect/template",
    ),
    "connect_server": ("/collections/connect/server",),
    "collections": (
        "/collections",
        "/collections/new",
        "/collections/{uuid}",
        "/collections/{uuid}/explain",
        "/collections/{uuid}/failures",
    ),
    "collection_settings": (
        "/collections/{uuid}/delete",
        "/collections/{uuid}/removals",
        "/collections/{uuid}/settings",
        "/collections/{uuid}/sync",
    ),
    "uploads": (
        "/collections/{uuid}/upload",
        "/collections/{uuid}/uploads",
        "/collections/{uuid}/uploads/{id}",
        "/upload",
    ),
    "sign_in": (
        "/sign-in",
        "/sign-in/callback",
        "/sign-in/start",
        "/sign-out",
    ),
    "account": (
        "/account",
        "/account/delete",
        "/account/export",
        "/account/name",
        "/account/sessions/end-others",
        "/account/sessions/{session}/end",
    ),
    "tokens": (
        "/account/tokens",
        "/account/tokens/new",
        "/account/tokens/{token}/revoke",
    ),
    "members": (
        "/account/leave",
        "/account/members/invite",
        "/account/members/withdraw",
        "/account/members/{user}/remove",
        "/account/members/{user}/role",
        "/account/switch",
    ),
    "webhooks": (
        "/account/webhooks",
        "/account/webhooks/new",
        "/account/webhooks/{webhook}",
        "/account/webhooks/{webhook}/delete",
        "/account/webhooks/{webhook}/deliveries/{delivery}",
        "/account/webhooks/{webhook}/secret",
        "/account/webhooks/{webhook}/switch",
        "/account/webhooks/{webhook}/test",
    ),
    "assets": ("/assets/{digest}/{name}",),
}


class Pages:
    """The pages of an application; a page's module is imported when one of its paths is first asked for."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services
        self._loaded: set[str] = set()

    def answer(self, module: str, path: str, request: Request, parameters: Mapping[str, str]) -> Response:
        self._load(module)
        return self._dispatcher.answer(request, path, parameters)

    def load(self) -> None:
        """Import every page and compile every template, for a function whose first request is to find them there."""
        from chalicelib.dashboard.rendering import compile_templates  # noqa: PLC0415

        for module in PATHS:
            self._load(module)
        compile_templates()

    def _load(self, module: str) -> None:
        if module not in self._loaded:
            add_pages(module, self._dispatcher)
            self._loaded.add(module)

    def unknown_page(self, request: Request) -> Response | None:
        """The answer to a browser that asks for a page where there is none; None for a program, which gets JSON."""
        if "text/html" not in request.headers.get("accept", ""):
            return None
        return self._dispatcher.unknown_page(request)

    @cached_property
    def _dispatcher(self) -> "PageDispatcher":
        from chalicelib.dashboard.dispatch import PageDispatcher  # noqa: PLC0415

        return PageDispatcher(self._services)


def add_pages(module: str, dispatcher: "PageDispatcher") -> None:
    """Give the dispatcher the views of a module."""
    import_module(f"chalicelib.dashboard.{module}").add_pages(dispatcher)


def register_pages(app: Chalice, services: Callable[[], Services]) -> Pages:
    """Before the API's routes, which take all paths that are left."""
    pages, blueprint = Pages(services), Blueprint(__name__)
    for module, paths in PATHS.items():
        for path in paths:
            _register(blueprint, pages, module, path)
    app.register_blueprint(blueprint)
    return pages


def _register(blueprint: Blueprint, pages: Pages, module: str, path: str) -> None:
    # All methods, so that no other route has them.
    def page(**parameters: str) -> Response:
        return pages.answer(module, path, blueprint.current_request, parameters)

    page.__name__ = f"page_{path}"
    register: Any = blueprint.route(path, methods=list(METHODS), content_types=["*/*"])
    register(page)
