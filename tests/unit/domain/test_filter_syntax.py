"""How callers write filters, and what is refused with which words."""

import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from hypothesis import given

from chalicelib.domain.errors import InvalidRequest, UnknownParameter
from chalicelib.domain.file_facts import milliseconds
from chalicelib.domain.filter_syntax import MAX_PATTERN_TEXT, parse_filter, parse_filter_parameters
from chalicelib.domain.filters import AnyOf, Filter, Known, MetadataMatches, PathMatches, PathPattern, Range, Within
from tests.filters import written_filters


def within(written: object) -> Range[int]:
    """The one range of a filter by the time of taking."""
    (clause,) = parse_filter({"taken": written}).clauses
    assert isinstance(clause, Within)
    (only,) = clause.ranges
    return only


def at(text: str) -> int:
    return milliseconds(datetime.fromisoformat(text).replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("written", "low", "high"),
    [
        ("2024-05-06", "2024-05-06", "2024-05-07"),
        ({"gte": "2024-05-06"}, "2024-05-06", None),
        ({"gt": "2024-05-06"}, "2024-05-07", None),
        ({"lte": "2024-05-06"}, None, "2024-05-07"),
        ({"lt": "2024-05-06"}, None, "2024-05-06"),
        ({"gte": "2024-05-06T07:08:09Z", "lte": "2024-05-06T07:08:09Z"}, "2024-05-06T07:08:09", "2024-05-06T07:08:10"),
        ("2024-05-06T07:08:09.123Z", "2024-05-06T07:08:09.123", "2024-05-06T07:08:09.124"),
        ("2024-05-06T09:08:09+02:00", "2024-05-06T07:08:09", "2024-05-06T07:08:10"),
        ("2024-05-06 07:08", "2024-05-06T07:08", "2024-05-06T07:08:01"),
    ],
)
def test_a_day_is_all_of_it_and_a_bound_says_whether_it_belongs_to_it(
    written: object, low: str | None, high: str | None
) -> None:
    assert within(written) == Range(low and at(low), high and at(high))


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("path", ["été/owl.jpg", "Ångström/a.jpg", "한국/사진.jpg", "plain/a.jpg"])
def test_a_path_is_found_in_whichever_form_of_unicode_it_was_written(path: str, form: Literal["NFC", "NFD"]) -> None:
    folder = path.partition("/")[0]
    for pattern in (path, f"{folder}/", f"{folder}*", f"*{path[1:]}"):
        (clause,) = parse_filter({"path": unicodedata.normalize(form, pattern)}).clauses
        assert isinstance(clause, PathMatches)
        composed, apart = unicodedata.normalize("NFC", path), unicodedata.normalize("NFD", path)
        assert all(any(each.admits(stored) for each in clause.patterns) for stored in (composed, apart))
        assert len(clause.patterns) == (1 if path.isascii() else 2)


def test_a_form_of_unicode_that_is_too_long_for_a_pattern_is_left_out() -> None:
    (clause,) = parse_filter({"path": "*" + "é" * MAX_PATTERN_TEXT}).clauses
    assert clause == PathMatches((PathPattern.of("*" + "é" * MAX_PATTERN_TEXT),))


def test_formats_are_known_by_their_usual_names_in_any_case() -> None:
    assert parse_filter({"format": ["JPG", "tif", "heic", "jpeg"]}) == Filter(
        (AnyOf("format", ("jpeg", "tiff", "heif")),)
    )


def test_a_parameter_of_metadata_may_be_meant_as_text_or_number_or_boolean() -> None:
    for written, parameters in (
        ({"n": ["5", 5]}, {"metadata.n": ["5"]}),
        ({"n": ["true", True]}, {"metadata.n": ["true"]}),
        ({"n": ["x", "y"]}, {"metadata.n": ["x", "y"]}),
    ):
        assert parse_filter({"metadata": written}) == parse_filter_parameters(parameters)
    (clause,) = parse_filter_parameters({"metadata.n.gte": ["5"], "metadata.n.lt": ["7"]}).clauses
    assert isinstance(clause, MetadataMatches)
    assert len(clause.ranges) == 2, "as texts, and as numbers"


def test_a_time_can_be_asked_to_be_known_beside_its_bounds() -> None:
    wanted = parse_filter_parameters({"taken.exists": ["true"], "taken.lt": ["2020-01-01"]})
    assert Known("taken", known=True) in wanted.clauses
    assert len(wanted.clauses) == 2


@given(written_filters)
def test_parameters_mean_what_the_same_json_means(written: dict[str, Any]) -> None:
    written = {name: value for name, value in written.items() if name != "metadata"}  # which has kinds of values
    parameters: dict[str, Sequence[str]] = {}
    for name, value in written.items():
        if isinstance(value, Mapping):
            parameters |= {f"{name}.{key}": [_text(bound)] for key, bound in value.items()}
        else:
            parameters[name] = [_text(each) for each in (value if isinstance(value, list) else [value])]
    assert outcome(lambda: parse_filter_parameters(parameters)) == outcome(lambda: parse_filter(written))


