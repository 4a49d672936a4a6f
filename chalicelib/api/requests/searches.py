"""Parses what a search is for: the terms of its query, and the options that a JSON body gives."""

import math
from collections.abc import Callable, Mapping
from collections.abc import Collection as Names
from dataclasses import dataclass

from chalicelib.api.requests.bodies import Body
from chalicelib.api.requests.names import check_name
from chalicelib.api.requests.queries import (
    DISTANCE_MAX,
    INCLUDED_BY_SEARCHES,
    LIMIT_DEFAULT,
    LIMIT_MAX,
    parse_include,
)
from chalicelib.domain.collections import parse_uuid
from chalicelib.domain.composition import (
    UNWANTED_WEIGHT,
    FileTerm,
    PictureTerm,
    Term,
    TextTerm,
    UploadTerm,
    check_query_text,
    check_terms,
    check_weight,
)
from chalicelib.domain.errors import InvalidRequest, NotFound, UnknownParameter
from chalicelib.domain.file_queries import MatchBy
from chalicelib.domain.filter_syntax import parse_filter
from chalicelib.domain.filters import Filter
from chalicelib.domain.json_values import whole_number
from chalicelib.domain.search_uploads import NO_SEARCH_UPLOAD
from chalicelib.domain.vectors import NO_FILTER

QUERY, WITHOUT, LIKE, UNLIKE, UPLOAD = "query", "without", "like", "unlike", "upload"
TERM_NAMES = (QUERY, WITHOUT, LIKE, UNLIKE, UPLOAD)
_TERM_SUBJECTS = ("text", "file", UPLOAD)
_BODY_FIELDS = (
    "query",
    "collection",
    "limit",
    "cursor",
    "max_distance",
    "cutoff",
    "match",
    "filter",
    "include",
    "fold_duplicates",
)


@dataclass(frozen=True, slots=True)
class StatedOptions:
    """The options of a search as the caller states them; ``given`` tells whether there is any."""

    limit: int = LIMIT_DEFAULT
    collections: tuple[str, ...] = ()
    max_distance: float | None = None
    cursor: str | None = None
    cutoff: bool = False
    include: tuple[str, ...] = ()
    filter: Filter = NO_FILTER
    match: MatchBy = MatchBy.CONTENT
    fold_duplicates: bool = False
    given: bool = False


def parse_terms(values: Callable[[str], list[str]], picture: bytes | None = None) -> tuple[Term, ...]:
    """The terms that parameters or fields of a form state, and a picture beside them.

    The files of ``like`` share the weight 1, and so do the pictures of ``upload``; those of ``unlike`` share -0.5, and
    each text of ``without`` has -0.5.

    Args:
        values: returns all values of a name.

    Raises:
        InvalidRequest: there is none that is wanted, or too many, or one is malformed.
    """
    texts, like, unlike, uploads = values(QUERY), values(LIKE), values(UNLIKE), values(UPLOAD)
    if len(texts) > 1:
        raise InvalidRequest("Give query once.", field=QUERY)
    terms: list[Term] = [] if picture is None else [PictureTerm(picture=picture, field="file")]
    # Without anything that is wanted, the text is what is missing.
    if texts or not (terms or like or uploads):
        terms.append(TextTerm(text=check_query_text(texts[0] if texts else None, QUERY), field=QUERY))
    terms += [FileTerm(file=_file(uuid, LIKE), weight=1 / len(like), field=LIKE) for uuid in like]
    terms += [UploadTerm(upload=_upload(i, UPLOAD), weight=1 / len(uploads), field=UPLOAD) for i in uploads]
    terms += [
        TextTerm(text=check_query_text(text, WITHOUT), weight=UNWANTED_WEIGHT, field=WITHOUT)
        for text in values(WITHOUT)
    ]
    weight = UNWANTED_WEIGHT / max(1, len(unlike))
    terms += [FileTerm(file=_file(uuid, UNLIKE), weight=weight, field=UNLIKE) for uuid in unlike]
    check_terms(terms)
    return tuple(terms)


def parse_search(body: Body) -> tuple[tuple[Term, ...], StatedOptions]:
    """The terms and options of a JSON body; an option that is null is left out.

    Raises:
        InvalidRequest: a field is malformed; it names the field by its path, such as ``query[2].weight``.
    """
    _check_fields(body, _BODY_FIELDS, "")
    query = body.get("query")
    if not isinstance(query, list):
        raise InvalidRequest('query is a list of terms, such as [{"text": "a beach"}].', field="query")
    terms = tuple(_term(stated, f"query[{position}]") for position, stated in enumerate(query))
    check_terms(terms)
    return terms, _options(body)


