"""Filters as callers write them: a JSON object, or parameters of a query; both are read into one ``Filter``.

JSON: ``{"format": ["jpeg", "png"], "size": {"gte": 100000}, "metadata": {"tag": "x"}}``. Parameters: ``format=jpeg``,
``size.gte=100000``, ``metadata.tag=x``; a repeated one means any of its values.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from typing import Any, NoReturn

from chalicelib.domain.collections import KEY_LIMIT
from chalicelib.domain.errors import InvalidRequest, UnknownParameter
from chalicelib.domain.file_facts import Orientation, milliseconds
from chalicelib.domain.filters import (
    WILDCARD,
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
    number_range,
    text_range,
    value_term,
)
from chalicelib.domain.image_files import EXTENSIONS
from chalicelib.domain.json_values import whole_number
from chalicelib.domain.metadata import METADATA_BYTES, METADATA_NAME
from chalicelib.domain.texts import excerpt, is_storable
from chalicelib.domain.times import NotATime, parse_time

FIELDS = ("path", "format", "size", "width", "height", "orientation", "modified", "taken", "metadata")
METADATA_PARAMETER = "metadata.NAME"  # as documents write a parameter whose name has a name of metadata in it
MAX_VALUES = 50  # alternatives of one field
MAX_PATTERNS = 10
MAX_WILDCARDS = 8  # of one pattern
# Of characters behind the first star. The automaton of a pattern has sets of states whose sizes add up to the square of
# this at most, and Lucene refuses to build one beyond 100,000: Operations.DEFAULT_DETERMINIZE_WORK_LIMIT, ten times.
# https://lucene.apache.org/core/9_12_0/core/org/apache/lucene/util/automaton/Operations.html
MAX_PATTERN_TEXT = 256
MAX_METADATA_NAMES = 20
LARGEST_NUMBER = 2**53
_BOUNDS, _EXISTS = ("gte", "gt", "lte", "lt"), "exists"
_OPERATORS = (*_BOUNDS, _EXISTS)
_FORMATS = {name.lower(): name.lower() for name in EXTENSIONS} | {
    extension: name.lower() for name, extensions in EXTENSIONS.items() for extension in extensions
}
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME_EXPECTED = "It is a date or a time in ISO 8601, such as '2025-01-31' or '2025-01-31T18:00:00+01:00'."
_WHOLE = re.compile(r"\d{1,16}", re.ASCII)
_DECIMAL = re.compile(r"-?\d{1,20}(?:\.\d{1,20})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_MILLISECOND = timedelta(milliseconds=1)
_DAY = 24 * 3600 * 1000


class _Text(str):
    """A value of a query's parameter, which may be meant as text, number or boolean."""

    __slots__ = ()


def is_filter_parameter(name: str) -> bool:
    """Whether a query's parameter belongs to the filter."""
    return name.partition(".")[0] in FIELDS


def parse_filter(value: object, place: str = "filter") -> Filter:
    """The filter in a request's JSON.

    Args:
        place: the path of the value in the request.

    Raises:
        InvalidRequest: it is no filter; ``field`` is the path of the part that is wrong, such as ``filter.size.gte``.
    """
    if not isinstance(value, dict):
        _refuse(place, 'A filter is a JSON object, such as {"format": "png"}.')
    return _filter(value, f"{place}.")


def parse_filter_parameters(parameters: Mapping[str, Sequence[str]]) -> Filter:
    """The filter in a query's parameters, by name with all values of each; raises as ``parse_filter``."""
    fields: dict[str, Any] = {}
    for name, values in parameters.items():
        field, _, rest = name.partition(".")
        if field == "metadata":
            key, _, operator = rest.partition(".")
            if not key:
                _refuse(name, "Name what to look for in the metadata, as in metadata.product_id=A1.")
            _add(fields.setdefault(field, {}), key, operator, values, name)
        else:
            _add(fields, field, rest, values, name)
    return _filter(fields, "")


def _add(fields: dict[str, Any], key: str, operator: str, values: Sequence[str], name: str) -> None:
    """Add a parameter to the fields as JSON would have it."""
    texts = [_Text(value) for value in values]
    if not operator:
        if key in fields:
            _refuse(name, f"Give '{key}' either a value or bounds.")
        fields[key] = texts[0] if len(texts) == 1 else texts
        return
    if len(texts) != 1:
        _refuse(name, "Give it once.")
    operators = fields.setdefault(key, {})
    if not isinstance(operators, dict):
        _refuse(name, f"Give '{key}' either a value or bounds.")
    operators[operator] = texts[0]


