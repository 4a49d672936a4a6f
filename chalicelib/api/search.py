"""``/api/search``: by text with GET, by picture with POST; ``/api/files/{uuid}/similar``: by an indexed file."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from chalice.app import Blueprint

from chalicelib.api import serializers
from chalicelib.api.cursors import decode_cursor, encode_cursor, invalid_cursor
from chalicelib.api.dispatch import Dispatcher, RequestContext, Result
from chalicelib.api.openapi.builders import array, nullable, obj, ref, text
from chalicelib.api.openapi.operation import (
    CURSOR_PARAMETER,
    FILE_PARAMETER,
    FILES_COUNT,
    LIMIT_PARAMETER,
    NEXT_CURSOR,
    Operation,
    form_content,
    query_parameter,
)
from chalicelib.api.requests.forms import Form, parse_form
from chalicelib.api.requests.names import single_value
from chalicelib.api.requests.queries import DISTANCE_MAX, parameter, parameters, parse_limit, parse_number
from chalicelib.domain.accounts import Scope
from chalicelib.domain.collections import parse_uuid
from chalicelib.domain.errors import InvalidRequest, NotFound
from chalicelib.domain.rates import Rate
from chalicelib.domain.vectors import COLLECTIONS_MAX, SearchOptions
from chalicelib.services.search import QUERY_LIMIT, SearchPage

_OPTION_PARAMETERS = (
    LIMIT_PARAMETER,
    query_parameter(
        "collection",
        array({"type": "string", "format": "uuid"}) | {"maxItems": COLLECTIONS_MAX},
        "Search only these collections; repeat the parameter for more than one",
    ),
    query_parameter(
        "max_distance",
        {"type": "number", "minimum": 0, "maximum": DISTANCE_MAX},
        "Return only pictures with at most this distance",
    ),
    CURSOR_PARAMETER,
)
_OPTION_NAMES = tuple(option["name"] for option in _OPTION_PARAMETERS)
_FOUND = obj({"files": array(ref("FoundFile"))})
_INFO = obj(
    {
        "files_count": FILES_COUNT,
        "search_type": text("Type of search performed", enum=["text", "image", "file"]),
        "query": nullable(text("The original search query", "dog")),
        "next_cursor": {
            **NEXT_CURSOR,
            "description": f"Only if the request has one of {', '.join(f'`{name}`' for name in _OPTION_NAMES)}",
        },
    },
    optional=("next_cursor",),
)
SEARCH_BY_TEXT = Operation(
    tag="Search",
    summary="Search by text",
    description="The pictures nearest to a text, nearest first, in all collections of the account.",
    parameters=(
        query_parameter(
            "query",
            {"type": "string", "minLength": 1, "maxLength": QUERY_LIMIT},
            "The text query to search for",
            required=True,
        ),
        *_OPTION_PARAMETERS,
    ),
    result=_FOUND,
    info=_INFO,
    errors=(404,),
)
SEARCH_BY_PICTURE = Operation(
    tag="Search",
    summary="Search by picture",
    description=(
        "The pictures nearest to a picture of at most 4,500,000 bytes. Its options may stand in the query or in the "
        "form."
    ),
    parameters=_OPTION_PARAMETERS,
    body={"required": True, "content": form_content(_OPTION_PARAMETERS)},
    result=_FOUND,
    info=_INFO,
    errors=(404, 413),
)
SEARCH_BY_FILE = Operation(
    tag="Search",
    summary="Search by a file",
    description="The pictures nearest to an indexed file, without the file itself.",
    parameters=(FILE_PARAMETER, *_OPTION_PARAMETERS),
    result=_FOUND,
    info=_INFO,
    errors=(404,),
)

CursorScope = tuple[Any, ...]


def blueprint(dispatcher: Dispatcher) -> Blueprint:
    search = Blueprint(__name__)
    route = dispatcher.routes(search)

    @route("GET", "/api/search", scope=Scope.SEARCH, rate=Rate.SEARCH, operation=SEARCH_BY_TEXT)
    def search_by_text(context: RequestContext) -> Result:
        query = parameter(context.request, "query")
        given = _given_options(context, None)
        options, scope = _parse_options(context, given, ("text", query))
        page = context.services.search.by_text(context.account, query, options)
        return _result(context, page, "text", query, scope if given else None)

    @route("POST", "/api/search", scope=Scope.SEARCH, rate=Rate.SEARCH, operation=SEARCH_BY_PICTURE)
    def search_by_picture(context: RequestContext) -> Result:
        form = parse_form(context.request, _OPTION_NAMES)
        given = _given_options(context, form)
        options, scope = _parse_options(context, given, ("image", sha256(form.body).hexdigest()))
        page = context.services.search.by_image(context.account, form.body, options)
        return _result(context, page, "image", None, scope if given else None)

    @route("GET", "/api/files/{uuid}/similar", scope=Scope.SEARCH, rate=Rate.SEARCH, operation=SEARCH_BY_FILE)
    def search_by_file(context: RequestContext) -> Result:
        record = context.indexed_file(context.path["uuid"])
        given = _given_options(context, None)
        options, scope = _parse_options(context, given, ("file", record.uuid))
        page = context.services.search.by_file(record, options)
        return _result(context, page, "file", record.uuid, scope if given else None)

    return search


def _given_options(context: RequestContext, form: Form | None) -> dict[str, list[str]]:
    """The values of each option that the request has, in its form and in its query."""
    values = {name: (form.values(name) if form else []) + parameters(context.request, name) for name in _OPTION_NAMES}
    return {name: texts for name, texts in values.items() if texts}


def _parse_options(
    context: RequestContext, given: Mapping[str, Sequence[str]], subject: tuple[Any, ...]
) -> tuple[SearchOptions, CursorScope]:
    """The options, and the scope of their cursors: the search without its page."""
    single = {name: single_value(given.get(name, ()), name) for name in ("limit", "max_distance", "cursor")}
    options = SearchOptions(
        limit=parse_limit(single["limit"]),
        collections=_collections(context, given.get("collection", ())),
        max_distance=parse_number(single["max_distance"], "max_distance", 0, DISTANCE_MAX),
    )
    scope = (context.account, *subject, *options.narrowing())
    return replace(options, after=_decode_position(single["cursor"], scope)), scope


def _collections(context: RequestContext, collection_ids: Sequence[str]) -> tuple[str, ...] | None:
    """The collections to search, None for all of the account; raises NotFound unless the caller reaches each."""
    caller = context.caller
    if not collection_ids:
        return caller.collections
    if len(collection_ids) > COLLECTIONS_MAX:
        raise InvalidRequest(f"A search names at most {COLLECTIONS_MAX} collections.", field="collection")
    try:
        found = [context.services.collections.get(caller.account, uuid).uuid for uuid in dict.fromkeys(collection_ids)]
    except NotFound as error:
        raise NotFound(error.message, field="collection") from error
    if not all(map(caller.reaches, found)):
        raise NotFound("There is no such collection.", field="collection")
    return tuple(dict.fromkeys(found))


def _decode_position(cursor: str | None, scope: CursorScope) -> tuple[float, str] | None:
    """The distance and uuid of the last hit of the page before."""
    match decode_cursor(cursor, scope):
        case None:
            return None
        case [float() | int() as distance, str() as uuid] if 0 <= distance <= DISTANCE_MAX and _is_uuid(uuid):
            return float(distance), uuid
    raise invalid_cursor()


def _is_uuid(text: str) -> bool:
    try:
        return parse_uuid(text) == text
    except NotFound:
        return False


def _result(
    context: RequestContext, page: SearchPage, search_type: str, query: str | None, scope: CursorScope | None
) -> Result:
    """The result of a search; with a scope, its ``info`` has a cursor for the next page."""
    files = [serializers.hit(hit, context.links) for hit in page.hits]
    info: dict[str, Any] = {"files_count": len(files), "search_type": search_type, "query": query}
    if scope is not None:
        last = page.hits[-1] if page.hits and page.has_more else None
        info["next_cursor"] = encode_cursor(scope, [last.distance, last.uuid] if last else None)
    return Result({"files": files}, info=info)
