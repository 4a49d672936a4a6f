"""``/api/openapi.json`` and ``/api/docs``: what the API takes and answers, for machines and for people."""

import json

from chalice.app import Blueprint, Response

from chalicelib.api.dispatch import Dispatcher, RequestContext

_CACHE = {"Cache-Control": "public, max-age=300"}


def blueprint(edge: Dispatcher) -> Blueprint:
    docs = Blueprint(__name__)
    route = edge.routes(docs)

    @route("GET", "/api/openapi.json", token=False)
    def show_document(call: RequestContext) -> Response:
        # Not at the top: nobody else needs it, and every function's start would pay for it.
        from chalicelib.api.openapi.document import document  # noqa: PLC0415

        body = {**document(), "servers": [{"url": call.base_url}]}
        return Response(json.dumps(body, ensure_ascii=False), {"Content-Type": "application/json", **_CACHE}, 200)

    @route("GET", "/api/docs", token=False)
    def show_page(_: RequestContext) -> Response:
        from chalicelib.api.openapi.page import page  # noqa: PLC0415

        return Response(page(), {"Content-Type": "text/html; charset=utf-8", **_CACHE}, 200)

    return docs
