"""Metadata of files: what callers may send, what a patch makes of it, and how S3's is read."""

import json
from email.header import Header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.metadata import (
    METADATA_BYTES,
    METADATA_NAME,
    Metadata,
    merge_metadata,
    metadata_bytes,
    metadata_from_json,
    metadata_to_json,
    object_metadata,
    parse_metadata,
    parse_metadata_text,
)

NAMES = st.from_regex(METADATA_NAME, fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
VALUES = (
    TEXTS
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.lists(TEXTS, max_size=5)
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=5)


def written(metadata: Metadata) -> object:
    return json.loads(metadata_to_json(metadata))


@given(OBJECTS)
def test_metadata_comes_back_as_it_was_sent(sent: dict[str, object]):
    metadata = parse_metadata_text(json.dumps(sent))
    assert metadata_from_json(metadata_to_json(metadata)) == metadata
    assert json.dumps(written(metadata)) == json.dumps(sent)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"a": 1, "a": 2}', "metadata.a"),
        ('{"a": 1, "\\u0061": 1}', "metadata.a"),
        ('{"a": {"b": 1, "b": 1}}', "metadata.b"),
        ('{"a": NaN}', "metadata.a"),
        ('{"a": -Infinity}', "metadata.a"),
        ('{"a": 1e400}', "metadata.a"),
        ('{"a": "\\ud800"}', "metadata.a"),
        ('{"a": 1,}', "metadata"),
        ("{'a': 1}", "metadata"),
        ('\ufeff{"a": 1}', "metadata"),
        ('{"a": 1} {}', "metadata"),
        ("[" * 100_000, "metadata"),
        ("", "metadata"),
    ],
)
def test_a_text_that_says_less_or_more_than_one_object_is_refused_by_its_field(text: str, field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_metadata_text(text)
    assert refused.value.field == field


@given(OBJECTS, st.dictionaries(NAMES, st.none() | VALUES, max_size=5))
def test_a_patch_changes_what_it_names_and_nothing_else(sent: dict[str, object], patch: dict[str, object]):
    merged = written(merge_metadata(parse_metadata(sent), patch))
    expected = {name: value for name, value in {**sent, **patch}.items() if value is not None}
    assert merged == expected


@given(OBJECTS, OBJECTS)
def test_a_patch_applied_twice_is_the_patch_applied_once(sent: dict[str, object], patch: dict[str, object]):
    once = merge_metadata(parse_metadata(sent), patch)
    assert merge_metadata(once, patch) == once


def test_null_removes_a_name_or_everything():
    current = parse_metadata({"a": "1", "b": "2"})
    assert merge_metadata(current, {"a": None}) == {"b": "2"}
    assert merge_metadata(current, None) == {}


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ([], "metadata"),
        ("a", "metadata"),
        (None, "metadata"),
        ({"a": None}, "metadata.a"),
        ({"a": {"b": 1}}, "metadata.a"),
        ({"tag": ["x", "y", 1]}, "metadata.tag[2]"),
        ({"tag": ["x", ["y"]]}, "metadata.tag[1]"),
        ({"tag": ["x", "\ud800"]}, "metadata.tag[1]"),
        ({"tag": ["x"] * 101}, "metadata.tag"),
        ({"a": "\0"}, "metadata.a"),
        ({"a": float("nan")}, "metadata.a"),
        ({"a": float("-inf")}, "metadata.a"),
        ({"a": 2**53 + 1}, "metadata.a"),
        ({"a": 10**5000}, "metadata.a"),
        ({"": "x"}, "metadata."),
        ({"a.b": "x"}, "metadata.a.b"),
        ({"-a": "x"}, "metadata.-a"),
        ({"ä": "x"}, "metadata.ä"),
        ({"a" * 65: "x"}, f"metadata.{'a' * 65}"),
        ({"a\n": "x"}, "metadata.a\ufffd"),
    ],
)
def test_an_error_names_the_member_by_its_path(sent: object, field: str):
    with pytest.raises(InvalidRequest) as refused:
        parse_metadata(sent)
    assert refused.value.field == field


@pytest.mark.parametrize("text", ["", "{", "[]", "NaN", '{"a": NaN}', "[" * 100_000, '{"a": ' + "9" * 5000 + "}"])
def test_a_text_that_is_no_json_object_of_metadata_is_refused(text: str):
    with pytest.raises(InvalidRequest):
        parse_metadata_text(text)


def test_names_and_values_have_two_kilobytes_together():
    full = {"ab": "ü" * 1000, "c": "x" * 34, "n": 12345, "t": True}
    assert metadata_bytes(parse_metadata(full)) == METADATA_BYTES
    with pytest.raises(InvalidRequest, match="2,049 bytes") as refused:
        parse_metadata({**full, "c": "x" * 35})
    assert refused.value.field == "metadata"
    with pytest.raises(InvalidRequest, match="at most 2,048"):
        merge_metadata(parse_metadata(full), {"d": ""})


def test_user_metadata_of_s3_is_read_with_its_encoded_words():
    stored = {
        "photographer": "=?UTF-8?B?TcO8bGxlcg==?=",
        "place": Header("Çeşme und München", "utf-8").encode(),
        "plain": "A1 =?",
        "broken": "=?UTF-8?B?//?=",
        "price": "12",
    }
    assert object_metadata(stored) == {
        "photographer": "Müller",
        "place": "Çeşme und München",
        "plain": "A1 =?",
        "broken": "=?UTF-8?B?//?=",
        "price": "12",
    }


@given(st.dictionaries(st.text(max_size=70), st.text(max_size=700), max_size=8))
def test_whatever_a_bucket_has_becomes_metadata_that_a_caller_could_have_sent(stored: dict[str, str]):
    metadata = object_metadata(stored)
    assert parse_metadata(dict(metadata)) == metadata
    fits = sum(len(f"{name}{value}".encode("utf-8", "replace")) for name, value in stored.items()) <= METADATA_BYTES
    if fits and not any("=?" in value for value in stored.values()):
        allowed = {n: v for n, v in stored.items() if METADATA_NAME.fullmatch(n) and "\0" not in v}
        assert metadata == allowed