def outcome(parse: Callable[[], Filter]) -> Filter | str:
    """The filter; or of what is refused the field, without the place of the whole and of alternatives."""
    try:
        return parse()
    except InvalidRequest as error:
        return (error.field or "").removeprefix("filter.").partition("[")[0]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@pytest.mark.parametrize(
    ("written", "field", "words"),
    [
        ([], "filter", "JSON object"),
        ({"sise": 1}, "filter.sise", "Did you mean 'size'?"),
        ({"size": {"gt": 1, "above": 2}}, "filter.size.above", "gte, gt, lte, lt"),
        ({"size": {"gt": 1, "gte": 2}}, "filter.size.gt", "either"),
        ({"size": {}}, "filter.size", "gte"),
        ({"size": []}, "filter.size", "one value"),
        ({"size": "1"}, "filter.size", "whole number"),
        ({"size": True}, "filter.size", "whole number"),
        ({"size": 1.5}, "filter.size", "whole number"),
        ({"size": [1, -1]}, "filter.size[1]", "whole number"),
        ({"size": {"gte": 10, "lt": 10}}, "filter.size", "before it begins"),
        ({"size": list(range(51))}, "filter.size", "50"),
        ({"format": "pgn"}, "filter.format", "Did you mean 'png'?"),
        ({"format": 5}, "filter.format", "text"),
        ({"orientation": "sideways"}, "filter.orientation", "landscape"),
        ({"taken": {"lt": "yesterday"}}, "filter.taken.lt", "ISO 8601"),
        ({"taken": "2023-02-29"}, "filter.taken", "2023-02-29"),
        ({"taken": "0000-01-01"}, "filter.taken", "0000-01-01"),
        ({"taken": "2023-01-01T25:00:00Z"}, "filter.taken", "no date or time"),
        ({"modified": {"gte": "2025-01-01", "lt": "2024-01-01"}}, "filter.modified", "before it begins"),
        ({"modified": {"exists": "yes"}}, "filter.modified.exists", "true or false"),
        ({"width": {"exists": True}}, "filter.width.exists", "gte"),
        ({"path": "*a" * 9}, "filter.path", "8"),
        ({"path": "x" * 1025}, "filter.path", "1,024"),
        ({"path": "*" + "a" * 257}, "filter.path", "256"),
        ({"path": "x*" + "a" * 128 + "*" + "\u4e2d" * 129}, "filter.path", "256"),
        ({"path": ["a"] * 11}, "filter.path", "10"),
        ({"path": ""}, "filter.path", "text"),
        ({"path": "///"}, "filter.path", "slashes"),
        ({"path": "\ud800"}, "filter.path", "text"),
        ({"metadata": "A1"}, "filter.metadata", "JSON object"),
        ({"metadata": {"a b": 1}}, "filter.metadata.a b", "ASCII"),
        ({"metadata": {"a": None}}, "filter.metadata.a", "text"),
        ({"metadata": {"a": ["x", {}]}}, "filter.metadata.a[1]", "text"),
        ({"metadata": {"a": 10**400}}, "filter.metadata.a", "finite number"),
        ({"metadata": {"a": float("nan")}}, "filter.metadata.a", "finite number"),
        ({"metadata": {"a": {"gte": 1, "lt": "2"}}}, "filter.metadata.a", "Both bounds"),
        ({"metadata": {"a": {"gte": 2, "lt": 1}}}, "filter.metadata.a", "before it begins"),
        ({"metadata": {"a": {"gte": True}}}, "filter.metadata.a.gte", "text"),
        ({"metadata": {"a": {"exits": True}}}, "filter.metadata.a.exits", "Did you mean 'exists'?"),
        ({"metadata": {f"n{number}": 1 for number in range(21)}}, "filter.metadata", "20"),
    ],
)
def test_what_is_no_filter_is_refused_with_the_path_of_the_fault(written: object, field: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        parse_filter(written)
    assert raised.value.field == field
    assert words in raised.value.message


@pytest.mark.parametrize(
    ("parameters", "field", "words"),
    [
        ({"size.abve": ["1"]}, "size.abve", "gte"),
        ({"size": ["1"], "size.gt": ["1"]}, "size.gt", "either"),
        ({"size.gt": ["1"], "size": ["1"]}, "size", "either"),
        ({"size.gt": ["1", "2"]}, "size.gt", "once"),
        ({"size": ["1_0"]}, "size", "whole number"),
        ({"metadata": ["1"]}, "metadata", "metadata.product_id"),
        ({"metadata.a": ["x" * 3000]}, "metadata.a", "2,048"),
        ({"size.gte": []}, "size.gte", "once"),
    ],
)
def test_a_parameter_that_is_no_filter_is_named(parameters: dict[str, list[str]], field: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        parse_filter_parameters(parameters)
    assert (raised.value.field, words in raised.value.message) == (field, True)


def test_an_unknown_field_has_the_code_of_unknown_names() -> None:
    with pytest.raises(UnknownParameter):
        parse_filter({"sise": 1})
