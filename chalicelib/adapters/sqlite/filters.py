"""Filters as conditions of SQL on the table of facts: pure functions."""

from collections.abc import Sequence
from typing import NamedTuple

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


class Condition(NamedTuple):
    """A condition, and the values of its placeholders in their order."""

    sql: str
    values: tuple[str | int, ...]


def condition(account: str, collections: Sequence[str] | None, wanted: Filter) -> Condition:
    """Returns what facts of the account meet that are in one of the collections, or in any, and pass the filter."""
    conditions = [Condition("account = ?", (account,))]
    if collections is not None:
        conditions.append(_one_of("collection", collections))
    conditions += map(_condition, wanted.clauses)
    return _joined(" AND ", conditions)


def _condition(clause: Clause) -> Condition:
    match clause:
        case AnyOf():
            return _one_of(clause.field, clause.values)
        case Within():
            return _joined(" OR ", [_range(clause.field, each) for each in clause.ranges])
        case Known():
            return Condition(f"{clause.field} IS {'NOT ' if clause.known else ''}NULL", ())
        case PathMatches():
            return _joined(" OR ", [_path(pattern) for pattern in clause.patterns])
        case MetadataKnown():
            return _with_metadata(Condition("term = ?", (known_term(clause.name),)), holds=clause.known)
        case MetadataMatches():
            ranges = [_range("term", each) for each in clause.ranges]
            return _with_metadata(_joined(" OR ", [_one_of("term", clause.terms), *ranges]))


def _path(pattern: PathPattern) -> Condition:
    if pattern.is_literal:
        (text,) = pattern.parts
        return Condition("path = ? OR path GLOB ?", (text, f"{_escaped(text)}/*"))
    return Condition("path GLOB ?", ("*".join(map(_escaped, pattern.parts)),))


def _with_metadata(of_term: Condition, *, holds: bool = True) -> Condition:
    has = "IN" if holds else "NOT IN"
    return Condition(f"number {has} (SELECT number FROM metadata WHERE {of_term.sql})", of_term.values)  # noqa: S608


def _range(column: str, bounds: Range[int] | Range[str]) -> Condition:
    given = [(f"{column} >= ?", bounds.low), (f"{column} < ?", bounds.high)]
    return _joined(" AND ", [Condition(sql, (bound,)) for sql, bound in given if bound is not None])


def _one_of(column: str, values: Sequence[str]) -> Condition:
    return Condition(f"{column} IN ({', '.join('?' * len(values))})", tuple(values))


def _joined(operator: str, conditions: Sequence[Condition]) -> Condition:
    sql = operator.join(f"({each.sql})" for each in conditions)
    return Condition(sql, tuple(value for each in conditions for value in each.values))


def _escaped(text: str) -> str:
    """Returns a text as GLOB takes it literally: a character that means something stands in brackets.

    https://www.sqlite.org/lang_expr.html#glob. GLOB needs no time out of measure: it tries no star again once the rest
    of the text was too short for what follows it.
    """
    return text.replace("[", "[[]").replace("?", "[?]").replace("*", "[*]")
