"""``/api/openapi.json`` and ``/api/docs``: the API's documentation, for machines and for people."""

import base64
import hashlib
import json
from functools import cache
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.api.dispatch import Dispatcher, RequestContext

_CACHE = {"Cache-Control": "public, max-age=300"}
# The page has one style and no script.
_PAGE_POLICY = "default-src 'none'; style-src '{style}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


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
    def page() -> tuple[str, str]:
        """The page, and its content security policy."""
        from chalicelib.api.openapi.page import STYLE, render_page  # noqa: PLC0415

        style = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
        return render_page(document()), _PAGE_POLICY.format(style=f"sha256-{style}")

    @route("GET", "/api/openapi.json", scope=None)
    def show_document(context: RequestContext) -> Response:
        body = {**document(), "servers": [{"url": context.base_url}]}
        return Response(json.dumps(body, ensure_ascii=False), {"Content-Type": "application/json", **_CACHE}, 200)

    @route("GET", "/api/docs", scope=None)
    def show_page(_: RequestContext) -> Response:
        html, policy = page()
        headers: dict[str, Any] = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy}
        return Response(html, headers | _CACHE, 200)

    return docs
