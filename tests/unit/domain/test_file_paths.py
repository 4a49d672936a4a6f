"""Paths of files: what is stored is a key of the collection's folder, and is stored as it is shown."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.collections import KEY_LIMIT, managed_prefix
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.file_paths import PATH_LIMIT, other_paths, parse_path
from chalicelib.domain.image_files import FILE_NAME_LIMIT
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
    [
        *(
            None,
            7,
            "",
            "/a",
            "a/",
            "a//b",
            ".",
            "a/../b",
            " / a",
            "a\\b",
            "a/\n",
            "\ud800",
            "x" * 256,
            "ab/" * 300 + "cde",
        ),
        *("a\u2028b", "a/b\u2029c", "a/\u200b/b", "\u200d", "a/\u3000", "a/\u202e..\u202c/b", "a/b\x85c", "a\x7f"),
    ],
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


MD5 = "653b6e02f13241e943e0889f0165d627"


@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("a.jpg", "a (1).jpg"),
        ("2024/a.b.jpg", "2024/a.b (1).jpg"),
        ("blob", "blob (1)"),
        (".jpg", ".jpg (1)"),
        ("a.d/blob", "a.d/blob (1)"),
        ("x" * 251 + ".jpg", "x" * 247 + " (1).jpg"),
        ("a." + "x" * 250, "a." + "x" * 249 + " (1)"),
    ],
)
def test_another_picture_of_a_path_gets_a_number_before_the_extension(path: str, first: str) -> None:
    ones, tens, (last,) = other_paths(path, MD5)
    assert ones[0] == first
    assert (len(ones), len(tens)) == (9, 90)
    assert f"({MD5})" in last


@given(texts.filter(bool), st.sampled_from(["", ".jpg", "." + "x" * 253]), st.integers(0, 255))
def test_other_paths_are_paths_in_the_same_folder_and_no_two_are_the_same(text: str, ending: str, stem: int) -> None:
    try:
        path = parse_path(text + "ä" * (stem // 2) + ending)
    except InvalidRequest:
        return
    others = [other for group in other_paths(path, MD5) for other in group]
    assert len({path, *others}) == 101
    for other in others:
        folder, _, name = other.rpartition("/")
        assert folder == path.rpartition("/")[0]
        assert len(name.encode()) <= FILE_NAME_LIMIT
        assert len(AREA.check(PREFIX + other).encode()) <= KEY_LIMIT
