"""``/api/search``: by text, picture, file or several of them; ``/api/files/{uuid}/similar``: by an indexed file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from chalice.app import Blueprint

from chalicelib.api.cursors import decode_cursor, encode_cursor, invalid_cursor
from chalicelib.api.dispatch import Dispatcher, RequestContext, Result
from chalicelib.api.found_files import found_files
from chalicelib.api.name_search import search_by_name
from chalicelib.api.openapi.filters import FILTER_NAMES
from chalicelib.api.openapi.searches import (
    OPTION_NAMES,
    SEARCH_BY_FILE,
    SEARCH_BY_PICTURE,
    SEARCH_BY_TERMS,
    SEARCH_BY_TEXT,
)
from chalicelib.api.requests.bodies import json_object
from chalicelib.api.requests.filters import stated_filter
from chalicelib.api.requests.forms import Form, parse_form
from chalicelib.api.requests.headers import has_json_body
from chalicelib.api.requests.names import single_value
from chalicelib.api.requests.queries import (
    DISTANCE_MAX,
    EXPECTED_BY_CHANCE,
    INCLUDED_BY_SEARCHES,
    parameters,
    parse_boolean,
    parse_include,
    parse_limit,
    parse_number,
)
from chalicelib.api.requests.searches import (
    TERM_NAMES,
    UPLOAD,
    StatedOptions,
    parse_cutoff,
    parse_match,
    parse_search,
    parse_terms,
)
from chalicelib.domain.accounts import Scope
from chalicelib.domain.collections import is_uuid
from chalicelib.domain.composition import TERMS_MAX, FileTerm, PictureTerm, Term, TextTerm, UploadTerm
from chalicelib.domain.errors import InvalidRequest, NotFound
from chalicelib.domain.file_queries import MatchBy
from chalicelib.domain.files import FileRecord
from chalicelib.domain.rates import Rate
from chalicelib.domain.relevance import rounded_expectation
from chalicelib.domain.vectors import COLLECTIONS_MAX, Position, SearchOptions
from chalicelib.services.search import FIRST_PAGE, Continuation, RelevanceOptions, SearchPage

CursorScope = tuple[Any, ...]
RANK_MAX = 10**9  # of a cursor; no store has more pictures


@dataclass(frozen=True, slots=True)
class PagePosition:
    """Where a page begins: behind ``after``."""

    after: Position | None = None
    continuation: Continuation = FIRST_PAGE


def blueprint(dispatcher: Dispatcher) -> Blueprint:
    search = Blueprint(__name__)
    route = dispatcher.routes(search)

    @route("GET", "/api/search", scope=Scope.SEARCH, rate=Rate.SEARCH, operation=SEARCH_BY_TEXT)
    def search_by_text(context: RequestContext) -> Result:
        terms = parse_terms(lambda name: parameters(context.request, name))
        return _search(context, terms, _stated_options(context, None))

    @route("POST", "/api/search", scope=Scope.SEARCH, rate=Rate.SEARCH, safe=True, operation=SEARCH_BY_PICTURE)
    def search_by_picture(context: RequestContext) -> Result:
        if has_json_body(context.request):
            for name in context.request.query_params or ():
                raise InvalidRequest(f"Put {name} into the body.", field=name)
            return _search(context, *parse_search(json_object(context.request)))
        form = parse_form(context.request, (*TERM_NAMES, *OPTION_NAMES, *FILTER_NAMES), instead=(UPLOAD,))
        terms = parse_terms(lambda name: _values(context, form, name), form.body if form.has_file else None)
        return _search(context, terms, _stated_options(context, form))

    @route("POST", "/api/search/terms", scope=Scope.SEARCH, rate=Rate.SEARCH, safe=True, operation=SEARCH_BY_TERMS)
    def search_by_terms(context: RequestContext) -> Result:
        return _search(context, *parse_search(json_object(context.request)))

    @route("GET", "/api/files/{uuid}/similar", scope=Scope.SEARCH, rate=Rate.SEARCH, operation=SEARCH_BY_FILE)
    def search_by_file(context: RequestContext) -> Result:
        record = context.indexed_file(context.path["uuid"])
        terms = (FileTerm(file=record.uuid, field="uuid"),)
        return _search(context, terms, _stated_options(context, None), {record.uuid: record})

    return search


def _search(
    context: RequestContext,
    terms: Sequence[Term],
    stated: StatedOptions,
    records: Mapping[str, FileRecord] | None = None,
) -> Result:
    """Search for the terms; ``records`` are the files that they name, if these have been read."""
    search_type, query, subject = _subject(terms)
    composed = search_type == "composed"
    options = SearchOptions(
        limit=stated.limit,
        collections=_collections(context, stated.collections),
        max_distance=stated.max_distance,
        filter=stated.filter,
    )
    if stated.match is not MatchBy.CONTENT:
        return search_by_name(context, terms, stated, options)
    modes = [name for name in ("cutoff", "fold_duplicates") if getattr(stated, name)]
    scope = (context.account, *subject, *options.narrowing(), *modes)
    begin = _decode_position(stated.cursor, scope)
    options = replace(options, after=begin.after)
    records = _records(context, terms) if records is None else records
    terms = [_located(context, term) if isinstance(term, UploadTerm) else term for term in terms]
    relevance = RelevanceOptions(stated.cutoff, EXPECTED_BY_CHANCE in stated.include)
    page = context.services.search.by_terms(
        context.account,
        terms,
        records,
        options,
        begin.continuation,
        relevance,
        fold_duplicates=stated.fold_duplicates,
    )
    info: dict[str, Any] = {"files_count": len(page.hits), "search_type": search_type, "query": query}
    if stated.given or composed:
        info["next_cursor"] = encode_cursor(scope, _position(page))
    if relevance.asked:
        info["calibrated"] = page.expected_by_chance is not None
    return Result({"files": _files(context, page, stated.include)}, info=info)


def _subject(terms: Sequence[Term]) -> tuple[str, str | None, CursorScope]:
    """The type of a search, the query that its ``info`` repeats, and what its cursors are bound to."""
    if len(terms) == 1:
        match terms[0]:
            case TextTerm(text=text):
                return "text", text, ("text", text)
            case PictureTerm(picture=picture):
                return "image", None, ("image", sha256(picture).hexdigest())
            case FileTerm(file=uuid):
                return "file", uuid, ("file", uuid)
            case UploadTerm(upload=upload):
                return "image", None, ("upload", upload)
    texts = [term.text for term in terms if isinstance(term, TextTerm) and term.weight > 0]
    identities = [(*_subject([term])[2], term.weight) for term in terms]
    return "composed", texts[0] if len(texts) == 1 else None, ("composed", identities)


def _records(context: RequestContext, terms: Sequence[Term]) -> dict[str, FileRecord]:
    """The indexed files that the terms name, by uuid; raises NotFound unless each is one of the account's."""
    records: dict[str, FileRecord] = {}
    for term in terms:
        if isinstance(term, FileTerm) and term.file not in records:
            try:
                records[term.file] = context.indexed_file(term.file)
            except NotFound as error:
                raise NotFound(error.message, field=term.field) from None
    return records


