"""Paths of files: what is stored is a key of the collection's folder, and is stored as it is shown."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.collections import KEY_LIMIT, managed_prefix
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.file_paths import PATH_LIMIT, parse_path
from chalicelib.domain.uploads import ManagedArea

AREA = ManagedArea("4f6c5d1e-3c55-4f3b-8f0a-0d8a4f5b7c9e", "8ff9ef69-fd22-4308-ad1e-22c59500d944")
PREFIX = managed_prefix(AREA.account, AREA.collection)
texts = st.text(st.one_of(st.sampled_from("a/.\\ \u0308\u202e\0ä"), st.characters()), max_size=40)


@given(texts)
def test_any_text_is_refused_or_becomes_a_path_that_stays_the_same(text: str) -> None:
    try:
        path = parse_path(text)
    except InvalidRequest:
        return
    assert parse_path(path) == path
    assert unicodedata.is_normalized("NFC", path)
    assert path.count("/") == text.count("/")
    key = AREA.check(PREFIX + path)
    assert AREA.path(key) == path
    assert len(key.encode()) <= KEY_LIMIT


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a.jpg", "a.jpg"),
        ("2024/summer/a.jpg", "2024/summer/a.jpg"),
        ("2024 / a\u0308.jpg ", "2024/ä.jpg"),
        ("in\u202evoice/a.jpg", "invoice/a.jpg"),
        ("...", "..."),
    ],
)
def test_a_path_is_stored_in_one_spelling(text: str, path: str) -> None:
    assert parse_path(text) == path


@pytest.mark.parametrize(
    "value",
    [None, 7, "", "/a", "a/", "a//b", ".", "a/../b", " / a", "a\\b", "a/\n", "\ud800", "x" * 256, "ab/" * 300 + "cde"],
)
def test_what_is_no_path_is_refused(value: object) -> None:
    with pytest.raises(InvalidRequest):
        parse_path(value)


def test_a_path_of_the_greatest_length_is_taken() -> None:
    path = "/".join(["x" * 224] * 4)
    assert len(path) == PATH_LIMIT - 1
    assert parse_path(path) == path


@pytest.mark.parametrize("path", ["", "a/", "../b/a.jpg", "a//b", "./a"])
def test_a_key_that_is_no_file_of_the_area_is_never_asked_for(path: str) -> None:
    with pytest.raises(Exception, match="no such file"):
        AREA.check(PREFIX + path)