def _filter(fields: Mapping[str, Any], place: str) -> Filter:
    clauses: list[Clause] = []
    for name, value in fields.items():
        if name not in FIELDS:
            raise _unknown(
                f"{place}{excerpt(name)}", f"There is no field '{excerpt(name)}' to filter by.", name, FIELDS
            )
        clauses += _PARSERS[name](name, value, f"{place}{name}")
    return Filter(tuple(clauses))


def _paths(_: str, value: object, place: str) -> list[Clause]:
    texts = _alternatives(value, place, MAX_PATTERNS)
    patterns = [pattern for text, each in texts for pattern in _patterns(text, each)]
    return [PathMatches(tuple(dict.fromkeys(patterns)))]


def _patterns(value: object, place: str) -> list[PathPattern]:
    """The pattern, and the same in the other forms of Unicode: macOS writes accents apart, browsers with the letter."""
    written = _pattern(value, place)
    assert isinstance(value, str)
    others = [unicodedata.normalize(form, value) for form in ("NFC", "NFD")]
    # Accents that stand apart take more characters: a form that would be refused is left out.
    return [written, *(other for other in map(PathPattern.of, others) if _text_behind_star(other) <= MAX_PATTERN_TEXT)]


def _text_behind_star(pattern: PathPattern) -> int:
    return sum(map(len, pattern.parts[1:]))


def _pattern(value: object, place: str) -> PathPattern:
    if not isinstance(value, str) or not value or not is_storable(value):
        _refuse(place, "A path is a text such as '2024/' or '2024/*.jpg'.")
    if len(value.encode()) > KEY_LIMIT:
        _refuse(place, f"A path has at most {KEY_LIMIT:,} bytes.")
    pattern = PathPattern.of(value)
    if len(pattern.parts) > MAX_WILDCARDS + 1:
        _refuse(place, f"A path has at most {MAX_WILDCARDS} '{WILDCARD}'.")
    if _text_behind_star(pattern) > MAX_PATTERN_TEXT:
        _refuse(place, f"A path has at most {MAX_PATTERN_TEXT} characters behind its first '{WILDCARD}'.")
    if pattern.parts == ("",):
        _refuse(place, "A path has more than slashes. Leave it out for all files.")
    return pattern


def _names(known: Mapping[str, str]) -> Callable[[str, object, str], list[Clause]]:
    """The parser of a field that has one of these names, which stand for others."""

    def parse(name: str, value: object, place: str) -> list[Clause]:
        values = []
        for text, each in _alternatives(value, place, MAX_VALUES):
            if not isinstance(text, str):
                _refuse(each, f"{name} is a text, such as '{next(iter(known))}'.")
            if text.lower() not in known:
                _refuse(each, f"There is no {name} '{excerpt(text)}'.", text.lower(), sorted(set(known.values())))
            values.append(known[text.lower()])
        return [AnyOf(name, tuple(dict.fromkeys(values)))]

    return parse


def _numbers(name: str, value: object, place: str) -> list[Clause]:
    if isinstance(value, dict):
        bounds = {key: _whole(bound, each) for key, bound, each in _operators(value, place, _BOUNDS)}
        return [Within(name, (_checked(_whole_range(bounds), place),))]
    values = [_whole(each, where) for each, where in _alternatives(value, place, MAX_VALUES)]
    return [Within(name, tuple(Range(each, each + 1) for each in values))]


def _whole(value: object, place: str) -> int:
    if isinstance(value, _Text) and _WHOLE.fullmatch(value):
        value = int(value)
    number = whole_number(value)
    if number is None or not 0 <= number <= LARGEST_NUMBER:
        _refuse(place, "It is a whole number from 0 to 2^53.")
    return number


def _whole_range(bounds: Mapping[str, int]) -> Range[int]:
    low = bounds["gte"] if "gte" in bounds else bounds["gt"] + 1 if "gt" in bounds else None
    high = bounds["lt"] if "lt" in bounds else bounds["lte"] + 1 if "lte" in bounds else None
    return Range(low, high)


