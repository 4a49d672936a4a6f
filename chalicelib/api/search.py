"""``/api/search``: by text with GET, by picture with POST."""

from collections.abc import Sequence

from chalice.app import Blueprint

from chalicelib.api import present
from chalicelib.api.edge import Answer, Call, Edge
from chalicelib.api.requests import form, limit, parameter
from chalicelib.domain.vectors import Hit


def blueprint(edge: Edge) -> Blueprint:
    search = Blueprint(__name__)
    route = edge.routes(search)

    @route("GET", "/api/search")
    def search_by_text(call: Call) -> Answer:
        query, wanted = parameter(call.request, "query"), limit(parameter(call.request, "limit"))
        return _answer(call, call.services.search.by_text(call.account, query, limit=wanted), "text", query)

    @route("POST", "/api/search", writes=False)
    def search_by_image(call: Call) -> Answer:
        sent = form(call.request)
        wanted = limit(sent.fields.get("limit", parameter(call.request, "limit")))
        return _answer(call, call.services.search.by_image(call.account, sent.body, limit=wanted), "image", None)

    return search


def _answer(call: Call, hits: Sequence[Hit], kind: str, query: str | None) -> Answer:
    files = [present.hit(hit, call.base_url) for hit in hits]
    return Answer({"files": files}, info={"files_count": len(files), "search_type": kind, "query": query})
