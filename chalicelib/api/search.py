"""``/api/search``: by text with GET, by picture with POST; and what is similar to a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from chalice.app import Blueprint

from chalicelib.api import serializers
from chalicelib.api.cursors import decode_cursor, encode_cursor
from chalicelib.api.dispatch import Dispatcher, RequestContext, Result
from chalicelib.api.requests import Form, distance, form, limit, parameter, parameters
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.vectors import SearchOptions
from chalicelib.services.search import SearchPage

COLLECTIONS_MAX = 20  # that one search may name
_NARROWING = ("limit", "collection", "max_distance", "cursor")


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of the answer is wanted, and the question it is part of; ``asked``: the caller said anything of it."""

    wanted: SearchOptions
    question: tuple[Any, ...]
    asked: bool


def blueprint(edge: Dispatcher) -> Blueprint:
    search = Blueprint(__name__)
    route = edge.routes(search)

    @route("GET", "/api/search")
    def search_by_text(call: RequestContext) -> Result:
        query = parameter(call.request, "query")
        page = _page(call, None, ("text", query))
        return _answer(call, page, call.services.search.by_text(call.account, query, page.wanted), "text", query)

    @route("POST", "/api/search", writes=False)
    def search_by_image(call: RequestContext) -> Result:
        sent = form(call.request)
        page = _page(call, sent, ("image", sha256(sent.body).hexdigest()))
        return _answer(call, page, call.services.search.by_image(call.account, sent.body, page.wanted), "image", None)

    @route("GET", "/api/files/{uuid}/similar")
    def show_similar_files(call: RequestContext) -> Result:
        record = call.services.files.indexed(call.account, call.path["uuid"])
        page = _page(call, None, ("file", record.uuid))
        return _answer(call, page, call.services.search.like(record, page.wanted), "file", record.uuid)

    return search


def _page(call: RequestContext, sent: Form | None, about: tuple[Any, ...]) -> Page:
    given = {name: _given(call, sent, name) for name in _NARROWING}
    last = {name: values[-1] if values else None for name, values in given.items()}
    count, farthest = limit(last["limit"]), distance(last["max_distance"])
    named = _collections(call, given["collection"])
    question = (call.account, *about, named, farthest)
    after = decode_cursor(last["cursor"], question)
    if after is not None:
        after = _checked_place(after)
    return Page(
        SearchOptions(limit=count, collections=named, max_distance=farthest, after=after),
        question,
        asked=any(given.values()),
    )


def _given(call: RequestContext, sent: Form | None, name: str) -> list[str]:
    """What a parameter was given, in the form if it is there, or else in the query."""
    in_form = [value for key, value in sent.others if key == name] if sent else []
    return in_form or parameters(call.request, name)


def _collections(call: RequestContext, named: Sequence[str]) -> tuple[str, ...] | None:
    """The collections to search; each is one of the account's, or not found."""
    if len(named) > COLLECTIONS_MAX:
        raise InvalidRequest(f"A search names at most {COLLECTIONS_MAX} collections.", field="collection")
    unique = dict.fromkeys(named)
    return tuple(call.services.collections.get(call.account, each).uuid for each in unique) if named else None


def _checked_place(after: Any) -> tuple[float, str]:
    match after:
        case [float() | int() as far, str() as uuid]:
            return float(far), uuid
    raise InvalidRequest("The cursor is not one of this question's.", field="cursor")


def _answer(call: RequestContext, page: Page, found: SearchPage, kind: str, query: str | None) -> Result:
    files = [serializers.hit(hit, call.base_url) for hit in found.hits]
    info: dict[str, Any] = {"files_count": len(files), "search_type": kind, "query": query}
    if page.asked:
        last = found.hits[-1] if found.hits else None
        following = encode_cursor(page.question, [last.distance, last.uuid]) if last and found.more else None
        info["next_cursor"] = following
    return Result({"files": files}, info=info)