def _times(name: str, value: object, place: str) -> list[Clause]:
    if isinstance(value, dict):
        clauses: list[Clause] = []
        moments: dict[str, Range[int]] = {}
        for key, bound, each in _operators(value, place, _OPERATORS):
            if key == _EXISTS:
                clauses.append(Known(name, _flag(bound, each)))
            else:
                moments[key] = _moment(bound, each)
        if moments:
            # A day is a range itself: after it is behind its end, up to it is with all of it.
            low = moments["gte"].low if "gte" in moments else moments["gt"].high if "gt" in moments else None
            high = moments["lt"].low if "lt" in moments else moments["lte"].high if "lte" in moments else None
            clauses.append(Within(name, (_checked(Range(low, high), place),)))
        return clauses
    return [Within(name, tuple(_moment(each, where) for each, where in _alternatives(value, place, MAX_VALUES)))]


def _moment(value: object, place: str) -> Range[int]:
    """The milliseconds of a time: of a day all, of a time to the second one second, and so on."""
    if not isinstance(value, str):
        _refuse(place, _TIME_EXPECTED)
    try:
        if _DATE.fullmatch(value):
            start = milliseconds(datetime.combine(date.fromisoformat(value), datetime.min.time(), UTC))
            return Range(start, start + _DAY)
        stated = parse_time(value, is_parameter=isinstance(value, _Text))
        start = milliseconds(stated.moment)
    except NotATime:
        _refuse(place, _TIME_EXPECTED)
    except (ValueError, OverflowError):
        _refuse(place, f"There is no date or time '{value}'.")
    return Range(start, start + stated.precision // _MILLISECOND)


def _metadata(_: str, value: object, place: str) -> list[Clause]:
    if not isinstance(value, dict):
        _refuse(place, 'metadata is a JSON object, such as {"product_id": "A1"}.')
    if len(value) > MAX_METADATA_NAMES:
        _refuse(place, f"A filter has at most {MAX_METADATA_NAMES} names of metadata.")
    return [clause for name, wanted in value.items() for clause in _of_name(name, wanted, f"{place}.{excerpt(name)}")]


def _of_name(name: str, value: object, place: str) -> list[Clause]:
    if not METADATA_NAME.fullmatch(name):
        _refuse(place, "A name in metadata has 1 to 64 letters, digits, '_' and '-', all of ASCII.")
    if not isinstance(value, dict):
        alternatives = _alternatives(value, place, MAX_VALUES)
        terms = [term for each, where in alternatives for term in _value_terms(name, each, where)]
        return [MetadataMatches(name, terms=tuple(dict.fromkeys(terms)))]
    clauses: list[Clause] = []
    bounds: dict[str, Any] = {}
    for key, bound, each in _operators(value, place, _OPERATORS):
        if key == _EXISTS:
            clauses.append(MetadataKnown(name, _flag(bound, each)))
        else:
            bounds[key] = _bound(bound, each)
    if bounds:
        clauses.append(MetadataMatches(name, ranges=_metadata_ranges(name, bounds, place)))
    return clauses


def _value_terms(name: str, value: object, place: str) -> list[str]:
    """The terms of a value; of a parameter's text, those of all that it may be meant as."""
    if isinstance(value, bool):
        return [value_term(name, value)]
    bound = _bound(value, place)
    terms = [value_term(name, bound)]
    if isinstance(value, _Text):
        number = _number_in(value)
        terms += [] if number is None else [value_term(name, number)]
        terms += [value_term(name, value == "true")] if value in ("true", "false") else []
    return terms


def _bound(value: object, place: str) -> str | float:
    """A text or a number that metadata may have; a parameter's text stays what it is."""
    match value:
        case bool():
            pass
        case str() if is_storable(value) and len(value.encode()) <= METADATA_BYTES:
            return value
        case int() if abs(value) <= LARGEST_NUMBER:
            return value
        case float() if math.isfinite(value):
            return value
    raise _refused(place, f"It is a text of at most {METADATA_BYTES:,} bytes, or a finite number.")


def _metadata_ranges(name: str, bounds: Mapping[str, str | float], place: str) -> tuple[Range[str], ...]:
    """The ranges of terms; parameters that may be meant as numbers stand for both texts and numbers."""
    numbers = {key: _number_in(bound) if isinstance(bound, _Text) else bound for key, bound in bounds.items()}
    texts = {key: bound for key, bound in bounds.items() if isinstance(bound, str)}
    ranges: list[Range[str]] = []
    if all(isinstance(number, int | float) for number in numbers.values()):
        low, high = _limits(numbers, lambda number: math.nextafter(number, math.inf))
        ranges.append(number_range(name, low, high))
    if len(texts) == len(bounds):
        low, high = _limits(texts, lambda text: text + "\0")
        ranges.append(text_range(name, low, high))
    if not ranges:
        _refuse(place, "Both bounds are numbers, or both are texts.")
    sensible = [each for each in ranges if each.low is None or each.high is None or each.low < each.high]
    if len(bounds) > 1 and not sensible:
        _checked(ranges[0], place)
    return tuple(sensible or ranges)


def _limits(bounds: Mapping[str, Any], following: Callable[[Any], Any]) -> tuple[Any, Any]:
    """The half-open range of bounds, given the function that returns the next value."""
    low = bounds["gte"] if "gte" in bounds else following(bounds["gt"]) if "gt" in bounds else None
    high = bounds["lt"] if "lt" in bounds else following(bounds["lte"]) if "lte" in bounds else None
    return low, high


def _number_in(text: str) -> float | None:
    number = float(text) if _DECIMAL.fullmatch(text) else math.inf
    return number if math.isfinite(number) else None


def _flag(value: object, place: str) -> bool:
    if isinstance(value, _Text) and value in ("true", "false"):
        return value == "true"
    if not isinstance(value, bool):
        _refuse(place, "It is true or false.")
    return value


def _alternatives(value: object, place: str, limit: int) -> list[tuple[Any, str]]:
    """The values, any of which will do, each with its place."""
    if not isinstance(value, list):
        return [(value, place)]
    if not value:
        _refuse(place, "Name one value at least, or leave it out.")
    if len(value) > limit:
        _refuse(place, f"It has at most {limit} alternatives.")
    return [(each, f"{place}[{number}]") for number, each in enumerate(value)]


def _operators(value: Mapping[str, Any], place: str, known: Sequence[str]) -> list[tuple[str, Any, str]]:
    """The bounds in an object, each with its place."""
    for name in value:
        if name not in known:
            raise _unknown(f"{place}.{excerpt(name)}", f"There is no bound '{excerpt(name)}'.", name, known)
    if not value:
        _refuse(place, f"Give it a value, or one of {', '.join(known)}.")
    for pair in (("gte", "gt"), ("lte", "lt")):
        if pair[0] in value and pair[1] in value:
            _refuse(f"{place}.{pair[1]}", f"Give either {pair[0]} or {pair[1]}.")
    return [(name, bound, f"{place}.{name}") for name, bound in value.items()]


def _checked(bounds: Range[Any], place: str) -> Range[Any]:
    if bounds.low is not None and bounds.high is not None and bounds.low >= bounds.high:
        _refuse(place, "Nothing is between the bounds: the range ends before it begins.")
    return bounds


def _refuse(place: str, message: str, name: str = "", known: Sequence[str] = ()) -> NoReturn:
    """Raise InvalidRequest; with the known names, its message names the nearest or all of them."""
    raise _refused(place, message, name, known)


def _unknown(place: str, message: str, name: str, known: Sequence[str]) -> UnknownParameter:
    return UnknownParameter(_refused(place, message, name, known).message, field=place)


def _refused(place: str, message: str, name: str = "", known: Sequence[str] = ()) -> InvalidRequest:
    nearest = get_close_matches(name, known, n=1)
    advice = f" Did you mean '{nearest[0]}'?" if nearest else f" It is one of {', '.join(known)}." if known else ""
    return InvalidRequest(f"{place}: {message}{advice}", field=place)


_PARSERS: Mapping[str, Callable[[str, Any, str], list[Clause]]] = {
    "path": _paths,
    "format": _names(_FORMATS),
    "size": _numbers,
    "width": _numbers,
    "height": _numbers,
    "orientation": _names({each.value: each.value for each in Orientation}),
    "modified": _times,
    "taken": _times,
    "metadata": _metadata,
}
