"""Filters: conditions on what is known of a file, all of which it must meet; and the model of their meaning.

Every vector store answers them in its own way, and the contract's suite compares it with ``Filter.admits``. Ranges are
half-open, ``[low, high)``, so that one comparison serves all four of the caller's bounds. Metadata is compared by
terms, texts whose order is the order of the values, so that a store needs nothing but an index of texts.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from chalicelib.domain.file_facts import FileFacts
from chalicelib.domain.metadata import Metadata, MetadataValue

WILDCARD = "*"
_SEPARATOR = "\x1f"  # no name in metadata has it
_BOOLEAN, _EXISTS, _NUMBER, _TEXT = "b", "e", "n", "s"

Bound = TypeVar("Bound", int, str)


@dataclass(frozen=True, slots=True)
class Range(Generic[Bound]):
    """The values from ``low`` on and below ``high``; None stands for no bound."""

    low: Bound | None
    high: Bound | None

    def contains(self, value: Bound) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value < self.high)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """``field``, which is ``format`` or ``orientation``, is one of the values."""

    field: str
    values: tuple[str, ...]

    def admits(self, facts: FileFacts) -> bool:
        return getattr(facts, self.field) in self.values


@dataclass(frozen=True, slots=True)
class Within:
    """``field``, a number or a time in milliseconds, is in one of the ranges; what is not known is in none."""

    field: str
    ranges: tuple[Range[int], ...]

    def admits(self, facts: FileFacts) -> bool:
        value = getattr(facts, self.field)
        return value is not None and any(each.contains(value) for each in self.ranges)


@dataclass(frozen=True, slots=True)
class Known:
    """Whether ``field``, which is ``modified`` or ``taken``, is known."""

    field: str
    known: bool

    def admits(self, facts: FileFacts) -> bool:
        return (getattr(facts, self.field) is not None) is self.known


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A path or a folder; or, with ``*`` in it, any path that has the parts between in their order.

    A star stands for any characters, slashes included. Without one, the pattern admits the path itself and everything
    in the folder of that name.
    """

    parts: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> "PathPattern":
        parts = text.split(WILDCARD)
        # Stars in a row are one: empty parts count at the ends alone.
        return cls((parts[0], *filter(None, parts[1:-1]), parts[-1]) if len(parts) > 1 else (text.rstrip("/"),))

    @property
    def is_literal(self) -> bool:
        return len(self.parts) == 1

    @property
    def prefix(self) -> str | None:
        """What every path that is admitted begins with, where nothing else is demanded; None for other patterns."""
        return self.parts[0] if len(self.parts) == 2 and not self.parts[1] else None

    def admits(self, path: str) -> bool:
        first, *others = self.parts
        if not others:
            return path == first or path.startswith(f"{first}/")
        *middle, last = others
        if not path.startswith(first) or not path.endswith(last):
            return False
        # The earliest place of each part leaves the most for those behind it, so nothing is ever tried again.
        at, end = len(first), len(path) - len(last)
        for part in middle:
            found = path.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return at <= end


@dataclass(frozen=True, slots=True)
class PathMatches:
    """One of the patterns admits the path."""

    patterns: tuple[PathPattern, ...]

    def admits(self, facts: FileFacts) -> bool:
        return any(pattern.admits(facts.path) for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class MetadataMatches:
    """The metadata under a name has one of the terms, or one in one of the ranges."""

    name: str
    terms: tuple[str, ...] = ()
    ranges: tuple[Range[str], ...] = ()

    def admits(self, facts: FileFacts) -> bool:
        return any(
            term in self.terms or any(each.contains(term) for each in self.ranges)
            for term in metadata_terms(facts.metadata)
        )


@dataclass(frozen=True, slots=True)
class MetadataKnown:
    """Whether the metadata has a name."""

    name: str
    known: bool

    def admits(self, facts: FileFacts) -> bool:
        return (self.name in facts.metadata) is self.known


Clause = AnyOf | Within | Known | PathMatches | MetadataMatches | MetadataKnown


@dataclass(frozen=True, slots=True)
class Filter:
    """Admits the files that meet every clause; without one, every file."""

    clauses: tuple[Clause, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.clauses)

    @property
    def path_prefix(self) -> str:
        """What every path that is admitted begins with; empty if nothing is known of it."""
        starts = [c.patterns[0].parts[0] for c in self.clauses if isinstance(c, PathMatches) and len(c.patterns) == 1]
        return max(starts, key=len, default="")

    def admits(self, facts: FileFacts) -> bool:
        return all(clause.admits(facts) for clause in self.clauses)


def metadata_terms(metadata: Metadata) -> tuple[str, ...]:
    """Returns the terms of all names and values, each once."""
    return tuple(dict.fromkeys(term for name, value in metadata.items() for term in _terms(name, value)))


def value_term(name: str, value: str | float | bool) -> str:
    """Returns the term of one value under a name; ``1`` and ``1.0`` have the same one, and ``true`` has another."""
    if isinstance(value, bool):
        return _term(name, _BOOLEAN, "true" if value else "false")
    if isinstance(value, str):
        return _term(name, _TEXT, value)
    return _term(name, _NUMBER, _sortable(float(value)))


def known_term(name: str) -> str:
    """Returns the term that every value under a name has."""
    return _term(name, _EXISTS, "")


def text_range(name: str, low: str | None, high: str | None) -> Range[str]:
    """Returns the terms of the texts under a name from ``low`` on and below ``high``, in the order of code points."""
    return _range(name, _TEXT, low, high)


def number_range(name: str, low: float | None, high: float | None) -> Range[str]:
    """Returns the terms of the numbers under a name from ``low`` on and below ``high``."""
    return _range(name, _NUMBER, None if low is None else _sortable(low), None if high is None else _sortable(high))


def _terms(name: str, value: MetadataValue) -> Iterator[str]:
    yield known_term(name)
    for each in value if isinstance(value, tuple) else (value,):
        yield value_term(name, each)


def _range(name: str, kind: str, low: str | None, high: str | None) -> Range[str]:
    behind = chr(ord(kind) + 1)  # sorts behind every term of the kind
    return Range(_term(name, kind, low or ""), _term(name, behind, "") if high is None else _term(name, kind, high))


def _term(name: str, kind: str, value: str) -> str:
    return f"{name}{_SEPARATOR}{kind}{value}"


def _sortable(number: float) -> str:
    """Returns a double in 16 digits whose order is that of the numbers.

    The bits of a double without sign are in the numbers' order; those of a negative one are in the opposite order.
    """
    (bits,) = struct.unpack(">Q", struct.pack(">d", number + 0.0))  # -0.0 becomes 0.0
    return f"{bits ^ (0xFFFFFFFFFFFFFFFF if bits >> 63 else 1 << 63):016x}"
