"""Filters as conditions of OpenSearch: pure functions."""

from collections.abc import Sequence

from chalicelib.adapters.opensearch.facts import Json, metadata_term, path_term
from chalicelib.domain.file_facts import MAX_FOLDERS
from chalicelib.domain.filters import (
    AnyOf,
    Clause,
    Filter,
    Known,
    MetadataKnown,
    MetadataMatches,
    PathMatches,
    PathPattern,
    Range,
    Within,
    known_term,
)


def conditions(account: str, condition: Filter) -> list[Json]:
    """Returns what documents of the account must meet; their account is no part of it."""
    return [_condition(account, clause) for clause in condition.clauses]


def _condition(account: str, clause: Clause) -> Json:
    match clause:
        case AnyOf():
            return {"terms": {clause.field: list(clause.values)}}
        case Within():
            return _any([_range(clause.field, each) for each in clause.ranges])
        case Known():
            return _when({"exists": {"field": clause.field}}, clause.known)
        case PathMatches():
            return _any([_path(account, pattern) for pattern in clause.patterns])
        case MetadataKnown():
            return _when({"term": {"metadata": metadata_term(account, known_term(clause.name))}}, clause.known)
        case MetadataMatches():
            terms = [metadata_term(account, term) for term in clause.terms]
            ranges = [
                Range(each.low and metadata_term(account, each.low), each.high and metadata_term(account, each.high))
                for each in clause.ranges
            ]
            of_terms: list[Json] = [{"terms": {"metadata": terms}}] if terms else []
            return _any(of_terms + [_range("metadata", each) for each in ranges])


def _path(account: str, pattern: PathPattern) -> Json:
    if pattern.is_literal:
        (text,) = pattern.parts
        return _any([{"term": {"path": path_term(account, text)}}, _beginning(account, f"{text}/")])
    if pattern.prefix is not None:
        return _beginning(account, pattern.prefix)
    first, *others = pattern.parts
    return {"wildcard": {"path": {"value": "*".join(map(_escaped, (path_term(account, first), *others)))}}}


def _beginning(account: str, prefix: str) -> Json:
    # A folder is a term by itself. Any other beginning is looked for among the paths, which are terms by the thousand.
    if prefix.endswith("/") and prefix.count("/") <= MAX_FOLDERS:
        return {"term": {"folders": prefix}}
    return {"prefix": {"path": path_term(account, prefix)}}


def _range(field: str, bounds: Range[int] | Range[str]) -> Json:
    given = {"gte": bounds.low, "lt": bounds.high}
    return {"range": {field: {name: bound for name, bound in given.items() if bound is not None}}}


def _when(condition: Json, holds: bool) -> Json:
    return condition if holds else {"bool": {"must_not": [condition]}}


def _any(alternatives: Sequence[Json]) -> Json:
    if len(alternatives) == 1:
        return alternatives[0]
    return {"bool": {"should": list(alternatives), "minimum_should_match": 1}}


def _escaped(text: str) -> str:
    """Returns a text as a wildcard query takes it literally.

    https://docs.opensearch.org/latest/query-dsl/term/wildcard/
    """
    return text.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?")
