"""``/api/openapi.json`` and ``/api/docs``: the API's documentation, for machines and for people."""

import json
from functools import cache
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.api.dispatch import Dispatcher, RequestContext

_CACHE = {"Cache-Control": "public, max-age=300"}


def blueprint(dispatcher: Dispatcher) -> Blueprint:
    """The routes; they document those that the dispatcher has when the first request comes."""
    docs = Blueprint(__name__)
    route = dispatcher.routes(docs)

    @cache
    def document() -> dict[str, Any]:
        # Not at the top: only these two routes need it, and every cold start would pay for it.
        from chalicelib.api.openapi.document import build_document  # noqa: PLC0415

        return build_document(dispatcher.documented_routes)

    @cache
    def page() -> str:
        from chalicelib.api.openapi.page import render_page  # noqa: PLC0415

        return render_page(document())

    @route("GET", "/api/openapi.json", token=False)
    def show_document(context: RequestContext) -> Response:
        body = {**document(), "servers": [{"url": context.base_url}]}
        return Response(json.dumps(body, ensure_ascii=False), {"Content-Type": "application/json", **_CACHE}, 200)

    @route("GET", "/api/docs", token=False)
    def show_page(_: RequestContext) -> Response:
        return Response(page(), {"Content-Type": "text/html; charset=utf-8", **_CACHE}, 200)

    return docs