def _term(stated: object, path: str) -> Term:
    if not isinstance(stated, Mapping):
        raise InvalidRequest('A term is an object, such as {"text": "a beach"}.', field=path)
    _check_fields(stated, (*_TERM_SUBJECTS, "weight"), path)
    subjects = [name for name in _TERM_SUBJECTS if name in stated]
    if len(subjects) != 1:
        raise InvalidRequest(f"A term has exactly one of {', '.join(_TERM_SUBJECTS)}.", field=path)
    (subject,) = subjects
    value, field = stated[subject], f"{path}.{subject}"
    if not isinstance(value, str):
        raise InvalidRequest(f"{field} is a string.", field=field)
    weight = _weight(stated.get("weight", 1), f"{path}.weight")
    if subject == "text":
        return TextTerm(text=check_query_text(value, field), weight=weight, field=field)
    if subject == UPLOAD:
        return UploadTerm(upload=_upload(value, field), weight=weight, field=field)
    return FileTerm(file=_file(value, field), weight=weight, field=field)


def _weight(value: object, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidRequest(f"{field} is a number.", field=field)
    try:
        return check_weight(float(value), field)
    except OverflowError:  # of a whole number with hundreds of digits
        return check_weight(math.inf, field)


def _file(value: str, field: str) -> str:
    try:
        return parse_uuid(value)
    except NotFound:
        raise NotFound("There is no such file.", field=field) from None


def _upload(value: str, field: str) -> str:
    try:
        return parse_uuid(value)
    except NotFound:
        raise NotFound(NO_SEARCH_UPLOAD, field=field) from None


def _options(body: Body) -> StatedOptions:
    stated = {name: body[name] for name in _BODY_FIELDS if name != "query" and body.get(name) is not None}
    limit, distance = whole_number(stated.get("limit", LIMIT_DEFAULT)), stated.get("max_distance")
    collections, cursor = stated.get("collection", []), stated.get("cursor")
    if limit is None or not 1 <= limit <= LIMIT_MAX:
        raise InvalidRequest(f"limit is a whole number from 1 to {LIMIT_MAX}.", field="limit")
    if distance is not None:
        if isinstance(distance, bool) or not isinstance(distance, int | float) or not 0 <= distance <= DISTANCE_MAX:
            raise InvalidRequest(f"max_distance is a number from 0 to {DISTANCE_MAX}.", field="max_distance")
        distance = float(distance)
    if not isinstance(collections, list):
        raise InvalidRequest("collection is a list of identifiers.", field="collection")
    for position, uuid in enumerate(collections):
        if not isinstance(uuid, str):
            raise InvalidRequest("A collection's identifier is a string.", field=f"collection[{position}]")
    if cursor is not None and not isinstance(cursor, str):
        raise InvalidRequest("cursor is a string.", field="cursor")
    include = stated.get("include", [])
    if not isinstance(include, list) or not all(isinstance(name, str) for name in include):
        raise InvalidRequest("include is a list of names of fields.", field="include")
    fold_duplicates = stated.get("fold_duplicates", False)
    if not isinstance(fold_duplicates, bool):
        raise InvalidRequest("fold_duplicates is true or false.", field="fold_duplicates")
    return StatedOptions(
        limit=limit,
        collections=tuple(collections),
        max_distance=distance,
        cursor=cursor,
        cutoff=parse_cutoff(stated.get("cutoff")),
        include=parse_include(include, INCLUDED_BY_SEARCHES),
        match=parse_match(stated.get("match")),
        filter=parse_filter(stated["filter"]) if "filter" in stated else NO_FILTER,
        fold_duplicates=fold_duplicates,
        given=bool(stated),
    )


def parse_cutoff(value: object) -> bool:
    """Whether the answer ends where chance begins; raises InvalidRequest for anything but ``auto`` or nothing."""
    if value not in (None, "auto"):
        raise InvalidRequest("cutoff is auto, or is left out.", field="cutoff")
    return value is not None


def parse_match(value: object) -> MatchBy:
    """What a text is compared with; raises InvalidRequest for anything else."""
    if value is None:
        return MatchBy.CONTENT
    if not isinstance(value, str) or value not in set(MatchBy):
        raise InvalidRequest(f"match is one of {', '.join(MatchBy)}.", field="match")
    return MatchBy(value)


def _check_fields(fields: Mapping[str, object], known: Names[str], path: str) -> None:
    """Raises UnknownParameter, with the field's path, for a field that is not known."""
    for name in fields:
        try:
            check_name(name, known, "field")
        except UnknownParameter as error:
            raise UnknownParameter(error.message, field=f"{path}.{error.field}" if path else error.field) from None