def _located(context: RequestContext, term: UploadTerm) -> UploadTerm:
    """The term with the URL of its picture; raises NotFound unless the caller may search by it."""
    uploads = context.services.search_uploads
    try:
        upload = uploads.get(context.caller, term.upload)
    except NotFound as error:
        raise NotFound(error.message, field=term.field) from None
    return replace(term, url=uploads.picture_url(upload))


def _values(context: RequestContext, form: Form | None, name: str) -> list[str]:
    """The values of a name, in the form and in the query."""
    return (form.values(name) if form else []) + parameters(context.request, name)


def _stated_options(context: RequestContext, form: Form | None) -> StatedOptions:
    values = {name: _values(context, form, name) for name in OPTION_NAMES}
    single = {name: single_value(values[name], name) for name in OPTION_NAMES if name not in ("collection", "include")}
    names = [*(context.request.query_params or ()), *(name for name, _ in (form.fields if form else ()))]
    wanted = stated_filter(names, lambda name: _values(context, form, name))
    return StatedOptions(
        limit=parse_limit(single["limit"]),
        collections=tuple(values["collection"]),
        max_distance=parse_number(single["max_distance"], "max_distance", 0, DISTANCE_MAX),
        cursor=single["cursor"],
        cutoff=parse_cutoff(single["cutoff"]),
        include=parse_include(values["include"], INCLUDED_BY_SEARCHES),
        match=parse_match(single["match"]),
        filter=wanted,
        fold_duplicates=parse_boolean(single["fold_duplicates"], "fold_duplicates"),
        given=any(values.values()) or bool(wanted),
    )


def _collections(context: RequestContext, collection_ids: Sequence[str]) -> tuple[str, ...] | None:
    """The collections to search, None for all of the account; raises NotFound unless the caller reaches each."""
    caller = context.caller
    if not collection_ids:
        return caller.collections
    if "" in collection_ids:
        raise InvalidRequest("A collection has no uuid here. Leave it out to search all of them.", field="collection")
    if len(collection_ids) > COLLECTIONS_MAX:
        raise InvalidRequest(f"A search names at most {COLLECTIONS_MAX} collections.", field="collection")
    try:
        found = [context.services.collections.get(caller.account, uuid).uuid for uuid in dict.fromkeys(collection_ids)]
    except NotFound as error:
        raise NotFound(error.message, field="collection") from error
    if not all(map(caller.reaches, found)):
        raise NotFound("There is no such collection.", field="collection")
    return tuple(dict.fromkeys(found))


def _decode_position(cursor: str | None, scope: CursorScope) -> PagePosition:
    """The distance and uuid of the last hit of the page before, and the scales of a composed query's terms."""
    match decode_cursor(cursor, scope):
        case None:
            return PagePosition()
        case [float() | int() as distance, str() as uuid, *more] if 0 <= distance <= DISTANCE_MAX and is_uuid(uuid):
            return PagePosition((float(distance), uuid), _decode_continuation(more))
    raise invalid_cursor()


def _decode_continuation(more: Sequence[Any]) -> Continuation:
    match more:
        case []:
            return FIRST_PAGE
        case [list() as scales, int() as rank] if len(scales) <= TERMS_MAX and 0 <= rank <= RANK_MAX:
            if all(isinstance(scale, float | int) and 1e-6 <= scale <= 1e6 for scale in scales):
                return Continuation(tuple(map(float, scales)), rank)
    raise invalid_cursor()


def _files(context: RequestContext, page: SearchPage, include: Sequence[str]) -> list[dict[str, Any]]:
    fields = [name for name in include if name != EXPECTED_BY_CHANCE]
    files = found_files(context, page.hits, fields, page.duplicates)
    if EXPECTED_BY_CHANCE not in include:
        return files
    if page.expected_by_chance is None:
        return [{**file, EXPECTED_BY_CHANCE: None} for file in files]
    rounded = map(rounded_expectation, page.expected_by_chance)
    return [{**file, EXPECTED_BY_CHANCE: number} for file, number in zip(files, rounded, strict=True)]


def _position(page: SearchPage) -> list[Any] | None:
    if page.end is None or not page.has_more:
        return None
    position, continuation = list(page.end), page.continuation
    if len(continuation.scales) == 1 and page.expected_by_chance is None:
        return position
    return [*position, list(continuation.scales), continuation.rank]
