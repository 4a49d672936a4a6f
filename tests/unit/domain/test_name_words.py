"""The words by which a file is found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.name_words import WORD_LIMIT, file_words, query_words


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("IMG_1234.JPG", ("img", "1234", "jpg")),
        ("invoice 2024-03.pdf.png", ("invoice", "2024", "03", "pdf", "png", "3")),
        ("IMG_0012.jpg", ("img", "0012", "jpg", "12")),
        ("HolidayPhotos", ("holidayphotos", "holiday", "photos")),
        ("\u00d6lberg, Stra\u00dfe", ("olberg", "strasse")),
        ("O\u0308lberg", ("olberg",)),
        ("\u4eac\u90fd\u65c5\u884c", ("\u4eac", "\u90fd", "\u65c5", "\u884c")),
        ("holiday2024", ("holiday", "2024")),
        ("000", ("000", "0")),
        ("~ #!.", ()),
    ],
)
def test_a_name_has_these_words(path: str, words: tuple[str, ...]) -> None:
    assert file_words(path) == words


def test_a_query_has_each_of_its_words_once_and_no_parts_of_words() -> None:
    assert query_words("HolidayPhotos 0012 holidayphotos") == ("holidayphotos", "0012")


@given(st.text())
def test_a_file_is_found_by_every_word_of_its_name(name: str) -> None:
    assert set(query_words(name)) <= set(file_words(name))
    assert all(0 < len(word) <= WORD_LIMIT for word in file_words(name))


@given(st.text())
def test_a_word_is_a_word_by_itself(name: str) -> None:
    for word in file_words(name):
        assert query_words(word) == (word,)
