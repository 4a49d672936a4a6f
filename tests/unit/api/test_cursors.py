"""Cursors: whatever the position, they lead back to it, and to nobody else's."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api.cursors import CURSOR_LENGTH_LIMIT, decode_cursor, encode_cursor
from chalicelib.domain.collections import KEY_LIMIT
from chalicelib.domain.errors import InvalidRequest

CHARACTERS = st.characters(exclude_categories=["Cs"])
CONTROLS = st.characters(max_codepoint=0x9F) | st.sampled_from('\\"/u0')
POSITIONS = st.recursive(
    st.none() | st.integers() | st.floats(allow_nan=False) | st.text(CONTROLS) | st.text(CHARACTERS),
    lambda parts: st.lists(parts, max_size=3),
)


@given(POSITIONS)
def test_a_cursor_leads_to_the_position_it_was_made_of(position: Any) -> None:
    cursor = encode_cursor("scope", position)
    assert decode_cursor(cursor, "scope") == position


@pytest.mark.parametrize("character", [*map(chr, range(0x80)), "\u0080", "\u00e9", "\u4e2d", "\U0001f600"])
def test_the_longest_key_of_any_character_has_a_cursor(character: str) -> None:
    key = character * (KEY_LIMIT // len(character.encode()))
    cursor = encode_cursor(("a collection", "files", None), key)
    assert cursor is not None
    assert len(cursor) < 3_000 < CURSOR_LENGTH_LIMIT
    assert decode_cursor(cursor, ("a collection", "files", None)) == key


@given(st.text(CHARACTERS, max_size=5), st.text(CHARACTERS, max_size=5))
def test_a_cursor_of_another_scope_is_refused(scope: str, other: str) -> None:
    cursor = encode_cursor(scope, "a")
    if scope != other:
        with pytest.raises(InvalidRequest):
            decode_cursor(cursor, other)


def test_an_empty_cursor_is_that_of_the_first_page() -> None:
    assert decode_cursor("", "a scope") is decode_cursor(None, "a scope") is None
