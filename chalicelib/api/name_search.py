"""Searches by name, and by name and content together: the part of ``/api/search`` that ``match`` chooses."""

from collections.abc import Sequence
from typing import Any

from chalicelib.api.cursors import decode_cursor, encode_cursor, invalid_cursor
from chalicelib.api.dispatch import RequestContext, Result
from chalicelib.api.found_files import found_files
from chalicelib.api.requests.queries import EXPECTED_BY_CHANCE
from chalicelib.api.requests.searches import StatedOptions
from chalicelib.domain.collections import is_uuid
from chalicelib.domain.composition import Term, TextTerm
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.file_queries import MAX_WORDS, NAME_SCORES, FilePosition, FoundFile, MatchBy
from chalicelib.domain.vectors import Hit, SearchOptions
from chalicelib.services.name_search import FUSION_DEPTH


def search_by_name(
    context: RequestContext, terms: Sequence[Term], stated: StatedOptions, options: SearchOptions
) -> Result:
    """The files whose names match a text; with ``match=both`` those that it finds by their pictures, too.

    Raises:
        InvalidRequest: the query is not one text, or an option belongs to searches by content.
    """
    text = _text(terms)
    unfit = {
        "max_distance": stated.max_distance is not None,
        "cutoff": stated.cutoff,
        "include": EXPECTED_BY_CHANCE in stated.include,
    }
    for name, given in unfit.items():
        if given:
            raise InvalidRequest("This belongs to searches by content alone: leave it out, or match.", field=name)
    fold = stated.fold_duplicates
    scope = (context.account, "match", stated.match, text, *options.narrowing(), *(["fold_duplicates"] if fold else []))
    decoded = decode_cursor(stated.cursor, scope)
    service, hits, position = context.services.name_search, list[Hit | FoundFile](), None
    if stated.match is MatchBy.NAME:
        behind = _name_position(decoded)
        named = service.by_name(context.account, text, options, behind, fold_duplicates=fold)
        hits += named.files
        duplicates = named.duplicates
        position = list(named.after) if named.after else None
    else:
        fused = service.by_both(context.account, text, options, _start(decoded), fold_duplicates=fold)
        hits += fused.hits
        duplicates = fused.duplicates
        position = [fused.next_start] if fused.next_start is not None else None
    info: dict[str, Any] = {"files_count": len(hits), "search_type": "text", "query": text}
    info["next_cursor"] = encode_cursor(scope, position)
    return Result({"files": found_files(context, hits, stated.include, duplicates)}, info=info)


def _text(terms: Sequence[Term]) -> str:
    match terms:
        case [TextTerm(text=text)]:
            return text
    raise InvalidRequest("A search by name has one text, in 'query', and nothing else.", field="match")


def _name_position(decoded: Any) -> FilePosition | None:
    match decoded:
        case None:
            return None
        case [int() as score, str() as uuid] if 0 < score <= NAME_SCORES[0] * MAX_WORDS and is_uuid(uuid):
            return score, uuid
    raise invalid_cursor()


def _start(decoded: Any) -> int:
    match decoded:
        case None:
            return 0
        case [int() as start] if 0 <= start <= 2 * FUSION_DEPTH:
            return start
    raise invalid_cursor()
